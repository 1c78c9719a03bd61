"""The tests that every shipped pair has, made of what is different about it.

A test file gives each a name of its own, so that pytest finds it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from signbart_port.parity.config_keys import read_config
from signbart_port.parity.pair import Pair
from tests.support.any_pair import carried, comes_back, proven, proven_in_files
from tests.support.pair_faults import Change, assert_blames, broken, other_module, with_rules

Test = Callable[..., None]
Models = tuple[Any, Any]


class PairTests:
    """The tests of a pair, on models of one config that are equal."""

    def __init__(self, pair: Pair, config: Any) -> None:
        self.pair, self.config = pair, config

    def models(self) -> Any:
        """Return the fixture `models`, which the tests break and mend."""

        @pytest.fixture(scope="module")
        def models() -> Models:
            return carried(self.pair, self.config)

        return models

    def converted(self, name: str) -> Test:
        """Return a test of a checkpoint on disk, by the `name` of the installed pair."""

        def test(models: Models, tmp_path: Path) -> None:
            report = proven_in_files(name, self.config, models[0], tmp_path)
            assert report.passed and report.same_structure, report.verdict()

        return test

    def wrong_weights(self, changes: Mapping[str, tuple[Change, str]]) -> Test:
        """Return a test of changes in Keras' weights, each with the module to blame."""

        @pytest.mark.parametrize("name", changes)
        def test(models: Models, name: str) -> None:
            change, module = changes[name]
            with broken(models[1], change):
                report = proven(self.pair, self.config, *models)
                assert_blames(report, module, weights=False)

        return test

    def other_computations(self, cases: Sequence[tuple[Mapping[str, Any], str]]) -> Test:
        """Return a test of other values in PyTorch's config, each with the module to blame."""

        @pytest.mark.parametrize(("changes", "module"), cases)
        def test(models: Models, changes: dict[str, Any], module: str) -> None:
            other = other_module(self.pair, self.config, models[0], **changes)
            assert_blames(proven(self.pair, self.config, other, models[1]), module)

        return test

    def wrong_rules(
        self, cases: Sequence[tuple[list[tuple[str, str]], str]], *, whole: bool = True
    ) -> Test:
        """Return a test of replacements in the mapping, each with the module to blame; `whole`
        where the wrong mapping still brings every tensor back."""

        @pytest.mark.parametrize(("changes", "module"), cases)
        def test(
            models: Models, tmp_path: Path, changes: list[tuple[str, str]], module: str
        ) -> None:
            with with_rules(self.pair, models, tmp_path, *changes) as pair:
                assert not whole or comes_back(pair, self.config, *models)
                assert_blames(proven(pair, self.config, *models), module)

        return test

    def refused(self, cases: Sequence[tuple[Mapping[str, Any], str]]) -> Test:
        """Return a test of what a user may state, each with the words of its refusal."""

        @pytest.mark.parametrize(("stated", "says"), cases)
        def test(stated: dict[str, Any], says: str) -> None:
            with pytest.raises(ValueError, match=says):
                read_config(self.pair, stated, self.config)

        return test
