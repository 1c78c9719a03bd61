"""Combinations of packages that are known not to work, or to cost more than people expect.

What the packages' own metadata says of each other is not repeated here.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

from packaging.version import Version

Versions = Mapping[str, str]
"""The version of every installed distribution."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of builds without CUDA."""
_CUDA = ("nvidia-", "cuda-", "triton")


@dataclass(frozen=True)
class Fault:
    """Something about an installation that a person should know."""

    what: str
    remedy: str
    broken: bool = True
    """Whether something that is installed does not work. False: advice."""


def _torchvision(versions: Versions) -> Iterator[Fault]:
    """Yield torchvision's fault: a build for CUDA has no operators for a CPU build of PyTorch."""
    torch, vision = versions.get("torch"), versions.get("torchvision")
    if torch is None or vision is None:
        return
    if (Version(torch).local or "") != "cpu" or (Version(vision).local or "") == "cpu":
        return
    yield Fault(
        f"torchvision {vision} is no CPU build and PyTorch {torch} is one: importing it ends in"
        ' "operator torchvision::nms does not exist", and transformers\' models with it',
        "pip uninstall torchvision timm: nothing here uses them",
    )


def _keras_backend(versions: Versions) -> Iterator[Fault]:
    """Yield another backend of Keras than TensorFlow, where the environment sets one."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if "keras" in versions and backend != "tensorflow":
        yield Fault(f"KERAS_BACKEND is {backend}", "Set KERAS_BACKEND=tensorflow")


def _cuda(versions: Versions) -> Iterator[Fault]:
    """Yield the size of PyTorch's CUDA build, which a bare `pip install torch` takes on Linux."""
    brought = [name for name in versions if name.startswith(_CUDA)]
    if platform.system() != "Linux" or "torch" not in versions or not brought:
        return
    size = sum(map(_size, ("torch", *brought)))
    yield Fault(
        f"PyTorch {versions['torch']} is a CUDA build: {size / 1e9:.1f} GB with its packages",
        f"Without a GPU, take the CPU build: pip install torch --index-url {CPU_INDEX}",
        broken=False,
    )


def _size(distribution: str) -> int:
    """Return the bytes of a distribution's files."""
    total = 0
    for file in metadata.files(distribution) or ():
        with suppress(OSError):
            total += os.stat(file.locate()).st_size
    return total


KNOWN_FAULTS: tuple[Callable[[Versions], Iterator[Fault]], ...] = (
    _torchvision,
    _keras_backend,
    _cuda,
)
"""To add one, add a function that yields what is wrong, and what to do about it."""
