"""The table of what verbs need, against pyproject.toml, the commands, the pairs and the page."""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from signbart_port import requirements
from signbart_port.cli.main import app
from signbart_port.errors import PortError
from signbart_port.parity.load_pair import installed_classes
from signbart_port.requirements import ON_BASE, PAIRS, REQUIREMENTS, by_case, check, refusal
from signbart_port.system.packages import PACKAGES, Package, brought_by, extras_of
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.verbs import verify

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def commands() -> Iterator[str]:
    """Yield the commands, those of a group with its name."""
    for name, command in typer.main.get_command(app).commands.items():
        inner = getattr(command, "commands", {})
        yield from (f"{name} {one}" for one in inner) if inner else (name,)


def test_the_packages_are_those_of_pyproject() -> None:
    groups = {"": PROJECT["dependencies"], **EXTRAS}
    declared = {
        (re.split("[>=]", one)[0], extra)
        for extra, group in groups.items()
        if extra not in ("dev", "peers")
        for one in group
        if "[" not in one
    }
    assert {(one.distribution, one.extra) for one in PACKAGES.values()} == declared


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - {"dev", "peers"}))
def test_an_extra_brings_those_of_pyproject(extra: str) -> None:
    def brought(name: str) -> set[str]:
        named = [re.search(r"\[(.+)\]", one) for one in EXTRAS[name]]
        inner = {one for found in named if found for one in found[1].split(",")}
        return {name}.union(*map(brought, inner))

    assert brought_by(extra) == brought(extra)


@pytest.mark.parametrize(
    ("modules", "extras"),
    [
        (["torch"], ["torch"]),
        (["torch", "tensorflow", "sklearn"], ["convert", "evaluate"]),
        (["matplotlib", "tensorboard", "keras"], ["keras", "train"]),
        (["matplotlib"], ["report"]),
        (["torch", "keras", "transformers"], ["pairs"]),
        (["numpy"], []),
    ],
)
def test_the_fewest_extras_are_named(modules: list[str], extras: list[str]) -> None:
    assert extras_of([PACKAGES[module] for module in modules]) == extras


def test_every_command_is_in_the_table() -> None:
    named = {*ON_BASE, *(one.verb for one in REQUIREMENTS)}
    assert named == {*commands(), "pt_reference.train"}


@pytest.mark.parametrize("library", PAIRS)
def test_the_pairs_that_need_a_library_are_those_that_import_it(library: str) -> None:
    importing = re.compile(rf"(import|from) {library}\b")
    needing = {
        name
        for name, place in installed_classes().items()
        if any(map(importing.search, sources(place)))
    }
    assert set(PAIRS[library]) == needing


def sources(place: str) -> Iterator[str]:
    """Yield the source of a pair's class and of its bases, and the modules of its two models."""
    module, _, name = place.partition(":")
    for one in getattr(import_module(module), name).__mro__:
        if one.__module__.startswith("signbart_port.pairs"):
            text = inspect.getsource(one)
            yield text
            for model in re.findall(r"from ([\w.]+_(?:keras|torch)) import", text):
                yield ROOT.joinpath(*model.split(".")).with_suffix(".py").read_text()


@pytest.mark.parametrize(
    ("verb", "given", "says"),
    [
        ("convert", {}, "convert needs PyTorch and TensorFlow, which are"),
        ("convert", {"no_verify": True}, "convert needs TensorFlow, which is"),
        ("convert", {"verify": False}, "convert needs TensorFlow, which is"),
        ("inspect", {"files": ["a.pth"]}, None),
        ("inspect", {"files": [Path("hf://a/b@v1")]}, "inspect of hf://OWNER/NAME needs huggin"),
        ("predict", {"model": "hf://a/b"}, "predict needs PyTorch and huggingface_hub, which are"),
        ("evaluate", {"models": ["a.tflite"]}, "evaluate needs scikit-learn, which is"),
        ("export", {"out": "a.safetensors", "no_verify": True}, None),
        ("export", {"no_verify": True}, "export to a .pth needs PyTorch, which is"),
        ("plan", {"checkpoint": "a.pth"}, None),
        ("plan", {"pair": "a.py"}, "plan --pair needs PyTorch and TensorFlow, which are"),
        ("predict", {"model": Path("a.tflite")}, None),
        ("predict", {"model": Path("A.PTH")}, "predict of a .pth or .safetensors needs PyTorch"),
        ("predict", {"model": "runs/"}, None),
        ("tflite", {"quantization": "none,int8"}, "tflite needs TensorFlow and AI Edge Quantizer"),
        ("tflite", {"quantization": Quantization.INT8_FULL}, "tflite needs TensorFlow and AI Edge"),
        ("tflite", {"quantization": "dynamic"}, "tflite needs TensorFlow, which is"),
        ("verify", {"a": "a.tflite", "b": "b.tflite"}, None),
        ("verify", {"a": "a.tflite", "b": "b.keras"}, "verify of a .h5 or .keras needs TensorFlow"),
        (
            "verify",
            {"perturb": True},
            "verify --pair, --perturb or --vary needs PyTorch and Tensor",
        ),
        ("web", {"model": "a.tflite"}, None),
    ],
)
def test_what_a_verb_lacks_on_the_base_installation(
    verb: str, given: dict[str, object], says: str | None
) -> None:
    refused = refusal(verb, given, installed=lambda module: not PACKAGES[module].extra)
    assert refused is None if says is None else str(refused).startswith(says)


def test_what_is_not_there_is_found_without_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(PortError, match=r"^evaluate needs scikit-learn, which is not installed\. "):
        check("evaluate", {"models": ["a.tflite"]})


def test_only_a_rounded_tflite_asks_for_tensorflow_when_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requirements, "is_installed", lambda module: module != "tensorflow")
    monkeypatch.setattr(verify, "TFLiteModel", SimpleNamespace)
    reference = SimpleNamespace(config="a config")
    assert verify._graph_proof(reference, SimpleNamespace(precision=Precision.FLOAT32)) is None
    says = (
        r"^verify of a rounded \.tflite and another kind needs TensorFlow, which is not installed"
    )
    with pytest.raises(PortError, match=says):
        verify._graph_proof(reference, SimpleNamespace(precision=Precision.DYNAMIC))


def test_the_page_has_the_table() -> None:
    rows = [(ON_BASE, "", []), *((verbs, case, of) for (case, of), verbs in by_case().items())]
    table = "".join(
        row(verbs, case, [PACKAGES[module] for module in modules]) for verbs, case, modules in rows
    )
    assert table in (ROOT / "docs/install.md").read_text()


def row(verbs: Sequence[str], case: str, packages: Sequence[Package]) -> str:
    names = ", ".join(f"`{verb}`" for verb in verbs)
    marked = re.sub(r"(--[\w-]+|\.[a-z]\w+|hf://\S+)", r"`\1`", case)
    needs = ", ".join(package.name for package in packages)
    extra = f"`[{','.join(extras_of(packages))}]`" if packages else "none"
    cells = (names, marked, needs, extra)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n"
