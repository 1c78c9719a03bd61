"""Workers that are kept: for whom, and what ends them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signbart_port.errors import PortError
from signbart_port.system import processes, warm_workers
from signbart_port.system.warm_workers import end_all, lent
from signbart_port.system.worker import Limits, Worker, WorkerFailed
from tests.support.workers.rehearsal import MODULE, Act, Rehearsal

ROOT = Path(__file__).parents[2]
LIMITS = Limits(60)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder, which holds nothing once every worker has ended."""
    end_all()
    (folder := tmp_path / "scratch").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    end_all()
    assert not any(folder.iterdir())


def used(**wanted: Any) -> Worker:
    """Let a worker do a job, and give it back."""
    with lent(MODULE, **wanted) as worker:
        worker.run(Rehearsal(Act.TELL), LIMITS)
    return worker


def test_one_is_kept_and_its_folder_emptied() -> None:
    first = used()
    assert first.lives() and not any(first.folder.iterdir())
    assert used() is first
    with lent(MODULE) as one, lent(MODULE) as other:
        assert one is first and other is not first
        one.run(Rehearsal(Act.TELL), LIMITS)
        other.run(Rehearsal(Act.TELL), LIMITS)
    assert one.lives() != other.lives()  # one of a module


@pytest.mark.parametrize("act", [Act.REFUSE, Act.RAISE, Act.CRASH, Act.EXIT])
def test_a_failed_job_ends_it(act: Act) -> None:
    with lent(MODULE) as worker, pytest.raises(WorkerFailed):
        worker.run(Rehearsal(act), LIMITS)
    assert not worker.lives() and used() is not worker


def test_a_job_that_is_not_waited_for_ends_it() -> None:
    with lent(MODULE) as worker:
        worker.send(Rehearsal(Act.SLEEP), LIMITS)
    assert not worker.lives()


def test_an_exception_of_its_borrower_ends_it() -> None:
    with pytest.raises(KeyError), lent(MODULE) as worker:
        worker.run(Rehearsal(Act.TELL), LIMITS)
        raise KeyError
    assert not worker.lives()


def test_one_that_died_is_not_lent() -> None:
    worker = used()
    worker._process.kill()
    worker._process.wait()
    assert used() is not worker


def test_jobs_are_counted() -> None:
    first = used(most_jobs=2)
    assert used(most_jobs=2) is first and not first.lives()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    held = processes.resident(used()._process.pid)
    assert held > 1 << 20
    monkeypatch.setattr(warm_workers, "_MOST_MEMORY", held // 2)
    assert not used().lives()


def test_nothing_is_read_from_where_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder, other variables, another program: another process."""
    workers = [used()]
    monkeypatch.chdir(tmp_path)
    workers.append(used())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    workers.append(used())
    workers.append(used(program="model.tflite"))
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    workers.append(used(program="model.tflite"))
    assert len(set(workers)) == 5
    assert [worker.lives() for worker in workers] == [False] * 4 + [True]
    end_all()
    assert not any(elsewhere.iterdir())


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor any other that Python would take."""

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    with monkeypatch.context() as patch, pytest.raises(PortError) as refused:
        patch.setattr(tempfile, "gettempdir", none)
        patch.setenv("TMPDIR", str(tmp_path))
        used()
    assert str(refused.value).startswith(f"{tmp_path}: cannot hold temporary files: ")


def test_a_fork_leaves_it_to_its_parent() -> None:
    worker = used()
    if (child := os.fork()) == 0:
        end_all()
        os._exit(0 if not warm_workers._kept else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert used() is worker


SESSION = """
import sys, os
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits
from tests.support.workers.rehearsal import MODULE, Act, Rehearsal
with lent(MODULE) as worker:
    print(worker.run(Rehearsal(Act.TELL), Limits(60)).plain["pid"], flush=True)
if sys.argv[1] == "wait":
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["exit", "wait"])
def test_it_ends_with_its_session(end: str, scratch: Path) -> None:
    """Also with one that is killed."""
    environment = {**os.environ, "TMPDIR": str(scratch)}
    command = [sys.executable, "-c", SESSION, end]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as session:
        assert session.stdout is not None
        pid = int(session.stdout.readline())
        if end == "wait":
            session.kill()
        session.wait()
        for _ in range(600):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
            signal.sigtimedwait([], 0.05)
        else:
            raise AssertionError("the worker lives on")
