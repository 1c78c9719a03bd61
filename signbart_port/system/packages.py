"""The packages that this program works with: the extra that installs each, and whether it is there.

The verbs that need them are listed in `requirements.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

from signbart_port.errors import PortError, listed


@dataclass(frozen=True)
class Package:
    """A package that is imported here."""

    module: str
    """The module that is imported."""
    name: str
    """What people call it."""
    distribution: str
    """What pip calls it."""
    extra: str = ""
    """The extra that installs it. Empty: it comes with this program."""


_ALL = (
    Package("ai_edge_litert", "LiteRT", "ai-edge-litert"),
    Package("flatbuffers", "FlatBuffers", "flatbuffers"),
    Package("h5py", "h5py", "h5py"),
    Package("jinja2", "Jinja", "jinja2"),
    Package("markupsafe", "MarkupSafe", "markupsafe"),
    Package("numpy", "NumPy", "numpy"),
    Package("packaging", "packaging", "packaging"),
    Package("pydantic", "Pydantic", "pydantic"),
    Package("yaml", "PyYAML", "pyyaml"),
    Package("rich", "Rich", "rich"),
    Package("safetensors", "safetensors", "safetensors"),
    Package("typer", "Typer", "typer"),
    Package("torch", "PyTorch", "torch", "torch"),
    Package("tensorflow", "TensorFlow", "tensorflow", "keras"),
    Package("keras", "Keras", "keras", "keras"),
    Package("ai_edge_quantizer", "AI Edge Quantizer", "ai-edge-quantizer", "quantize"),
    Package("sklearn", "scikit-learn", "scikit-learn", "evaluate"),
    Package("matplotlib", "Matplotlib", "matplotlib", "report"),
    Package("manimgx_fonts", "manimgx-fonts", "manimgx-fonts", "report"),
    Package("noto_cjk_sans_jp_regular", "Noto Sans CJK", "noto-cjk-sans-jp-regular", "report"),
    Package("tensorboard", "TensorBoard", "tensorboard", "train"),
    Package("huggingface_hub", "huggingface_hub", "huggingface-hub", "hub"),
    Package("keras_hub", "keras-hub", "keras-hub", "pairs"),
    Package("transformers", "transformers", "transformers", "pairs"),
)
PACKAGES = {package.module: package for package in _ALL}
"""The packages of pyproject.toml, by module, in the order in which they are shown."""
_ALL_EXTRAS = {package.extra for package in _ALL if package.extra}
_COMPOSED = {"convert": {"keras", "torch"}, "train": {"report"}, "pairs": {"convert"}}
"""The extras that bring others, after those that they bring. `all` brings every one."""
_OF_MODELS = ("keras_hub", "transformers")
"""The libraries that models come from, by the module that is imported."""
_NO_ROOM = ("failed to map segment", "annot allocate memory")
"""What the dynamic linker says where a library does not fit into the memory."""


def versions_of_models() -> dict[str, str]:
    """Return the versions of those libraries of models that this process has imported, by name."""
    imported = {
        PACKAGES[name].name: sys.modules[name] for name in _OF_MODELS if name in sys.modules
    }
    return {name: str(getattr(of, "__version__", "?")) for name, of in imported.items()}


def is_installed(module: str) -> bool:
    """Return whether a top-level module can be found; it is not imported."""
    return sys.modules.get(module) is not None or find_spec(module) is not None


def brought_by(extra: str) -> set[str]:
    """Return an extra and those that it brings."""
    brought = set(_ALL_EXTRAS) if extra == "all" else _COMPOSED.get(extra, set())
    return {extra}.union(*map(brought_by, brought))


def extras_of(packages: Iterable[Package]) -> list[str]:
    """Return the fewest extras that install these packages, of those that extras install."""
    needed = {package.extra for package in packages if package.extra}
    for extra, brought in _COMPOSED.items():
        if extra in needed or (len(brought) > 1 and brought <= needed):
            needed = needed - brought | {extra}
    return sorted(needed)


def absent(packages: Iterable[Package], needing: str = "") -> PortError:
    """Return the refusal of a job that is `needing` packages which are not installed."""
    of = [package for package in PACKAGES.values() if package in set(packages)]
    are, it = ("are", "them") if len(of) > 1 else ("is", "it")
    extras = extras_of(of)
    what = f'"signbart-port[{",".join(extras)}]"' if extras else of[0].distribution
    subject = f"{needing} needs" if needing else "needs"
    hint = f"Install {it}: pip install {what}"
    names = listed([package.name for package in of])
    return PortError(None, f"{subject} {names}, which {are} not installed", hint)


def no_memory(error: MemoryError | ImportError) -> PortError | None:
    """Return the refusal of a job for which there is not enough memory; None where a package that
    is there cannot be imported for another reason."""
    if isinstance(error, ImportError) and not any(said in str(error) for said in _NO_ROOM):
        return None
    return PortError(None, "memory has run out", "Free some, or raise its limit (ulimit -v)")


def not_installed(error: ModuleNotFoundError) -> PortError | None:
    """Return the refusal of a job that needs a package which is not there; None where another
    module is missing, which is a defect."""
    package = PACKAGES.get((error.name or "").partition(".")[0])
    return absent([package]) if package else None
