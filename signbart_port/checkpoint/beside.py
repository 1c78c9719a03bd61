"""The plain data that stands beside the weights: numbers, text, lists and dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from signbart_port.errors import first_of, printable

_DEEPEST = 8
_MOST = 100_000  # values of one entry
_MOST_NAMED = 20
_SETTINGS = ("config", "cfg", "args", "hparams", "hyper_parameters")
_FLAT = (str, int, float, bool, type(None))


def plain_beside(root: Mapping[Any, Any], weights: object) -> dict[str, Any]:
    """Return the entries of a container that are plain data, without what is not in them.

    `weights` is the dict of the weights, which is left out wherever it stands. So is an entry that
    is too large or too deep: shared parts could make a small file endless.
    """
    beside = {}
    for key, value in root.items():
        try:
            if isinstance(key, str):
                beside[key] = _Copy(weights).of(value, 0)
        except (_NotPlain, _TooMuch):
            continue
    return beside


def unread_settings(
    root: Mapping[Any, Any], beside: Mapping[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Return the keys that are no plain data in each entry that should hold settings; none of them
    where nothing in it is."""
    unread = dict[str, tuple[str, ...]]()
    for key in _SETTINGS:
        value, read = _held(root.get(key)), beside.get(key)
        if value is None or isinstance(read, str):
            continue
        if not isinstance(read, dict) or not read:
            unread[key] = ()
        elif lost := tuple(printable(inner, 40) for inner in value if inner not in read):
            unread[key] = lost
    return unread


def unread_notes(unread: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a note on each entry of `unread_settings`."""
    return tuple(
        f"the {key} beside the weights: not plain data, left out: {first_of(lost, _MOST_NAMED)}"
        if lost
        else f"the {key} beside the weights is not plain data: not used"
        for key, lost in unread.items()
    )


def _held(value: Any) -> Any:
    """Return the attributes of an object that the reader left unread, such as a Namespace; what is
    in it, if it is one of OmegaConf's; any other value as it is."""
    attributes = getattr(value, "attributes", None)
    if not attributes or not isinstance(attributes, dict):
        return value
    for key in ("_content", "_val"):
        if key in attributes:
            return attributes[key]
    return attributes


class _NotPlain(Exception):
    """A value that is no plain data."""


class _TooMuch(Exception):
    """More than settings have."""


class _Copy:
    """A copy of plain data, counted value by value."""

    def __init__(self, weights: object) -> None:
        self._weights, self._visited = weights, 0

    def of(self, value: Any, depth: int) -> Any:
        self._visited += 1
        if depth > _DEEPEST or self._visited > _MOST:
            raise _TooMuch
        if value is self._weights:
            raise _NotPlain
        value = _held(value)
        if isinstance(value, Mapping):
            return self._dict(value, depth)
        if type(value) in (list, tuple):
            return [self.of(item, depth + 1) for item in value]
        if type(value) not in _FLAT:
            raise _NotPlain
        return value

    def _dict(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        made = {}
        for key, inner in value.items():
            try:
                if type(key) in (str, int):  # the numbers of classes may be keys
                    made[key] = self.of(inner, depth + 1)
            except _NotPlain:
                continue
        return made
