"""The weight mappings that come with this program, by their names."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError
from signbart_port.transfer import Plan, WeightMapping

_SIGNBART = "signbart"
_PACKAGE = "signbart_port.mappings"


@cache
def signbart() -> WeightMapping:
    """Return SignBART's own mapping, read once per process."""
    return _named(_SIGNBART)


def plan_for(config: SignBartConfig) -> Plan:
    """Plan the transfer of every weight of a SignBART of this config, by its own mapping."""
    return transfer.plan(signbart(), config.sizes())


def find(file_or_name: str | Path | None) -> WeightMapping:
    """Load a mapping file, or a bundled mapping by its name, such as `hf-bart`; SignBART's own for
    None."""
    if file_or_name is None or str(file_or_name) == _SIGNBART:
        return signbart()
    if (name := str(file_or_name)) in names():
        return _named(name)
    if not os.path.exists(name) and not Path(name).suffix:
        known = ", ".join(names())
        raise PortError(name, "neither a file nor a mapping's name", f"Known: {known}")
    return transfer.load(name)


def names() -> tuple[str, ...]:
    """Return the names of the bundled mappings, sorted."""
    files = resources.files(_PACKAGE).iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))


def _named(name: str) -> WeightMapping:
    with resources.as_file(resources.files(_PACKAGE) / f"{name}.yaml") as path:
        return transfer.load(path)
