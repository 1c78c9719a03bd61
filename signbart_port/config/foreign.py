"""Configs as other programs write them, in SignBART's keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.config import class_names, hub, joints, sections
from signbart_port.config.model import KNOWN_KEYS, MODEL_KEYS, unknown_keys
from signbart_port.config.spelling import meant
from signbart_port.config.training import IGNORED
from signbart_port.errors import PortError, first_of, printable

_NAMES = ("id2label", "label2id")
_WITH_EFFECT = KNOWN_KEYS - IGNORED
_MOST_NAMED = 20


@dataclass(frozen=True)
class Adapted:
    """A config in SignBART's keys, as `model.parse` takes it."""

    data: dict[str, Any]
    notes: tuple[str, ...]
    """What was passed over, and what was read in another way than it is written."""
    hub: bool
    """Whether it is one of the Hugging Face hub's."""
    passed_over: tuple[str, ...] = ()
    """The unknown keys: one of them may be what is missing, under another name."""


def adapt(data: Mapping[str, Any], source: str | Path, *, stored: bool = False) -> Adapted:
    """Find the model's keys in a config, and pass over those of other programs with a note.

    Keys that are nearly known ones are refused; in a config that is `stored` in a checkpoint, where
    nobody can correct them, only those that would change the model. Raises PortError naming
    `source` for these, and for values that no SignBART has.
    """
    found, nested = sections.merged(data, source)
    notes = [f"the keys of the model are under {', '.join(nested)}"] if nested else []
    if deviations := hub.deviations(found):
        raise PortError(source, f"is no config of a SignBART: {'; '.join(deviations)}")
    of_hub = hub.is_hub(found)
    if of_hub:
        notes += _without_bart(found)
    if of_hub or stored:
        notes += _without_nulls(found)
    for key in hub.FIXED:
        found.pop(key, None)
    if any(found.get(key) is not None for key in _NAMES):
        notes += _named(found, source)
    for key in _NAMES:
        found.pop(key, None)
    if groups := joints.grouped(found.get("joint_idx")):
        notes.append(f"joint_idx: {groups} groups, read as one list in their order")
    unknown = _without_unknown(found, source, MODEL_KEYS if stored else _WITH_EFFECT)
    if unknown:
        notes.append(f"unknown keys, passed over: {first_of(unknown, _MOST_NAMED)}")
    return Adapted(found, tuple(notes), of_hub, tuple(map(str, unknown)))


def _without_bart(found: dict[str, Any]) -> list[str]:
    """Drop the keys of BART that a SignBART does not read."""
    own = [key for key in found if key in hub.WITHOUT_EFFECT or key in hub.FIXED]
    for key in own:
        del found[key]
    return [f"a config of transformers: {len(own)} keys of BART's own, without effect"]


def _without_nulls(found: dict[str, Any]) -> list[str]:
    """Drop the keys without a value, which programs write for what nobody has set."""
    unset = [key for key, value in found.items() if value is None and key in MODEL_KEYS]
    for key in unset:
        del found[key]
    return [f"null, so not set: {', '.join(unset)}"] if unset else []


def _named(found: dict[str, Any], source: str | Path) -> list[str]:
    """Read the names of the classes, and their number."""
    try:
        names = class_names.of_hub(*(found.get(key) for key in _NAMES))
    except ValueError as error:
        raise PortError(source, str(error)) from None
    assert names is not None
    notes = []
    if found.get("num_labels") is None:
        found["num_labels"] = len(names)
        where = _NAMES[found.get(_NAMES[0]) is None]
        notes.append(f"num_labels {len(names)}, the number of names in {where}")
    elif found["num_labels"] != len(names):
        stated = printable(found["num_labels"], 40)
        raise PortError(source, f"has {len(names)} names of classes, num_labels is {stated}")
    if names == tuple(f"LABEL_{number}" for number in range(len(names))):
        return [*notes, "its classes have no names but LABEL_0, LABEL_1 ...: not kept"]
    if tuple(found.setdefault("class_names", names) or ()) != names:
        raise PortError(source, "class_names and id2label disagree", "Keep one")
    repeated = class_names.repeated(names)
    return [*notes, *([repeated] if repeated else [])]


def _without_unknown(
    found: dict[str, Any], source: str | Path, with_effect: Iterable[str]
) -> list[Any]:
    """Drop the keys that are not known, and return them."""
    unknown = [key for key in found if key not in KNOWN_KEYS and key != "training"]
    near = {
        key: known
        for key in unknown
        if (known := meant(str(key), with_effect)) and not _is_name_of_model(key, found[key])
    }
    if near:
        raise unknown_keys(source, unknown, near)
    for key in unknown:
        del found[key]
    return unknown


def _is_name_of_model(key: str, value: Any) -> bool:
    """Return whether this says which model a file is of, and is no `d_model`."""
    return key == "model" and not isinstance(value, int | float)
