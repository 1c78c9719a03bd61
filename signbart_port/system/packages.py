"""Packages that may not be installed, or find no room, named as people know them."""

from __future__ import annotations

import sys

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


_OF_MODELS = {"keras_hub": "keras-hub", "transformers": "transformers"}
"""The libraries that models come from, by the module that is imported."""


def versions_of_models() -> dict[str, str]:
    """Return the versions of those libraries of models that this process has imported, by name."""
    imported = {name: sys.modules[of] for of, name in _OF_MODELS.items() if of in sys.modules}
    return {name: str(getattr(of, "__version__", "?")) for name, of in imported.items()}


_NO_ROOM = ("failed to map segment", "annot allocate memory")
"""What the dynamic linker says where a library does not fit into the memory."""


def no_memory(error: MemoryError | ImportError) -> PortError | None:
    """Return the refusal of a job for which there is not enough memory; None where a package that
    is there cannot be imported for another reason."""
    if isinstance(error, ImportError) and not any(said in str(error) for said in _NO_ROOM):
        return None
    return PortError(None, "memory has run out", "Free some, or raise its limit (ulimit -v)")


def not_installed(error: ModuleNotFoundError) -> PortError | None:
    """Return the refusal of a job that needs a package which is not there; None where another
    module is missing, which is a defect."""
    package = (error.name or "").partition(".")[0]
    if package not in _NAMES:
        return None
    what = f"needs {_NAMES[package]}, which is not installed"
    return PortError(None, what, f"Install it: pip install {package.replace('_', '-')}")
