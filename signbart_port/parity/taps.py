"""The names of outputs: a module's path, the number of its call, the part of a tuple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
LOGITS = "logits"
"""The tap of the whole model's output; every other tap is a module's path."""


def tap_name(path: str, call: int, part: int | None = None) -> str:
    """Return the tap of the `call`-th call of a module, from 1: a shared dropout runs more than
    once.

    `part` counts the outputs of a module that has several, from 0.
    """
    name = path if call == 1 else f"{path}:{call}"
    return name if part is None else f"{name}[{part}]"


def outputs_of(path: str, call: int, output: Any, part: int | None = None) -> dict[str, Any]:
    """Return the outputs of a call by tap, in either framework: every one of a tuple, or the `part`
    alone."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if not isinstance(output, tuple | list):
        return {tap_name(path, call): output}
    if part is not None:
        return {tap_name(path, call): output[part]}
    return {tap_name(path, call, number): value for number, value in enumerate(output)}


def module_of(tap: str) -> str:
    """Return the path of the module of a tap: the inverse of `tap_name`."""
    return tap.partition("[")[0].partition(":")[0]


def part_of(tap: str) -> int:
    """Return the number of a tap among the outputs of its module, from 0."""
    part = tap.partition("[")[2]
    return int(part.removesuffix("]")) if part else 0
