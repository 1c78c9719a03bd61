"""The keys of a pair's config: which of them both models are built from, and which may differ.

A key that nobody has thought of may change what PyTorch computes, and Keras not: attention biases,
another activation. So a pair can account for all of them, and any other is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from signbart_port.errors import first_of, printable

if TYPE_CHECKING:
    from signbart_port.parity.pair import Pair

_MOST_NAMED = 6


class _Absent:
    """The default of a key that has none."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True)
class Mapped:
    """A key that both models are built from."""

    default: Any = ABSENT
    """The value where a config does not have the key. Without one, every config must."""
    to: str = ""
    """The name of Keras' argument, for `Pair.keras_arguments`."""


@dataclass(frozen=True)
class Required:
    """A key that must have one of some values, since the Keras model has no argument for it."""

    values: tuple[Any, ...]
    """The values that it may have, the usual one first."""
    default: Any = ABSENT
    """The value where a config does not have the key, if it is not the first of these."""


@dataclass(frozen=True)
class SameAs:
    """A key that must have the value of another, since the Keras model has one for both."""

    other: str
    """The name of the other key."""
    default: Any = ABSENT
    """The value where a config does not have the key. Without one, that of the other."""


@dataclass(frozen=True)
class Ignored:
    """A key that does not change what is compared."""

    why: str
    """The reason, for whoever reads the pair."""


Key: TypeAlias = Mapped | Required | SameAs | Ignored


def read_config(pair: Pair, stated: Mapping[str, Any], stored: Mapping[str, Any]) -> Any:
    """Return the config that a pair makes of plain values, once its keys are accounted for.

    Raises ValueError, with words for the user, for keys and values that the pair does not take.
    """
    if pair.keys and (found := list(findings(pair.keys, {**stored, **stated}))):
        raise ValueError("; ".join(found))
    return pair.read_config(stated, stored)


def completed(keys: Mapping[str, Key], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config, with the defaults of those that it does not have."""
    config = {}
    for name, key in keys.items():
        match key:
            case Required(allowed, default):
                config[name] = allowed[0] if default is ABSENT else default
            case Mapped(default) | SameAs(_, default) if default is not ABSENT:
                config[name] = default
    config |= values
    for name, key in keys.items():
        if isinstance(key, SameAs) and key.other in config:
            config.setdefault(name, config[key.other])
    return config


def findings(keys: Mapping[str, Key], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a config has that its keys do not allow, and what it lacks."""
    config = completed(keys, values)
    if unknown := [name for name in values if name not in keys]:
        named = first_of(unknown, _MOST_NAMED)
        yield f"the pair does not know {named}, which may change what is computed"
    needed = (name for name, key in keys.items() if isinstance(key, Mapped))
    if missing := [name for name in needed if name not in config]:
        yield f"the config has no {first_of(missing, _MOST_NAMED)}"
    for name, key in keys.items():
        value = config.get(name)
        if isinstance(key, Required) and value not in key.values:
            known = " or ".join(map(repr, key.values))
            yield f"{name} is {_shown(value)}: the Keras model computes {known} only"
        if isinstance(key, SameAs) and value != config.get(key.other):
            other = f"{key.other} {_shown(config.get(key.other))}"
            yield f"{name} is {_shown(value)}, {other}: the Keras model has one for both"


def _shown(value: Any) -> str:
    return printable(repr(value), 40)
