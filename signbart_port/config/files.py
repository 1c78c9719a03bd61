"""Config files, and the published configs by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from signbart_port.config.model import SignBartConfig, parse
from signbart_port.errors import PortError
from signbart_port.untrusted import strict_yaml


def load(path: str | Path, override: Mapping[str, Any] | None = None) -> SignBartConfig:
    """Read a config file."""
    path = Path(path)
    return parse(strict_yaml.load(path), path, override)


def find(file_or_name: str, override: Mapping[str, Any] | None = None) -> SignBartConfig:
    """Return the config in a file, or a published config by its name."""
    return parse(read(file_or_name), file_or_name, override)


def named(name: str, override: Mapping[str, Any] | None = None) -> SignBartConfig:
    """Return a published config by its name, such as `lsa-64`."""
    return find(name, override)


def read(file_or_name: str) -> dict[str, Any]:
    """Return the content of a config file or of a published config: plain data for `parse`."""
    if file_or_name in published_names():
        files = resources.files("signbart_port.config.published")
        with resources.as_file(files / f"{file_or_name}.yaml") as path:
            return strict_yaml.load(path)
    if not os.path.exists(file_or_name) and not Path(file_or_name).suffix:
        raise PortError(
            file_or_name,
            "neither a file nor a published config",
            f"Published: {', '.join(published_names())}",
        )
    return strict_yaml.load(Path(file_or_name))


def published_names() -> tuple[str, ...]:
    """Return the names of the published configs, sorted."""
    files = resources.files("signbart_port.config.published").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))
