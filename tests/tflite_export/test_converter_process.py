"""TensorFlow's converter in its own process: what it makes, and that it takes nothing with it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import signbart_port
from signbart_port.data.model_interface import Interface
from signbart_port.model_files.keras_h5 import build
from signbart_port.system import processes
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import conversion, emission
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers import converter
from tests.support.framework_models import keras_model, save_model
from tests.support.running import run_python
from tests.support.small_models import small_config, state_dict

pytestmark = pytest.mark.usefixtures("cold_workers")
CONFIG = small_config(encoder_layers=1, decoder_layers=1)
Program = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def h5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("process") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


@pytest.mark.release
def test_it_makes_what_this_process_would(h5: Path, tmp_path: Path) -> None:
    """Byte for byte, whatever is asked for: most tests convert without it."""
    interface = Interface(75, preprocessing=True, count_missing=False, probabilities=True)
    asked = Conversion((4, 9), Quantization.FLOAT16, interface)
    file = signbart_port.model_files.h5.read(h5)
    with conversion.running(file, asked, tmp_path / "model.tflite") as work:
        work.answer()
    model = build(file)
    assert (tmp_path / "model.tflite").read_bytes() == converter.converted(model, asked)


@pytest.mark.release
def test_default_name_and_length(tmp_path: Path) -> None:
    """Beside the model, with its name; 64 frames, or all that a shorter model can."""
    keras_model(CONFIG, state_dict(CONFIG)).save(tmp_path / "mine.h5")
    done = signbart_port.to_tflite(tmp_path / "mine.h5")
    assert done.out == tmp_path / "mine.tflite" and done.file.frames == 16


@pytest.mark.release
def test_pytorch_is_not_imported(tmp_path: Path) -> None:
    """Nor by convert in this process: its PyTorch runs beside it, whatever the converter does."""
    source = save_model(tmp_path, CONFIG)
    code = """
import sys, pytest, signbart_port
from tests.support.converter_in_process import convert_by
from signbart_port.tflite_export.workers.converter import converted
convert_by(converted, pytest.MonkeyPatch())
signbart_port.convert(sys.argv[1], sys.argv[2])
signbart_port.to_tflite(sys.argv[2], frames=4)
print("torch" in sys.modules, "tensorflow" in sys.modules)
"""
    assert run_python(code, source, source.with_suffix(".h5")).split() == ["False", "True"]


CRASHES = {
    "import os; os.kill(os.getpid(), 11)": "TensorFlow's converter was ended by SIGSEGV",
    "import os; os.abort()": "TensorFlow's converter was ended by SIGABRT",
    "print('first'); raise MemoryError('no room')": "converter MemoryError: no room",
    "raise SystemExit(3)": "converter ended with status 3",
    "import time; time.sleep(600)": "converter did not finish in 1 s",
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_converter_that_does_not_come_back(
    h5: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    """It takes nothing with it, and nothing is left of it."""
    process, scratch = tmp_path / "process", tmp_path / "scratch"
    scratch.mkdir()
    script = f"import os; open({str(process)!r}, 'w').write(str(os.getpid())); {crash}"
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, "-c", script])
    monkeypatch.setattr(emission, "_SECONDS", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    out = tmp_path / "model.tflite"
    code, printed, err = program("tflite", h5, "-o", out, "-q")
    assert (code, printed) == (1, "")
    assert err.startswith(f"signbart-port: {h5}: ") and err.count("\n") == 1
    assert CRASHES[crash] in err
    assert sorted(tmp_path.iterdir()) == [process, scratch] and not list(scratch.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int(process.read_text()), 0)
