"""What runs without any extra, and what the rest says instead: each verb, in an environment that
has the packages of the base installation alone. For a release, with one framework too."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.data.synthetic import write
from signbart_port.errors import PortError
from signbart_port.system.packages import PACKAGES
from tests.support.linked_environment import linked_environment
from tests.support.small_models import Once
from verbs_on_sample import COMMANDS, OUT, SAMPLES, expected, outcome, prepare

IMPORT_ALL = """
import signbart_port
for name in signbart_port.__all__:
    try:
        getattr(signbart_port, name)
    except signbart_port.PortError as error:
        print(name, error)
"""
CALLS = """
import signbart_port
for call in (
    lambda: signbart_port.convert("absent.pth"),
    lambda: signbart_port.to_tflite("absent.h5", quantization="int8"),
    lambda: signbart_port.predict("absent.pth", "absent.npy"),
    lambda: signbart_port.vary_pair(),
    lambda: signbart_port.convert(),
):
    try:
        call()
    except (signbart_port.PortError, TypeError) as error:
        print(error)
"""


@pytest.fixture
def work(ported: Path, tmp_path: Path) -> Path:
    """A folder of the files that the command lines name, of the small model."""
    for name in ("model.pth", "model.h5", "model.tflite"):
        (tmp_path / name).symlink_to(ported / name)
    (tmp_path / "clips.npz").symlink_to(SAMPLES / "clips.npz")
    (tmp_path / OUT).mkdir()
    write(tmp_path / "signs", signers=1, classes=1, repetitions=1, holdout=0)
    return tmp_path


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked_environment(tmp_path_factory.mktemp("base") / "environment")


@pytest.fixture
def python(programs: Path, tmp_path: Path) -> Callable[[str], str]:
    """Runs a program there, and returns what it printed."""

    def run(code: str) -> str:
        command = [programs / "python", "-c", code]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def on_base(module: str) -> bool:
    return not PACKAGES[module].extra


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_verb_runs_or_names_its_extra(
    command: tuple[str, ...], work: Path, programs: Path
) -> None:
    assert outcome(command, expected(command, on_base), work, programs).wrong == ""


def test_every_extra_is_asked_for_by_some_verb() -> None:
    """Else the test above could not fail for its packages."""
    refused = [str(expected(command, on_base)) for command in COMMANDS]
    for extra in ("convert", "torch", "keras", "quantize", "evaluate", "report", "train", "pairs"):
        assert any(extra in line.rpartition("[")[2] for line in refused), extra


def test_every_public_name_is_there_but_those_of_keras(python: Callable[[str], str]) -> None:
    says = 'needs Keras, which is not installed. Install it: pip install "signbart-port[keras]"'
    assert python(IMPORT_ALL).splitlines() == [f"SignBart {says}", f"load {says}"]


def test_a_function_says_which_extra_before_it_looks_at_a_file(
    python: Callable[[str], str],
) -> None:
    install = 'not installed. Install {}: pip install "signbart-port[{}]"'.format
    assert python(CALLS).splitlines() == [
        f"convert needs PyTorch and TensorFlow, which are {install('them', 'convert')}",
        "to_tflite needs TensorFlow and AI Edge Quantizer, which are"
        f" {install('them', 'keras,quantize')}",
        f"predict needs PyTorch, which is {install('it', 'torch')}",
        f"vary_pair needs PyTorch and TensorFlow, which are {install('them', 'convert')}",
        "convert() missing 1 required positional argument: 'path'",
    ]


def test_nothing_of_this_environment_is_seen(python: Callable[[str], str]) -> None:
    code = "import importlib.util as u; print(*(u.find_spec(n) for n in {!r}))"
    modules = [module for module in PACKAGES if not on_base(module)]
    assert set(python(code.format(modules)).split()) == {"None"}


def test_a_verb_that_does_otherwise_is_found_out(programs: Path, work: Path) -> None:
    runs, fails = ("inspect", "model.pth"), ("inspect", "absent.pth")
    refused = PortError(None, "inspect needs something")
    assert outcome(runs, None, work, programs).wrong == ""
    assert "exit code 2" in outcome(fails, None, work, programs).wrong
    assert "exit code 0" in outcome(runs, refused, work, programs).wrong
    assert "absent.pth" in outcome(fails, refused, work, programs).wrong


ALONE = (
    ("convert", "model.pth", "--out", f"{OUT}/unproven.h5", "--no-verify"),
    ("export", "model.h5", "--out", f"{OUT}/unproven.pth", "--no-verify"),
    ("predict", "model.h5", "clips.npz"),
    ("predict", "model.pth", "clips.npz"),
    ("tflite", "model.h5", "--out", f"{OUT}/dynamic.tflite", "--quantization", "dynamic"),
    ("verify", "model.h5", "model-dynamic.tflite"),
    ("verify", "model.pth", "model.pth"),
    ("verify", "model.pth", "model.tflite"),
)
"""Command lines that need one framework, and not both."""


@pytest.mark.release
@pytest.mark.parametrize("extra", ["keras", "torch"])
def test_one_framework_is_enough_for_what_the_table_says(
    extra: str, once: Once, tmp_path: Path
) -> None:
    sample = once("sample_in_every_format", lambda folder: prepare(folder / "sample"))
    work = shutil.copytree(sample, tmp_path / "work")
    programs = linked_environment(tmp_path / "environment", extra)

    def installed(module: str) -> bool:
        return PACKAGES[module].extra in ("", extra)

    runs = [command for command in ALONE if expected(command, installed) is None]
    assert len(runs) == 4
    wrong = [outcome(command, None, work, programs).wrong for command in runs]
    assert wrong == [""] * len(runs)
