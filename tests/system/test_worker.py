"""A worker: its jobs, and every way in which one can fail."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.errors import PortError
from signbart_port.system import messages, processes
from signbart_port.system.worker import FailureKind, Limits, Worker, WorkerFailed
from tests.support.workers.rehearsal import BASE, MODULE, Act, Part, Rehearsal

ROOT = Path(__file__).parents[2]
LIMITS = Limits(60)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, which a worker must leave empty; and the tests as importable."""
    (folder := tmp_path / "scratch").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def worker(scratch: Path) -> Iterator[Worker]:
    with Worker(MODULE) as worker:
        yield worker
    assert not any(scratch.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(worker._process.pid, 0)


def failed(worker: Worker, job: Rehearsal, limits: Limits = LIMITS, **arrays: Any) -> WorkerFailed:
    with pytest.raises(WorkerFailed) as caught:
        worker.run(job, limits, arrays)
    return caught.value


def test_jobs_one_after_the_other(worker: Worker) -> None:
    """Fields of every type and arrays of any names come and go; what a job prints does not."""
    pids = set()
    for number in range(3):
        job = Rehearsal(
            Act.DOUBLE, Part((number, 2), Path("a/b")), float("inf"), ("ş", 3), {"x": [1, None]}
        )
        given = {"a/b": np.arange(number + 1), "mask": np.float32([[0.5]])}
        answer = worker.run(job, LIMITS, given)
        assert answer.read(Rehearsal) == job
        assert answer.arrays.keys() == given.keys()
        for name, array in given.items():
            assert answer.arrays[name].dtype == array.dtype
            assert np.array_equal(answer.arrays[name], 2 * array)
        told = worker.run(Rehearsal(Act.TELL), LIMITS)
        assert not told.arrays and "_decimal" in told.plain["modules"]
        pids.add(told.plain["pid"])
    assert len(pids) == 1 and os.getpid() not in pids


def test_more_arrays_than_a_pipe_holds(worker: Worker) -> None:
    """Neither side waits for the other to read."""
    large = np.arange(1 << 20)
    worker.send(Rehearsal(Act.DOUBLE, Part(tuple(range(50_000)), None)), LIMITS, {"x": large})
    assert np.array_equal(worker.answer().arrays["x"], 2 * large)


def test_a_refusal_is_a_port_error(worker: Worker) -> None:
    refused = failed(worker, Rehearsal(Act.REFUSE, Part((), Path("clip.pkl"))))
    assert refused.failure.kind is FailureKind.REFUSED
    error = refused.error("model.tflite", "cannot be run", "Make it again")
    assert str(error) == "clip.pkl: is not what it should be. Give another"
    nameless = failed(worker, Rehearsal(Act.REFUSE)).error("model.tflite", "cannot be run")
    assert str(nameless) == "model.tflite: is not what it should be. Give another"


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (Act.RAISE, FailureKind.FAILED, r"IndexError: first line\nsecond line"),
        (Act.UNPICKLE, FailureKind.FAILED, "UnpicklingError"),
        (Act.EXIT, FailureKind.STATUS, "the last words"),
        (Act.LEAVE, FailureKind.STATUS, "ended with status 0"),
        (Act.CRASH, FailureKind.SIGNAL, "was ended by SIGSEGV"),
        (Act.SLEEP, FailureKind.TIMEOUT, "did not finish in 1 s"),
    ],
)
def test_what_fails_is_told_in_a_line(
    worker: Worker, act: Act, kind: FailureKind, message: str
) -> None:
    if act is Act.SLEEP:
        worker.run(Rehearsal(Act.TELL), LIMITS)  # is there, and imports nothing any more
    caught = failed(worker, Rehearsal(act), Limits(1) if act is Act.SLEEP else LIMITS)
    assert (caught.failure.kind, caught.failure.message) == (kind, message)
    error = caught.error("model.h5", "Keras cannot run it", "Make it again")
    assert str(error) == f"model.h5: Keras cannot run it ({message}). Make it again"


def test_an_exception_ends_the_job_alone(worker: Worker) -> None:
    failed(worker, Rehearsal(Act.RAISE), x=np.zeros(2))
    answer = worker.run(Rehearsal(Act.DOUBLE), LIMITS)
    assert answer.read(Rehearsal).act is Act.DOUBLE and not answer.arrays


