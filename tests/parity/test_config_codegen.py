"""A pair's keys as a function of a config, and what cannot be written so."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from signbart_port.errors import PortError
from signbart_port.parity.config_codegen import config_function
from signbart_port.parity.config_keys import Ignored, Key, Mapped, Required, SameAs
from signbart_port.parity.pair import Pair

FACTOR = 4


def inner(config: Mapping[str, Any]) -> int:
    """Return the inner width."""
    # Four times the width, unless it is stated.
    stated = [config[name] for name in ("inner",) if config[name] is not None]
    return int(max(stated, default=4 * config["width"]))


def times_factor(config: Mapping[str, Any]) -> Any:
    return FACTOR * config["width"]


def times_factor_within(config: Mapping[str, Any]) -> Any:
    return [FACTOR * width for width in config["widths"]]


def imported(config: Mapping[str, Any]) -> Any:
    import math

    return math.prod(config["widths"])


def of_two(config: Mapping[str, Any], factor: int = 4) -> Any:
    return factor * config["width"]


def of_any(*configs: Mapping[str, Any]) -> Any:
    return configs[0]["width"]


def doubled(function: Any) -> Any:
    return functools.wraps(function)(lambda config: 2 * function(config))


@doubled
def decorated(config: Mapping[str, Any]) -> Any:
    return config["width"]


def short(config: Mapping[str, Any]) -> Any: return config["width"]  # fmt: skip


class Keyed(Pair):
    keys: ClassVar[Mapping[str, Key]] = {
        "width": Mapped(3, to="units"),
        "inner": Mapped(None),
        "depth": Mapped(to="layers"),
        "depth_of_decoder": SameAs("depth"),
        "activation": Required(("relu", "gelu"), default="tanh"),
        "scaled": Required((False,)),
        "dropout": Ignored("for training only"),
    }
    derived: ClassVar[Mapping[str, Any]] = {"inner_units": inner, "first": short, "order": [1, {}]}


def function_of(pair: Pair) -> Any:
    scope: dict[str, Any] = {}
    exec(config_function(pair), scope)
    return scope["convert_backbone_config"]


RIGHT = {"depth": 2, "activation": "relu"}


@pytest.mark.parametrize("stated", [{}, {"width": 5}, {"inner": 7, "depth_of_decoder": 2}])
def test_it_gives_the_arguments_that_the_pair_gives(stated: dict[str, Any]) -> None:
    pair, config = Keyed(), {**RIGHT, **stated}
    assert function_of(pair)(config) == pair.keras_arguments(pair.read_config(config, {}))


def test_comments_of_a_function_stay_and_annotations_go() -> None:
    source = config_function(Keyed())
    assert "def derive_inner_units(config):" in source
    assert "    # Four times the width, unless it is stated." in source


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"activation": "silu"}, "activation is 'silu': the backbone computes 'relu' or 'gelu'"),
        ({"scaled": True}, "scaled is True: the backbone computes False only"),
        ({"depth_of_decoder": 1}, "depth_of_decoder is 1, depth 2: the backbone has one for both"),
    ],
)
def test_what_the_backbone_does_not_compute_is_refused(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        function_of(Keyed())({**RIGHT, **stated})
    with pytest.raises(ValueError, match="activation is 'tanh'"):
        function_of(Keyed())({"depth": 2})


def test_there_is_none_where_nothing_is_mapped_or_not_everything_is_declared() -> None:
    class Unmapped(Keyed):
        keys: ClassVar = {"width": Mapped(3)}

    class Own(Keyed):
        def keras_arguments(self, config: Any) -> dict[str, Any]:
            return super().keras_arguments(config) | {"trainable": False}

    assert config_function(Unmapped()) == config_function(Own()) == ""


@pytest.mark.parametrize(
    ("derived", "says"),
    [
        (times_factor, "'inner' in `derived`: its function uses FACTOR, not the config only"),
        (times_factor_within, "uses FACTOR, not"),
        (imported, "uses import math, not"),
        (of_two, "its function takes more than the config"),
        (of_any, "its function takes more than the config"),
        (decorated, "it is no function of a file, written with `def` alone"),
        (lambda config: config["width"], "it is no function of a file"),
        (int, "it is no function of a file"),
        (float("inf"), "the value inf, which is not plain"),
        ({"a": {1, 2}}, r"the value \{1, 2\}, which is not plain"),
    ],
)
def test_what_cannot_be_written_is_refused(derived: Any, says: str) -> None:
    pair = Keyed()
    pair.derived = {"inner": derived}  # type: ignore[misc]
    with pytest.raises(PortError, match=f"test_config_codegen.py: no converter .* {says}"):
        config_function(pair)
