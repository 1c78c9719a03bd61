"""The config of a SignBART in the config of its Keras model, read as data: nothing is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError, printable
from signbart_port.model_files.hdf5 import RESAVE

_REGISTERED = "signbart_port>SignBart"
_IF_INSIDE = "If a SignBart is one of its layers, save that alone: layer.save('model.keras')"
_CLASSES = ("SignBart", _REGISTERED)


def parse(model: Any, path: Path) -> SignBartConfig:
    """Return the config in what Keras wrote about a model.

    Raises PortError for another model, and for a config that is not valid.
    """
    try:
        known = model["class_name"] in _CLASSES
        known &= model.get("registered_name", _REGISTERED) == _REGISTERED
        data = model["config"]["config"] if known else None
    except (AttributeError, KeyError, TypeError):
        raise PortError(path, "its model config cannot be read", RESAVE) from None
    if not known:
        named = model.get("registered_name") or model["class_name"]
        raise PortError(path, f"holds a Keras {printable(named)} model, not a SignBart", _IF_INSIDE)
    if not isinstance(data, dict):
        raise PortError(path, "its model config cannot be read", RESAVE)
    return configs.parse(data, path, ours=True)
