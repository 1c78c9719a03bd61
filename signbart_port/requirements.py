"""What each verb needs beside the base installation.

One table: commands and public functions look into it before they look at anything else, `doctor`
and docs/install.md show it.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from signbart_port.errors import PortError
from signbart_port.hub.address import is_address
from signbart_port.system.packages import PACKAGES, Package, absent, is_installed
from signbart_port.tflite.modes import MODES
from signbart_port.untrusted.weights_file import INDEX, SUFFIXES

Public = TypeVar("Public")
Given = Mapping[str, Any]
"""The arguments of a command or a function, by name."""
Installed = Callable[[str], bool]
"""Tells whether a module is installed."""


def _always(given: Given) -> bool:
    return True


@dataclass(frozen=True)
class Requirement:
    """The packages that a verb needs."""

    verb: str
    """The command."""
    case: str
    """The files or options with which it needs them. Empty: always."""
    modules: tuple[str, ...]
    """The modules of the packages."""
    applies: Callable[[Given], bool] = _always
    """Whether it needs them with these arguments."""

    def check(self) -> None:
        """Raise PortError if one is not installed."""
        if missing := _missing(self.modules, is_installed):
            raise absent(missing, f"{self.verb} {self.case}")


def _missing(modules: Iterable[str], installed: Installed) -> list[Package]:
    return [PACKAGES[module] for module in modules if not installed(module)]


_TORCH, _KERAS = ("torch",), ("tensorflow",)
_BOTH = (*_TORCH, *_KERAS)
_PICTURES = ("matplotlib", "manimgx_fonts", "noto_cjk_sans_jp_regular")
_MODELS = ("a", "b", "checkpoint", "checkpoints", "file", "files", "model", "models", "path")
"""The arguments that name model files."""
_CHECKPOINTS = (*SUFFIXES, INDEX)
_INTEGER_MODES = [mode.value for mode, spec in MODES.items() if spec.recipe]
PAIRS = {
    "keras_hub": (
        *("hf-bart", "hf-bert", "hf-gpt2", "hf-vit", "hf-whisper"),
        *("spoter-like", "torch-transformer"),
    ),
    "transformers": ("hf-bart", "hf-bert", "hf-gpt2", "hf-mobilenet-v2", "hf-vit", "hf-whisper"),
}
"""The installed pairs that need another library, by its module."""
_FROM_HUB = ("convert", "evaluate", "export", "inspect", "plan", "predict", "tflite", "verify")
_WITH_PAIRS = ("convert", "export", "plan", "tflite", "verify")


def _has(*options: str) -> Callable[[Given], bool]:
    return lambda given: any(given.get(option) not in (None, False) for option in options)


def _named(*endings: str) -> Callable[[Given], bool]:
    """Return whether a model file's name ends so. A folder is looked into later."""
    return lambda given: any(path.lower().endswith(endings) for path in _paths(given))


def _paths(given: Given) -> Iterator[str]:
    for value in map(given.get, _MODELS):
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, str | os.PathLike):
                yield os.fspath(one)


def _proves(given: Given) -> bool:
    return not given.get("no_verify", not given.get("verify", True))


def _writes_pth(given: Given) -> bool:
    return not str(given.get("out")).endswith(".safetensors")


def _with_integers(given: Given) -> bool:
    asked = given.get("quantization", "")
    return not set(str(getattr(asked, "value", asked)).split(",")).isdisjoint(_INTEGER_MODES)


def _writes_page(given: Given) -> bool:
    return str(given.get("report")).endswith(".html")


def _from_hub(given: Given) -> bool:
    return any(map(is_address, _paths(given)))


def _checkpoint(given: Given) -> bool:
    return _named(*_CHECKPOINTS)(given) or _from_hub(given)


def _pair_of(library: str) -> Callable[[Given], bool]:
    return lambda given: given.get("pair") in PAIRS[library]


def _of_files(verb: str) -> tuple[Requirement, ...]:
    return (
        Requirement(verb, "of a .pth or .safetensors", _TORCH, _checkpoint),
        Requirement(verb, "of a .h5 or .keras", _KERAS, _named(".h5", ".keras")),
    )


