"""The parts of a config file in which the model's keys lie, wherever its writer has put them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from signbart_port.config import joints
from signbart_port.config.model import MODEL_KEYS, SignBartConfig
from signbart_port.config.training import KEYS
from signbart_port.errors import PortError, printable

_DEEPEST = 5
_MOST = 2_000  # sections
REQUIRED = frozenset(
    name for name, field in SignBartConfig.model_fields.items() if field.is_required()
) | {"keypoint_config"}
"""Keys by which the config of a SignBART is known."""


def anywhere(data: Mapping[str, Any]) -> bool:
    """Return whether the sections say something of a SignBART: one key may be another model's."""
    found = {key for _, section in _sections(data) for key in section if key in REQUIRED}
    return len(found) > 1


def merged(data: Mapping[str, Any], source: str | Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the keys of all sections that say something of the model as one dict, and where in
    `data` these sections lie: nowhere but at its top, as a rule.

    What stands at the top comes first. Raises PortError where two of them contradict each other.
    """
    data = _without_descriptions(data)
    found = dict(_sections(data))
    nested = tuple(name for name in found if name)
    if not nested:
        return dict(data), ()
    within = {name.split(".")[0] for name in nested}
    together = {key: value for key, value in data.items() if key not in within}
    origin = dict.fromkeys(together, "")
    for name in nested:
        for key, value in found[name].items():
            if key in together and key in MODEL_KEYS and not _same(key, together[key], value):
                first = f" (under {origin[key]})" if origin[key] else ""
                raise PortError(
                    source,
                    f"says {key} twice: {printable(together[key], 40)}{first} and"
                    f" {printable(value, 40)} (under {name})",
                    "Keep the one that is meant, or say it with --config FILE of that alone",
                )
            if key in MODEL_KEYS or key in KEYS or not isinstance(value, Mapping):
                together.setdefault(key, value)
                origin.setdefault(key, name)
    return together, nested


def _sections(data: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield every section that says something of the model, by its path: outer ones first."""
    level: list[tuple[tuple[str, ...], Mapping[Any, Any]]] = [((), data)]
    visited = 0
    while level:
        below = []
        for path, section in level:
            if any(key in REQUIRED for key in section):
                yield ".".join(path), section
            for key, value in section.items():
                visited += 1
                inner = isinstance(value, Mapping) and key not in MODEL_KEYS and key != "training"
                if inner and len(path) < _DEEPEST and visited < _MOST:
                    below.append(((*path, printable(key, 40)), value))
        level = below


def _without_descriptions(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plain values of a file in which each has a description, as Weights & Biases
    writes them: `d_model: {desc: null, value: 128}`."""
    described = {
        key: value["value"]
        for key, value in data.items()
        if isinstance(value, Mapping) and "value" in value and value.keys() <= {"desc", "value"}
    }
    return {**data, **described} if described else data


def _same(key: str, one: Any, other: Any) -> bool:
    if key != "joint_idx":
        return bool(one == other)
    try:
        return joints.listed(one) == joints.listed(other)
    except ValueError:
        return False