def test_a_worker_that_has_ended_takes_no_more_jobs(worker: Worker) -> None:
    failed(worker, Rehearsal(Act.CRASH))
    assert failed(worker, Rehearsal(Act.DOUBLE)).failure.message == "was ended by SIGSEGV"


def test_each_job_has_its_own_memory(worker: Worker) -> None:
    fill = Rehearsal(Act.FILL, Part((BASE,), None))
    assert "MemoryError" in failed(worker, fill).failure.message
    worker.run(fill, Limits(60, memory=2 * BASE))
    assert "MemoryError" in failed(worker, fill).failure.message


def test_a_job_is_weighed_before_it_runs(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = failed(worker, Rehearsal(Act.CRASH), Limits(60, memory=1000 - BASE), x=np.ones(200))
    assert refused.failure.kind is FailureKind.REFUSED
    assert refused.failure.message.endswith("bytes, more than the 1,000 that it may take")


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(PortError, match="missing: cannot hold temporary files: No such file"):
        Worker(MODULE)


def test_no_room_for_a_job(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(messages, "write", full)
    with pytest.raises(PortError, match="scratch: cannot hold temporary files: No space left"):
        worker.send(Rehearsal(Act.DOUBLE), LIMITS)


def test_no_room_for_what_a_job_writes(worker: Worker, scratch: Path) -> None:
    """It is the temporary folder that is to blame, not the file that the job is about."""
    caught = failed(worker, Rehearsal(Act.NO_SPACE))
    error = caught.error("model.pth", "PyTorch refuses to read it", "Save it again")
    assert error.path == scratch
    assert error.what == "cannot hold temporary files: No space left on device"


def test_no_room_for_an_answer(worker: Worker, scratch: Path) -> None:
    """Not even for the failure itself."""
    caught = failed(worker, Rehearsal(Act.DOUBLE, Part((0,), None)), x=np.zeros(1 << 16))
    assert (caught.failure.kind, caught.failure.culprit) == (FailureKind.REFUSED, scratch)
    assert "cannot hold temporary files" in caught.failure.message


def test_a_framework_that_is_not_installed(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the package that is to blame, not the file; and each job is told."""
    error = 'raise ModuleNotFoundError("No module named torch.x", name="torch.x")'
    (tmp_path / "absent.py").write_text(error)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("FRAMEWORK", "absent")
    with Worker(MODULE) as worker:
        for _ in range(2):
            refused = failed(worker, Rehearsal(Act.DOUBLE)).error("m.pth", "PyTorch refuses it")
            assert str(refused) == (
                "m.pth: needs PyTorch, which is not installed."
                ' Install it: pip install "signbart-port[torch]"'
            )


def test_folders_of_killed_processes_are_swept(scratch: Path) -> None:
    processes._sweep.cache_clear()
    (dead := scratch / "signbart-port-dead").mkdir()
    (dead / "array.npz").touch()
    (other := scratch / "someone-else").mkdir()
    with processes.new_folder() as alive:
        assert not dead.exists() and other.exists() and Path(alive).is_dir()
        processes._sweep.cache_clear()
        with processes.new_folder() as second:
            assert Path(alive).is_dir() and Path(second).is_dir()
    assert [one.name for one in scratch.iterdir()] == [other.name]
    other.rmdir()


def test_what_a_message_cannot_hold() -> None:
    with pytest.raises(TypeError, match="a message holds no bytes"):
        messages.to_plain(Rehearsal(Act.DOUBLE, more={"x": b""}))


CALLER = """
import sys, time
from pathlib import Path
from signbart_port.system.worker import Limits, Worker
from tests.support.workers.rehearsal import MODULE, Act, Part, Rehearsal
with Worker(MODULE) as worker:
    worker.send(Rehearsal(Act.SLEEP, Part((), Path(sys.argv[1]))), Limits(600))
    time.sleep(600)
"""


def test_a_worker_ends_with_its_caller(tmp_path: Path, scratch: Path) -> None:
    """In the middle of a job, and whatever has ended the caller; nothing is left."""
    told = tmp_path / "pid"
    environment = os.environ | {"TMPDIR": str(scratch)}
    with subprocess.Popen([sys.executable, "-c", CALLER, told], env=environment) as caller:
        while not (told.exists() and told.read_text()):
            assert caller.poll() is None
            time.sleep(0.02)
        caller.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while Path(f"/proc/{told.read_text()}").exists() or any(scratch.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nothing_is_imported_from_the_folder_that_the_user_stands_in() -> None:
    assert processes.command("m", "x")[1:3] == ["-P", "-m"]
