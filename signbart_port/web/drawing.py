"""The lines of a drawn skeleton: which of its points are joined."""

from __future__ import annotations

from collections.abc import Iterator

from signbart_port.config.skeletons import Skeleton

_BODY = (
    *((11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),  # shoulders and arms
    *((11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (24, 26), (26, 28)),  # trunk and legs
)
_PALM = ((0, 1), (0, 5), (5, 9), (9, 13), (13, 17), (0, 17))
_FINGERS = tuple((n, n + 1) for first in (1, 5, 9, 13, 17) for n in range(first, first + 3))
_WRISTS = {"left hand": 15, "right hand": 16}


def edges(skeleton: Skeleton) -> list[tuple[int, int]]:
    """Return the pairs of points of a skeleton that a line joins, as far as it has them."""
    places = {source: place for place, source in enumerate(skeleton.sources)}
    return [(places[a], places[b]) for a, b in _lines() if a in places and b in places]


def _lines() -> Iterator[tuple[str, str]]:
    for a, b in _BODY:
        yield f"pose {a}", f"pose {b}"
    for hand, wrist in _WRISTS.items():
        yield f"pose {wrist}", f"{hand} 0"
        for a, b in (*_PALM, *_FINGERS):
            yield f"{hand} {a}", f"{hand} {b}"
