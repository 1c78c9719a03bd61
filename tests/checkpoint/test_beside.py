"""The plain data beside the weights: what is copied, what is left out, what is bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from signbart_port.checkpoint.beside import plain_beside, unread_notes, unread_settings


@dataclass
class Unread:
    """As the reader keeps an object: its attributes alone."""

    attributes: dict[Any, Any] = field(default_factory=dict)


def node(value: Any) -> Unread:
    """A value of OmegaConf's: with a way back to what it is in."""
    return Unread({"_metadata": Unread(), "_parent": Unread(), "_val": value})


def test_plain_data_is_copied_and_the_weights_are_not() -> None:
    weights = {"a": 1}
    root = {
        "model": weights,
        "run": {"model": weights, "epoch": 3},
        "args": {"a": (1, [2.5, None])},
    }
    assert plain_beside(root, weights) == {"run": {"epoch": 3}, "args": {"a": [1, [2.5, None]]}}


def test_what_is_not_plain_is_left_out_and_said() -> None:
    root = {"config": {"lr": 1, "device": object(), 3: "a", (1, 2): "b"}, "args": object()}
    beside = plain_beside(root, None)
    assert beside == {"config": {"lr": 1, 3: "a"}}
    assert unread_settings(root, beside) == {"config": ("device", "(1, 2)"), "args": ()}
    assert unread_notes(unread_settings(root, beside)) == (
        "the config beside the weights: not plain data, left out: device, (1, 2)",
        "the args beside the weights is not plain data: not used",
    )


def test_attributes_are_read_as_settings() -> None:
    args = Unread({"d_model": 8, "device": Unread()})
    root = {"args": args, "cfg": Unread(), "hparams": {"net": Unread({"heads": [1, 2]})}}
    beside = plain_beside(root, None)
    assert beside == {"args": {"d_model": 8}, "hparams": {"net": {"heads": [1, 2]}}}
    assert unread_notes(unread_settings(root, beside)) == (
        "the cfg beside the weights is not plain data: not used",
        "the args beside the weights: not plain data, left out: device",
    )


def test_the_content_of_an_omegaconf_is_read() -> None:
    joints = Unread({"_content": [node(11), node(12)], "_parent": Unread()})
    config = Unread({"_content": {"d_model": node(8), "joint_idx": joints}, "_val": None})
    assert plain_beside({"config": config}, None) == {
        "config": {"d_model": 8, "joint_idx": [11, 12]}
    }


def _cyclic() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["self"] = made
    return made


def _doubled(times: int) -> list[Any]:
    made: list[Any] = [1]
    for _ in range(times):
        made = [made, made]
    return made


@pytest.mark.parametrize("value", [_cyclic(), _doubled(40), list(range(200_000))])
def test_too_much_is_left_out(value: Any) -> None:
    assert plain_beside({"config": value, "epoch": 3}, None) == {"epoch": 3}
