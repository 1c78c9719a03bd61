from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import signbart_port
from signbart_port.cli import main
from signbart_port.system import processes
from tests.support.forked_workers import ForkedWorkers
from tests.support.running import run_program
from tests.support.small_models import Once, distinct_state_dict, save_pth, small_config

if TYPE_CHECKING:
    from tests.support.browser import Browser

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
LONG = (
    "docs",
    "tflite",
    "tflite_export",
    "mutation",
    "training",
    "end_to_end",
    "keras_model",
    "verbs",
)


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what a release needs, and put the folders with the longest files first.

    A worker that begins one of these last would leave the others without work
    (`--no-loadscope-reorder` keeps this order).
    """

    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=place)
    wrong = _mark_variants(items)
    if wrong and not any("[" in argument for argument in config.args):  # one was asked for by name
        raise pytest.UsageError(f"on_commit lists variants that are not there: {wrong}")


def _mark_variants(items: list[pytest.Item]) -> dict[str, set[str]]:
    """Mark as `release` each variant of a parametrized test that `on_commit` does not list, and
    return the listed ones that are no variant, by test."""
    unused: dict[str, set[str]] = {}
    for item in items:
        listed = item.get_closest_marker("on_commit")
        if listed is None or not isinstance(item, pytest.Function):
            continue
        variant = item.callspec.id
        unused.setdefault(item.nodeid.removesuffix(f"[{variant}]"), {*listed.args}).discard(variant)
        if variant not in listed.args:
            item.add_marker(pytest.mark.release)
    return {test: names for test, names in unused.items() if names}


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Calls a function with a folder of that name, once in all of pytest's workers: the others wait
    for what it returns."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def made(name: str, make: Callable[[Path], Any]) -> Any:
        folder, result = root / name, root / f"{name}.pickle"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
                folder.mkdir()
                result.write_bytes(pickle.dumps(make(folder)))
            return pickle.loads(result.read_bytes())

    return made


_COMMAND = processes.command


@pytest.fixture(scope="session", autouse=True)
def warm_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let worker processes start with their framework imported (see `ForkedWorkers`)."""
    workers = ForkedWorkers(tmp_path_factory.mktemp("workers"))
    command, kill = workers.stand_ins()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "command", command)
        patch.setattr(subprocess.Popen, "kill", kill)
        yield
    workers.close()


@pytest.fixture
def cold_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start worker processes as the program does, with a new interpreter."""
    monkeypatch.setattr(processes, "command", _COMMAND)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data, ../shared/data, is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> dict[str, np.ndarray]:
    """Inputs and outputs of the real checkpoint, computed with the published code."""
    with np.load(shared_data / "user08.expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def real_h5(shared_data: Path, once: Once) -> Path:
    """The real checkpoint, converted and proven."""
    source = shared_data / "user08.pth"
    return once("real_h5", lambda folder: signbart_port.convert(source, folder / "user08.h5").out)


@pytest.fixture(scope="session")
def ported(once: Once) -> Path:
    """A folder with the small model, every element of it distinct, in every format: model.pth;
    model.h5 and model.tflite, made of it by this program; plain.h5, model.weights.h5 and
    model.keras, as Keras saves it; epoch.weights.h5 and epoch.keras, as its ModelCheckpoint does;
    turned.weights.h5, with two layers of the decoder in the other order; other.keras and
    other.weights.h5, no SignBART; lambda.h5 and lambda.keras, which would write a file `canary` if
    they were run."""
    return once("ported", _port)


def _port(folder: Path) -> Path:
    config = small_config()
    save_pth(folder / "model.pth", distinct_state_dict(config), config=config.model_dump())
    run_program("port_in_every_format", folder)
    return folder


@pytest.fixture(scope="session")
def small_tflite(once: Once) -> Callable[..., Path]:
    """Returns the small model as a .tflite for clips of these lengths, with a card: unproven, made
    once, and not to be written to."""

    def made(*frames: int) -> Path:
        from tests.support.cards import emit

        name = "-".join(map(str, ("small_tflite", *frames)))
        return once(name, lambda folder: emit(folder / "model.tflite", small_config(), frames))

    return made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests of a pytest worker."""
    from tests.support.browser import Browser  # with Selenium, which few tests need

    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def converter_here() -> Iterator[None]:
    """`to_tflite` without a process of TensorFlow's own."""
    from signbart_port.tflite_export.workers.converter import converted
    from tests.support.converter_in_process import convert_by

    with pytest.MonkeyPatch.context() as patch:
        convert_by(converted, patch)
        yield


@pytest.fixture
def program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the program in this process: its exit code, and what it printed."""

    def run_main(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return run_main
