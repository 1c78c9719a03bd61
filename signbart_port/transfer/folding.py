"""Names that differ only in the number of their layer, as one:
`encoder.layers.{0..1}.fc1.weight`."""

from __future__ import annotations

import re
from collections.abc import Iterable

Template = tuple[str, ...]
"""A name in two parts, before and after the layer's number; one part where it has none."""

_NUMBER = re.compile(r"(?<=\.)(0|[1-9][0-9]{0,8})(?=[./]|\Z)")


def template(name: str) -> tuple[Template, int | None]:
    """Return the part of `name` that other layers share, and the number of its own layer."""
    number = _NUMBER.search(name)
    if number is None:
        return (name,), None
    return (name[: number.start()], name[number.end() :]), int(number[0])


def folded(shared: Template, numbers: Iterable[int | None]) -> str:
    """Return the name of a template in these layers, in any order; a number may repeat."""
    return _span(sorted({number for number in numbers if number is not None})).join(shared)


def _span(numbers: list[int]) -> str:
    if len(numbers) < 2:
        return "".join(map(str, numbers))
    low, high = numbers[0], numbers[-1]
    if len(numbers) == high - low + 1:
        return f"{{{low}..{high}}}"
    return "{" + ",".join(map(str, numbers)) + "}"
