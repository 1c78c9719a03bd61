"""The files of a training, and whether there may be one in their folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from signbart_port.config.training import Settings
from signbart_port.errors import PortError
from signbart_port.training.files import Files
from tests.support.small_trainings import left

OF_A_TRAINING = ("last.pth", "best.pth", "epoch-0002.pth", "logs/log.csv", "logs/curves.png")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files.of(Settings(checkpoint_dir=tmp_path / "a" / "models"), ".pth")


def write(files: Files, *names: str) -> None:
    for name in names:
        path = files.models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def test_their_names(files: Files) -> None:
    paths = (files.last, files.best, files.of_epoch(2), files.log, files.curves)
    assert paths == tuple(files.models / name for name in OF_A_TRAINING)
    elsewhere = Files.of(Settings(log_dir="logs of mine"), ".h5")
    assert elsewhere.log == Path("logs of mine/log.csv")
    assert elsewhere.best == Path("checkpoints/best.h5")


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("force", [True, False])
def test_a_new_training(files: Files, resume: bool, force: bool) -> None:
    assert not files.open(resume=resume, force=force)
    assert files.logs.is_dir() and left(files.models) == []


def test_a_training_is_not_overwritten_by_chance(files: Files) -> None:
    write(files, *OF_A_TRAINING, ".last-0123abcd.pth")
    before = left(files.models)
    with pytest.raises(PortError) as refused:
        files.open(resume=False, force=False)
    assert str(refused.value).startswith(
        f"{files.last}: exists: a training was here. Give --resume"
    )
    assert left(files.models) == before


def test_resuming_leaves_all_but_what_a_kill_left_unfinished(files: Files) -> None:
    half = [
        ".last-0123abcd.pth",
        ".best-0123abcd.pth",
        ".epoch-0004-0123abcd.pth",
        "logs/.log-0123abcd.csv",
        "logs/.curves-0123abcd.png",
    ]
    other = [".last-mine.pth", ".hidden", ".epoch-0004-0123abcd.h5", "notes.pth"]
    write(files, *OF_A_TRAINING, *half, *other)
    assert files.open(resume=True, force=False)
    assert left(files.models) == sorted([*OF_A_TRAINING, *other])


def test_beginning_anew_removes_its_models_alone(files: Files) -> None:
    other = ["last.h5", "notes.pth", "logs/log.csv", "logs/curves.png"]
    write(files, *OF_A_TRAINING, *other)
    assert not files.open(resume=False, force=True)
    assert left(files.models) == sorted(other)


def test_folders_that_cannot_be_written(files: Files) -> None:
    files.models.parent.mkdir()
    files.models.write_text("a file")
    with pytest.raises(PortError) as refused:
        files.open(resume=False, force=True)
    assert str(refused.value) == f"{files.models}: cannot be made: File exists"
    files.models.unlink()
    (files.models / "last.pth").mkdir(parents=True)
    with pytest.raises(PortError, match=r"last\.pth: is a directory"):
        files.open(resume=True, force=True)


def test_a_folder_in_which_a_training_runs_is_refused(tmp_path: Path) -> None:
    """Whatever is forced; the others of a shared training may go in."""
    files = Files(tmp_path / "models", tmp_path / "logs", ".h5")
    files.models.mkdir()
    files.last.write_bytes(b"of the other training")
    lock = os.open(files.models / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(PortError, match="models: is in use: another training is running there"):
        files.open(resume=False, force=True)
    assert files.last.read_bytes() == b"of the other training"
    assert files.open(resume=True, force=False, leads=False)
    os.close(lock)
    assert files.open(resume=True, force=False)
    assert files.open(resume=True, force=False), "the lock is this process's own"


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    files = Files(tmp_path / "models", tmp_path / "logs", ".h5")
    (files.models / ".lock").mkdir(parents=True)
    with pytest.raises(PortError, match=r"\.lock: cannot be written: Is a directory"):
        files.open(resume=False, force=True)
