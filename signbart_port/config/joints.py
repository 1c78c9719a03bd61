"""The keypoints that a model reads: named selections, and the short form of the command line.

Keypoints are numbered: pose 0-32, left hand 33-53, right hand 54-74, selected face points 75-99.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

NAMED: dict[str, tuple[int, ...]] = {
    "hands_only": tuple(range(33, 75)),
    "pose_hands": (*range(11, 17), *range(33, 75)),
    "full_75": tuple(range(75)),
    "full_100": tuple(range(100)),
}

_MOST = 10_000
_PART = r"\s*\d{1,5}(-\d{1,5})?\s*"
_SEVERAL = re.compile(rf"(?=.*[-,]){_PART}(,{_PART})*")  # `5` alone is no number


def parse(text: str) -> tuple[int, ...]:
    """Read a selection: a name (`pose_hands`), or numbers and ranges (`11-16,33-74`).

    Raises ValueError with a message for the user.
    """
    if text in NAMED:
        return NAMED[text]
    joints: list[int] = []
    for part in text.split(","):
        bounds = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        if bounds is None or int(bounds[2] or bounds[1]) < int(bounds[1]):
            known = ", ".join(NAMED)
            raise ValueError(f"joints are a name ({known}) or numbers such as 11-16,33-74")
        joints += range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1)
        if len(joints) > _MOST:
            raise ValueError(f"{len(joints):,} joints are more than any skeleton has")
    return tuple(joints)


def listed(value: Any) -> tuple[Any, ...]:
    """Return the selection in a config, one item a joint: a list, in which ranges may be text and
    groups lists of their own; groups by name; or text as `parse` reads it.

    The items are not checked. Raises ValueError with a message for the user.
    """
    if isinstance(value, str):
        return parse(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        raise ValueError("Input should be a list of joint numbers")
    joints: list[Any] = []
    for item in value:
        group = isinstance(item, list | tuple) or (
            isinstance(item, str) and _SEVERAL.fullmatch(item)
        )
        joints += listed(item) if group else [item]
        if len(joints) > _MOST:
            raise ValueError(f"{len(joints):,} joints are more than any skeleton has")
    return tuple(joints)


def grouped(value: Any) -> int:
    """Return how many groups the selection in a config is written in; 0 for one list."""
    groups = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(groups, list | tuple):
        return 0
    return sum(isinstance(item, list | tuple) for item in groups)


def short(joints: Iterable[int]) -> str:
    """Invert `parse`: return a name if one fits, otherwise ranges (`11-16,33-74`)."""
    joints = tuple(joints)
    for name, named in NAMED.items():
        if joints == named:
            return name
    runs: list[list[int]] = []
    for joint in joints:
        if runs and joint == runs[-1][-1] + 1:
            runs[-1].append(joint)
        else:
            runs.append([joint])
    return ",".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
