"""What `signbart_port` itself gives out, and what importing it costs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import signbart_port
from signbart_port import config
from tests.support.datasets import a_clip
from tests.support.running import run_python

ROOT = Path(__file__).parents[1]


def file_of(module: str) -> Path:
    """The source of a module, found without importing it."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def for_type_checkers(package: str) -> dict[str, str]:
    """The names of a package's TYPE_CHECKING block, each with the module it is imported from."""
    (block,) = (
        node
        for node in ast.parse(file_of(package).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom) and node.module
        for name in node.names:
            assert name.asname == name.name, "else a type checker takes it for private"
            found[name.name] = node.module
    return found


@pytest.mark.parametrize(
    ("package", "table"),
    [("signbart_port", signbart_port._PUBLIC), ("signbart_port.config", config._HOMES)],
)
def test_a_name_stands_in_the_table_and_for_type_checkers(
    package: str, table: dict[str, str]
) -> None:
    assert table == for_type_checkers(package)
    assert list(table) == sorted(table)


def test_the_names_of_the_table_are_given_out() -> None:
    assert signbart_port.__all__ == list(signbart_port._PUBLIC)
    assert set(signbart_port.__all__) <= set(dir(signbart_port))
    assert signbart_port.PortError is signbart_port.errors.PortError
    with pytest.raises(AttributeError, match="'signbart_port' has no attribute 'nothing'"):
        _ = signbart_port.nothing


def test_every_name_is_in_its_module() -> None:
    for name, module in signbart_port._PUBLIC.items():
        tree = ast.parse(file_of(module).read_text())
        defined = {getattr(node, "name", None) for node in tree.body}
        bound = {
            bound
            for node in tree.body
            if isinstance(node, ast.Assign | ast.ImportFrom)
            for bound in (
                [ast.unparse(target) for target in node.targets]
                if isinstance(node, ast.Assign)
                else [alias.asname or alias.name for alias in node.names]
            )
        }
        if module in ("signbart_port", "signbart_port.config"):
            bound |= for_type_checkers(module).keys()
        assert name in defined | bound, f"{name} is not in {module}"


def test_every_verb_is_public_under_the_name_of_its_file() -> None:
    for file in (ROOT / "signbart_port/verbs").glob("[!_]*.py"):
        assert signbart_port._PUBLIC[file.stem] == f"signbart_port.verbs.{file.stem}"


def test_the_page_of_python_lists_what_is_public() -> None:
    (listed,) = re.findall(
        r"^Public is what `signbart_port` itself names: (.+?)\.\n\n",
        (ROOT / "docs/python.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert sorted(re.findall(r"`(\w+)`", listed)) == signbart_port.__all__


def test_what_the_docs_import_is_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text()
        for module in re.findall(r"from (signbart_port[\w.]*) import", text):
            assert file_of(module).exists(), f"{page.name}: {module}"
        for name in re.findall(r"\bsignbart_port\.(\w+)\(", text):
            assert name in signbart_port.__all__, f"{page.name}: {name}"


def test_importing_it_imports_nothing_heavy() -> None:
    code = """
import sys
before = set(sys.modules)
import signbart_port
heavy = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(heavy - set(sys.stdlib_module_names)))
"""
    assert run_python(code) == "['signbart_port']\n"


@pytest.mark.release
def test_keras_learns_of_the_layers_before_or_after() -> None:
    code = """
import {}
import {}
import keras
assert keras.saving.get_registered_object("signbart_port>SignBart") is signbart_port.SignBart
assert keras.__spec__.loader.get_source("keras")
"""
    run_python(code.format("signbart_port", "keras"))
    run_python(code.format("keras", "signbart_port"))


def test_names_are_listed_alone() -> None:
    assert dir(signbart_port) == sorted(signbart_port.__all__)


def test_results_are_one_line_in_a_notebook(ported: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.npy"
    np.save(clip, a_clip(0, 6))
    found = signbart_port.inspect_file(ported / "model.pth")
    assert repr(found) == (
        f"<Inspection {ported / 'model.pth'}: PyTorch checkpoint, {len(found.tensors)} tensors>"
    )
    planned = signbart_port.plan(ported / "model.pth")
    assert repr(planned) == f"<Planned {ported / 'model.pth'}: complete>"
    predicted = signbart_port.predict(ported / "model.tflite", clip)
    assert repr(predicted).startswith(f"<Prediction {ported / 'model.tflite'}: clip.npy ")
    assert repr(predicted.clips) == f"(<Predicted {clip}>,)"
