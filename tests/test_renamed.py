"""Module paths of version 0.1."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

from signbart_port import _renamed
from signbart_port.keras_model import SignBart
from signbart_port.training.quantization_aware import quantization_aware
from tests.support.running import run_python
from tests.support.small_models import small_config

ROOT = Path(__file__).parents[1]


def exists(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_the_table_leads_from_what_is_gone_to_what_is_there() -> None:
    for old, new in _renamed.MODULES.items():
        assert not exists(old) and exists(new), f"{old}: {new}"
        assert exists(old.rpartition(".")[0]), f"{old} has no package to be found in"


@pytest.mark.parametrize("old", _renamed.MODULES)
def test_an_old_path_gives_the_new_module(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without importing that: of all of them, each framework is one."""
    new = ModuleType(_renamed.MODULES[old])
    monkeypatch.setattr(_renamed, "import_module", {new.__name__: new}.__getitem__)
    spec = importlib.util.find_spec(old)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.warns(DeprecationWarning, match=f"^{old} is now {new.__name__}$"):
        spec.loader.exec_module(module)
    assert sys.modules.pop(old) is new


def test_old_imports_of_every_form() -> None:
    code = """
import warnings
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    import signbart_port.h5
    from signbart_port import resolve
    from signbart_port.inspect import inspect
    from signbart_port.tflite.interface import Interface
from signbart_port.data import model_interface
from signbart_port.model_files import config_resolution, h5
from signbart_port.verbs.inspect_file import inspect_file
assert signbart_port.h5 is h5 and h5.__name__ == "signbart_port.model_files.h5"
assert resolve is config_resolution
assert inspect is inspect_file
assert Interface is model_interface.Interface
assert [one.filename for one in warned] == ["<string>"] * 4, "the warning is the importer's"
print(len(warned))
"""
    assert run_python(code) == "4\n"


@pytest.mark.release
def test_pytorchs_training() -> None:
    code = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
from pt_reference import training
from signbart_port.training import torch_fit
print(training is torch_fit)
"""
    assert run_python(code) == "True\n"


@pytest.mark.release
def test_a_saved_quantization_aware_model_opens_by_the_program_of_version_0_1(
    tmp_path: Path,
) -> None:
    """Keras finds the class by its registered name, once the program has imported its module."""
    aware = quantization_aware(SignBart(small_config()))
    keypoints = np.random.default_rng(0).random((2, 7, 75, 2), np.float32)
    fed = {"keypoints": keypoints, "attention_mask": np.ones((2, 7), np.float32)}
    aware.observe(**fed)
    aware.save(tmp_path / "aware.keras")
    np.savez(tmp_path / "fed.npz", **fed)
    code = """
import sys
import keras, numpy as np
import signbart_port
from signbart_port.keras_model.quantization_aware import quantization_aware
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[3], model(dict(np.load(sys.argv[2])), training=False))
"""
    run_python(code, tmp_path / "aware.keras", tmp_path / "fed.npz", tmp_path / "got.npy")
    expected = keras.ops.convert_to_numpy(aware(fed, training=False))
    np.testing.assert_array_equal(np.load(tmp_path / "got.npy"), expected)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file names: in imports, and as a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{name.name}" for name in names)
            case ast.Constant(value=str(text)):
                yield text


@pytest.mark.release
def test_nothing_depends_on_an_old_path() -> None:
    """But for the tool that version 0.1 itself runs, to write the files that are kept of it."""
    files = [
        file
        for folder in ("signbart_port", "pt_reference", "mappings", "tools", "tests")
        for file in (ROOT / folder).rglob("*.py")
        if file.name not in ("_renamed.py", "test_renamed.py", "make_compatibility_corpus.py")
    ]
    assert len(files) > 300
    for file in files:
        used = _renamed.MODULES.keys() & set(imported(ast.parse(file.read_text())))
        assert not used, f"{file.relative_to(ROOT)} names {used}"
