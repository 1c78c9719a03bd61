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
    from signbart_port.keras_model import SignBart
    from signbart_port.model_files.config_resolution import Options
    from signbart_port.model_files.keras_h5 import load
    from signbart_port.verbs.convert import convert
    from signbart_port.verbs.evaluate import evaluate
    from signbart_port.verbs.export import export
    from signbart_port.verbs.inspect_file import inspect_file
    from signbart_port.verbs.plan import plan
    from signbart_port.verbs.predict import predict
    from signbart_port.verbs.to_tflite import to_tflite
    from signbart_port.verbs.verify import verify

__all__ = [
    "Options",
    "PortError",
    "ProofError",
    "SignBart",
    "SignBartConfig",
    "convert",
    "evaluate",
    "export",
    "inspect_file",
    "load",
    "plan",
    "predict",
    "to_tflite",
    "verify",
]

_HOMES = {
    "Options": "signbart_port.model_files.config_resolution",
    "SignBart": "signbart_port.keras_model",
    "SignBartConfig": "signbart_port.config",
    "convert": "signbart_port.verbs.convert",
    "evaluate": "signbart_port.verbs.evaluate",
    "export": "signbart_port.verbs.export",
    "inspect_file": "signbart_port.verbs.inspect_file",
    "load": "signbart_port.model_files.keras_h5",
    "plan": "signbart_port.verbs.plan",
    "predict": "signbart_port.verbs.predict",
    "to_tflite": "signbart_port.verbs.to_tflite",
    "verify": "signbart_port.verbs.verify",
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
