"""The text of a config file, to be read again as the same config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SUFFIXES = (".yaml", ".yml", ".json")


def text_of(config: Mapping[str, Any], suffix: str) -> str:
    """Return a config as YAML or JSON, by the suffix of the file that it is for.

    Raises ValueError for values that JSON does not have.
    """
    config = {key: value for key, value in config.items() if key != "training" or value}
    if suffix == ".json":
        return json.dumps(config, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    # JSON's values are YAML's, and leave no doubt about what is text.
    return "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n"
        for key, value in config.items()
    )
