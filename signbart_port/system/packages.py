"""Packages that may not be installed, named as people know them."""

from __future__ import annotations

from signbart_port.errors import PortError

_NAMES = {
    "ai_edge_litert": "LiteRT",
    "ai_edge_quantizer": "AI Edge Quantizer",
    "keras": "Keras",
    "matplotlib": "Matplotlib",
    "tensorboard": "TensorBoard",
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
}


def not_installed(error: ModuleNotFoundError) -> PortError | None:
    """Return the refusal of a job that needs a package which is not there; None where another
    module is missing, which is a defect."""
    package = (error.name or "").partition(".")[0]
    if package not in _NAMES:
        return None
    what = f"needs {_NAMES[package]}, which is not installed"
    return PortError(None, what, f"Install it: pip install {package.replace('_', '-')}")
