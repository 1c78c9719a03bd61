"""Ways to break one of two models that are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

import signbart_port
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.parity.report import Report

Change = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""New values for some variables of a Keras model, of the values of all, by path."""


def swapped(one: str, other: str) -> Change:
    """Swap two variables of one shape."""
    return lambda values: {one: values[other], other: values[one]}


def zeroed(path: str) -> Change:
    return lambda values: {path: np.zeros_like(values[path])}


def transposed(path: str) -> Change:
    """Transpose a square kernel, whichever axes its heads are."""

    def change(values: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        shape = values[path].shape
        square = values[path].reshape((int(np.sqrt(values[path].size)), -1))
        return {path: square.T.reshape(shape)}

    return change


def flipped(path: str) -> Change:
    """Flip the last bit of the last value."""

    def change(values: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        value = values[path].copy()
        value.reshape(-1).view(np.uint32)[-1] ^= 1
        return {path: value}

    return change


@contextmanager
def broken(keras_model: Any, change: Change) -> Iterator[None]:
    """Change some variables of a model for a while."""
    variables = {weight.path: weight for weight in keras_model.weights}
    before = {path: variable.numpy() for path, variable in variables.items()}
    changed = change(before)
    for path, value in changed.items():
        variables[path].assign(value)
    try:
        yield
    finally:
        for path in changed:
            variables[path].assign(before[path])


def assert_blames(report: Report, module: str, weights: bool = True) -> None:
    """Assert that a proof failed, and for the right reason: a module whose weights are equal, or
    (not `weights`) are not."""
    assert not report.passed and report.blame, report.verdict()
    assert report.blame.module == module, report.verdict()
    assert report.weights and report.weights.passed == weights


def other_module(pair: Pair, config: Any, module: torch.nn.Module, **changes: Any) -> Any:
    """Return a module of another config with the same weights."""
    other = pair.torch_model({**config, **changes})
    other.load_state_dict(module.state_dict())
    return other.eval()


@contextmanager
def with_rules(
    pair: Pair, models: tuple[Any, Any], folder: Path, *changes: tuple[str, str]
) -> Iterator[Pair]:
    """Carry the weights by other rules for a while, each text with its replacement; yield the pair
    that has them."""
    text = mapping_path(pair).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (path := folder / "wrong.yaml").write_text(text)
    wrong = type(pair)()
    wrong.mapping = path
    signbart_port.transfer_weights(*models, mapping=path)
    try:
        yield wrong
    finally:
        signbart_port.transfer_weights(*models, mapping=mapping_path(pair))
