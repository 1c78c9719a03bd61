"""Our own processes import nothing from the folder that the user stands in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signbart_port.errors import PortError
from signbart_port.model_files.checkpoint_model import open_checkpoint
from signbart_port.model_files.config_resolution import Options
from signbart_port.pairs.signbart_cases import make_for
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.system import processes
from tests.support.small_models import save_pth, small_config, state_dict

pytestmark = pytest.mark.usefixtures("cold_workers")


def source_of(folder: Path):
    config = small_config()
    path = save_pth(folder / "model.pth", state_dict(config), config=config.model_dump())
    return open_checkpoint(path, Options()), make_for(config)


@pytest.mark.release
def test_modules_beside_a_strangers_model_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "json", "resource", "inspect", "numpy"):
        (tmp_path / f"{name}.py").write_text("open('canary', 'w'); raise SystemExit('imported')")
    source, inputs = source_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    with torch_run(source, inputs, truth=True) as run:
        assert "logits" in run.record.taps
    assert not (tmp_path / "canary").exists()


def test_the_two_readers_must_agree(tmp_path: Path) -> None:
    source, inputs = source_of(tmp_path)
    tensors = source.checkpoint.tensors
    name = "decoder.layers.0.fc1.bias"
    tensors[name] = tensors[name] + 1e-6
    with (
        torch_run(source, inputs, truth=True) as run,
        pytest.raises(PortError, match=f"PyTorch reads other values of {name}"),
    ):
        run.noise  # noqa: B018  waits for the process


def test_a_run_that_is_not_waited_for_ends_with_its_process_and_folder(tmp_path: Path) -> None:
    source, inputs = source_of(tmp_path)
    with torch_run(source, inputs, truth=True) as run:
        folder = run._worker.folder
        assert (folder / "job.json").exists()
    assert not run._worker.lives() and not folder.exists()


@pytest.mark.release
def test_a_second_run_pays_for_no_import(tmp_path: Path) -> None:
    """And gives the same: nothing of the first is left in its process."""
    source, inputs = source_of(tmp_path)
    with torch_run(source, inputs, truth=True) as first:
        logits, noise, calls = first.value("logits"), first.noise, len(first.calls)
        worker = first._worker
    assert not any(worker.folder.iterdir())
    with torch_run(source, inputs, truth=True) as second:
        assert second._worker is worker
        assert np.array_equal(second.value("logits"), logits)
        assert second.noise == noise and len(second.calls) == calls


def test_a_full_temporary_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source, inputs = source_of(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(PortError, match="missing: cannot hold temporary files: No such file"):
        torch_run(source, inputs, truth=True).__enter__()


def test_memory_is_limited() -> None:
    code = (
        "from signbart_port.system import processes as child; child.limit_memory(2**30)\n"
        "try: bytearray(2**31)\n"
        "except MemoryError: print('limited')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "limited\n"
    assert processes.command("m", "x")[1:3] == ["-P", "-m"]
