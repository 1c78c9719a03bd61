"""Moves trained PyTorch SignBART models to Keras and TFLite, and proves them equal.

    import signbart_port
    signbart_port.convert("model.pth", "model.h5")
    signbart_port.to_tflite("model.h5", "model.tflite")
    model = signbart_port.load("model.h5")

Importing this package imports no framework. Once Keras is imported, before or after, its
`keras.models.load_model` knows the layers of SignBART.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import wrapt

from signbart_port.errors import PortError, ProofError

if TYPE_CHECKING:
    __version__: str
    from signbart_port.config import SignBartConfig
    from signbart_port.conversion import convert
    from signbart_port.evaluation.evaluating import evaluate
    from signbart_port.exporting import export
    from signbart_port.keras_model import SignBart
    from signbart_port.model_files.keras_h5 import load
    from signbart_port.parity.verify import verify
    from signbart_port.prediction import predict
    from signbart_port.resolve import Options
    from signbart_port.tflite.emit import to_tflite

__all__ = [
    "Options",
    "PortError",
    "ProofError",
    "SignBart",
    "SignBartConfig",
    "convert",
    "evaluate",
    "export",
    "load",
    "predict",
    "to_tflite",
    "verify",
]

_HOMES = {
    "Options": "signbart_port.resolve",
    "SignBart": "signbart_port.keras_model",
    "SignBartConfig": "signbart_port.config",
    "convert": "signbart_port.conversion",
    "evaluate": "signbart_port.evaluation.evaluating",
    "export": "signbart_port.exporting",
    "load": "signbart_port.model_files.keras_h5",
    "predict": "signbart_port.prediction",
    "to_tflite": "signbart_port.tflite.emit",
    "verify": "signbart_port.parity.verify",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":  # by a module that takes a while to import
        value: Any = import_module("importlib.metadata").version("signbart-port")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


@wrapt.when_imported("keras")
def _register(_: Any) -> None:
    import_module("signbart_port.keras_model")