ROUNDED = Requirement(
    "verify", "of a rounded .tflite and another kind", _KERAS, lambda given: False
)
"""Only the file tells: `verify` checks it when it has read both."""
REQUIREMENTS = (
    Requirement("convert", "", _KERAS),
    Requirement("convert", "without --no-verify", _TORCH, _proves),
    Requirement("evaluate", "", ("sklearn",)),
    *_of_files("evaluate"),
    Requirement("evaluate", "--confusion", _PICTURES, _has("confusion")),
    Requirement("evaluate", "--report FILE.html", _PICTURES, _writes_page),
    Requirement("export", "to a .pth", _TORCH, _writes_pth),
    Requirement("export", "without --no-verify", _BOTH, _proves),
    Requirement("plan", "--pair", _BOTH, _has("pair")),
    *_of_files("predict"),
    Requirement("tflite", "", _KERAS),
    Requirement("tflite", "of a checkpoint", _TORCH, _checkpoint),
    Requirement("tflite", "--pytorch", _TORCH, _has("pytorch")),
    Requirement(
        "tflite",
        f"--quantization {', '.join(_INTEGER_MODES)}",
        ("ai_edge_quantizer",),
        _with_integers,
    ),
    Requirement("train", "", (*_KERAS, "tensorboard", "matplotlib")),
    *_of_files("verify"),
    ROUNDED,
    Requirement("verify", "--pair, --perturb or --vary", _BOTH, _has("pair", "perturb", "vary")),
    *(
        Requirement(verb, "of hf://OWNER/NAME", ("huggingface_hub",), _from_hub)
        for verb in _FROM_HUB
    ),
    *(
        Requirement(verb, f"--pair of a model of {PACKAGES[of].name}", (of,), _pair_of(of))
        for verb in _WITH_PAIRS
        for of in PAIRS
    ),
    Requirement("pt_reference.train", "", (*_TORCH, "tensorboard", "matplotlib")),
)
"""In the order in which they are shown."""
ON_BASE = (
    *("data check", "data synth", "doctor", "pair export-converter", "pair list"),
    *("snippets", "web"),
)
"""The verbs that need nothing else."""

_VERBS: Mapping[str, tuple[str, Given]] = {
    "convert_pair": ("convert", {}),
    "export_pair": ("export", {}),
    "plan_pair": ("plan", {}),
    "prove_pair": ("verify", {"perturb": True}),
    "to_tflite": ("tflite", {}),
    "to_tflite_pair": ("tflite", {}),
    "vary_pair": ("verify", {"vary": True}),
    "verify_pair": ("verify", {}),
}
"""The command that a public function is like, and the options that it implies, where its name is
not the command's."""


def by_case() -> dict[tuple[str, tuple[str, ...]], list[str]]:
    """Return the verbs that share a case and the modules that it needs, by these two."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in REQUIREMENTS:
        found.setdefault((one.case, one.modules), []).append(one.verb)
    return found


def refusal(
    verb: str, given: Given, name: str = "", installed: Installed = is_installed
) -> PortError | None:
    """Return why a verb cannot run with these arguments, if it lacks packages.

    `name` is what the verb is called, if not by its command.
    """
    found = [one for one in REQUIREMENTS if one.verb == verb and one.applies(given)]
    missing = {
        one.case: packages for one in found if (packages := _missing(one.modules, installed))
    }
    if not missing:
        return None
    case = next(iter(missing)) if len(missing) == 1 and not name else ""
    needed = [package for packages in missing.values() for package in packages]
    return absent(needed, f"{name or verb} {case}".rstrip())


def check(verb: str, given: Given, name: str = "") -> None:
    """Raise the `refusal`, if there is one, before anything is read."""
    if refused := refusal(verb, given, name):
        raise refused


def checked(public: Public) -> Public:
    """Wrap a public function so that it checks its packages first; return anything else as it
    is."""
    if not inspect.isfunction(public):
        return public
    name = public.__name__
    verb, implied = _VERBS.get(name, (name, {}))
    if verb not in {one.verb for one in REQUIREMENTS}:
        return public
    signature = inspect.signature(public)

    @functools.wraps(public)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:  # which the function itself words better
            return public(*args, **kwargs)
        given.apply_defaults()
        check(verb, {**given.arguments, **implied}, name)
        return public(*args, **kwargs)

    return cast(Public, call)
