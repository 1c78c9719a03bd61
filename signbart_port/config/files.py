"""Config files, and the published configs by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from signbart_port.config.foreign import Adapted, adapt
from signbart_port.config.model import SignBartConfig, parse
from signbart_port.errors import PortError
from signbart_port.untrusted import strict_json, strict_yaml
from signbart_port.untrusted.text_file import read_text


def open_config(file_or_name: str) -> Adapted:
    """Read the config in a file, or a published config by its name, in SignBART's keys."""
    return adapt(read(file_or_name), file_or_name)


def load(path: str | Path, override: Mapping[str, Any] | None = None) -> SignBartConfig:
    """Return the config in a file."""
    return _parsed(adapt(read_file(Path(path)), path), path, override)


def find(file_or_name: str, override: Mapping[str, Any] | None = None) -> SignBartConfig:
    """Return the config in a file, or a published config by its name."""
    return _parsed(open_config(file_or_name), file_or_name, override)


def _parsed(
    adapted: Adapted, source: str | Path, override: Mapping[str, Any] | None
) -> SignBartConfig:
    return parse(adapted.data, source, override, passed_over=adapted.passed_over)


def named(name: str, override: Mapping[str, Any] | None = None) -> SignBartConfig:
    """Return a published config by its name, such as `lsa-64`."""
    return find(name, override)


def read(file_or_name: str) -> dict[str, Any]:
    """Return the content of a config file or of a published config: plain data for `adapt`."""
    if file_or_name in published_names():
        files = resources.files("signbart_port.config.published")
        with resources.as_file(files / f"{file_or_name}.yaml") as path:
            return read_file(path)
    if not os.path.exists(file_or_name) and not Path(file_or_name).suffix:
        raise PortError(
            file_or_name,
            "neither a file nor a published config",
            f"Published: {', '.join(published_names())}",
        )
    return read_file(Path(file_or_name))


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a config file: JSON by its name, YAML otherwise."""
    kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
    text = read_text(path, kind)
    return strict_json.load(path, text) if kind == "JSON" else read_text_of(path, text)


def read_text_of(path: Path, text: str) -> dict[str, Any]:
    """Return the content of a config whose text is YAML, or JSON that no YAML reader takes."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        try:
            return strict_json.load(path, text)
        except PortError:  # also YAML begins so
            pass
    return strict_yaml.load(path, text)


def published_names() -> tuple[str, ...]:
    """Return the names of the published configs, sorted."""
    files = resources.files("signbart_port.config.published").iterdir()
    return tuple(sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml")))
