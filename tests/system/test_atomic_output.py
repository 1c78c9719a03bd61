"""Outputs are the old file or the whole new one: after refusals, faults, signals and races."""

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from signbart_port.errors import PortError
from signbart_port.system import atomic_output
from tests.support.running import ENVIRONMENT, PROGRAMS

OLD, NEW = b"old", b"new" * 100_000


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAMS / f"{program}.py", *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def replace(path: Path, *, force: bool = False, inputs: Any = ()) -> None:
    with atomic_output.replacing(path, force=force, inputs=inputs) as temp:
        temp.write_bytes(NEW)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# What is written, and where


@pytest.mark.parametrize("name", ["model.h5", "m.weights.h5", "model", ".hidden.tflite", "a b.h5"])
def test_the_temporary_name_is_a_sibling_with_the_same_suffixes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with atomic_output.replacing(path, force=False) as temp:
        assert temp.parent == path.parent
        assert temp.suffixes == path.suffixes
        assert temp.name.startswith(".")
        assert names(tmp_path) == []  # writers find nothing in their way
        temp.write_bytes(NEW)
        assert not path.exists()
    assert path.read_bytes() == NEW
    assert names(tmp_path) == [name]


def test_with_force_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    replace(path, force=True)
    assert path.read_bytes() == NEW
    assert names(tmp_path) == ["model.h5"]


def test_a_relative_path_stays_where_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with atomic_output.replacing(Path("model.h5"), force=False) as temp:
        monkeypatch.chdir("elsewhere")
        temp.write_bytes(NEW)
    assert names(tmp_path) == ["elsewhere", "model.h5"]


def write_private(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


@pytest.mark.parametrize(
    "write", [write_private, lambda path: save_file({}, path), lambda path: path.write_bytes(NEW)]
)
def test_permissions_are_those_of_a_new_file(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    path = tmp_path / "model.safetensors"
    path.touch(mode=0o600)
    before = os.umask(0o027)
    try:
        with atomic_output.replacing(path, force=True) as temp:
            write(temp)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "store").mkdir()
    target = tmp_path / "store" / "real.h5"
    if exists:
        target.write_bytes(OLD)
    link = tmp_path / "model.h5"
    link.symlink_to(target)
    with atomic_output.replacing(link, force=exists) as temp:
        assert temp.parent == target.parent
        temp.write_bytes(NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert names(tmp_path / "store") == ["real.h5"]


def test_the_data_is_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    synced = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, path.read_bytes()))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    replace(path, force=True)
    assert synced == [(path.stat().st_ino, OLD), (tmp_path.stat().st_ino, NEW)]


# What is refused


def check(path: Path, *, force: bool, inputs: Any = ()) -> None:
    atomic_output.check(path, force=force, inputs=inputs)


@pytest.mark.parametrize("refuse", [check, replace])
@pytest.mark.parametrize("force", [True, False])
class TestRefusals:
    def test_a_missing_folder(self, tmp_path: Path, refuse: Any, force: bool) -> None:
        with pytest.raises(PortError, match="its folder does not exist"):
            refuse(tmp_path / "missing" / "model.h5", force=force)
        (tmp_path / "file").touch()
        with pytest.raises(PortError, match="its folder does not exist"):
            refuse(tmp_path / "file" / "model.h5", force=force)
        assert names(tmp_path) == ["file"]

    def test_a_directory(self, tmp_path: Path, refuse: Any, force: bool) -> None:
        (tmp_path / "model.h5").mkdir()
        (tmp_path / "link.h5").symlink_to("model.h5")
        for name in ("model.h5", "link.h5"):
            with pytest.raises(PortError, match="is a directory, not a file"):
                refuse(tmp_path / name, force=force)
        assert names(tmp_path) == ["link.h5", "model.h5"]

    def test_what_is_not_a_regular_file(self, tmp_path: Path, refuse: Any, force: bool) -> None:
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "null").symlink_to("/dev/null")
        for name in ("fifo", "loop", "null"):
            with pytest.raises(PortError, match="is not a regular file"):
                refuse(tmp_path / name, force=force)
        assert Path("/dev/null").is_char_device()

    def test_one_of_the_inputs(self, tmp_path: Path, refuse: Any, force: bool) -> None:
        source = tmp_path / "model.pth"
        source.write_bytes(OLD)
        (tmp_path / "symbolic.h5").symlink_to(source)
        os.link(source, tmp_path / "hard.h5")
        (tmp_path / "other").mkdir()
        for name in ("model.pth", "symbolic.h5", "hard.h5", "other/../model.pth"):
            with pytest.raises(PortError, match=r"is the input .*model.pth itself"):
                refuse(tmp_path / name, force=force, inputs=[tmp_path / "missing", source])
        assert source.read_bytes() == OLD
        assert names(tmp_path) == ["hard.h5", "model.pth", "other", "symbolic.h5"]


@pytest.mark.parametrize("refuse", [check, replace])
def test_an_existing_file_without_force(tmp_path: Path, refuse: Any) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    with pytest.raises(PortError) as refused:
        refuse(path, force=False)
    assert str(refused.value) == f"{path}: exists; give --force to replace it"
    assert path.read_bytes() == OLD
    check(path, force=True, inputs=[tmp_path / "missing.pth"])


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    check(tmp_path / "model.h5", force=False)
    assert names(tmp_path) == []


def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as name:  # other users cannot enter pytest's tmp_path
        folder = Path(name)
        folder.chmod(0o755)
        for sub, mode in (("open", 0o777), ("closed", 0o555)):
            (folder / sub).mkdir()
            (folder / sub).chmod(mode)
        done = run("write_without_rights", folder)
        assert done.stdout.startswith(
            f"{folder}/closed/model.h5: cannot be written: its folder is read-only. "
        ), done.stderr
        assert names(folder / "open") == ["model.h5"]
        assert names(folder / "closed") == []


# What goes wrong while writing


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a"),
        PortError(None, "a"),
        RuntimeError("errno = 28"),
        KeyboardInterrupt(),
        SystemExit(3),
        Interrupted(),
        StopIteration(),
        OSError(errno.ENOENT, "a"),
        OSError("without a number"),
        PermissionError(errno.EACCES, "a", "some/other/file"),
        PermissionError(errno.EACCES, "a", 3),
    ],
)
@pytest.mark.parametrize("force", [True, False])
def test_an_exception_passes_unchanged_and_leaves_no_trace(
    tmp_path: Path, error: BaseException, force: bool
) -> None:
    path = tmp_path / "model.h5"
    if force:
        path.write_bytes(OLD)
    with pytest.raises(type(error)) as raised, atomic_output.replacing(path, force=force) as temp:
        temp.write_bytes(NEW)
        raise error
    assert raised.value is error
    assert names(tmp_path) == (["model.h5"] if force else [])
    assert not force or path.read_bytes() == OLD


@pytest.mark.parametrize(
    "code",
    ["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EACCES", "EPERM", "EROFS", "ENAMETOOLONG"],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_fault_of_the_disk_is_told_in_one_line(tmp_path: Path, code: str, named: bool) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    number = getattr(errno, code)
    with pytest.raises(PortError) as refused, atomic_output.replacing(path, force=True) as temp:
        temp.write_bytes(NEW)
        raise OSError(number, "as a library words it", *([str(temp)] if named else []))
    message = f"{path}: cannot be written: {os.strerror(number)}. "
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) > len(message)  # and what to do
    assert names(tmp_path) == ["model.h5"]
    assert path.read_bytes() == OLD


def test_a_writer_that_writes_elsewhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    with pytest.raises(FileNotFoundError), atomic_output.replacing(path, force=True):
        pass
    assert path.read_bytes() == OLD


def test_a_folder_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of /proc, though their mode says that they do."""

    def touch(self: Path, **options: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))

    monkeypatch.setattr(Path, "touch", touch)
    with pytest.raises(PortError, match=r"cannot be written: No such file .* Write to another"):
        replace(tmp_path / "model.h5")


def test_a_name_too_long(tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"cannot be written: File name too long\. Give a shorter"):
        replace(tmp_path / f"{'n' * 250}.h5")
    assert names(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    if sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("needs Linux's mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "model.h5"
    path.write_bytes(OLD)
    with (
        pytest.raises(PortError, match=r"cannot be written: No space left on device\. Free some"),
        atomic_output.replacing(path, force=True) as temp,
    ):
        temp.write_bytes(NEW * 20)
    assert names(small_disk) == ["model.h5"]
    assert path.read_bytes() == OLD


def test_a_file_beyond_the_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    done = run("write_beyond_the_limit", path)
    assert done.stdout.startswith(f"{path}: cannot be written: File too large. "), done.stderr
    assert names(tmp_path) == ["model.h5"]
    assert path.read_bytes() == OLD


# Several runs at once


@pytest.fixture(params=[True, False])
def hard_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with hard links, and one without."""

    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "as on vfat")

    if not request.param:
        monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("hard_links")
def test_a_new_file_is_put_in_place(tmp_path: Path) -> None:
    replace(tmp_path / "model.h5")
    assert (tmp_path / "model.h5").read_bytes() == NEW
    assert (tmp_path / "model.h5").stat().st_nlink == 1
    assert names(tmp_path) == ["model.h5"]


@pytest.mark.usefixtures("hard_links")
def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with (
        pytest.raises(PortError, match="exists; give --force"),
        atomic_output.replacing(path, force=False) as temp,
    ):
        temp.write_bytes(NEW)
        path.write_bytes(OLD)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["model.h5"]


@pytest.mark.parametrize("attempt", range(4))
def test_of_several_runs_at_once_one_wins(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "model.h5"
    runs = [
        subprocess.Popen(
            [sys.executable, PROGRAMS / "write_once_told.py", path, name],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    for run in runs:
        assert run.stdout is not None
        run.stdout.readline()  # all have written their file, none has put it in place
    for run in runs:
        assert run.stdin is not None
        run.stdin.close()
    said = {name: run.stdout.read() for name, run in zip("abc", runs, strict=True) if run.stdout}
    for run in runs:
        run.wait()
        run.stdout.close()  # type: ignore[union-attr]
    codes = {name: run.returncode for name, run in zip("abc", runs, strict=True)}
    assert sorted(codes.values()) == [0, 2, 2]
    (winner,) = (name for name, code in codes.items() if code == 0)
    assert path.read_bytes() == winner.encode() * 100_000
    assert all("exists; give --force" in said[name] for name in codes if name != winner)
    assert names(tmp_path) == ["model.h5"]


# Signals


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"])
@pytest.mark.on_commit("SIGKILL-True", "SIGTERM-False")
def test_a_signal_at_any_moment(tmp_path: Path, name: str, force: bool) -> None:
    number = signal.Signals[name]
    (tmp_path / "folder").mkdir()
    done = run("signal_at_every_line", tmp_path / "folder", int(number), force)
    assert done.returncode == 0, done.stderr
    *interrupted, last = map(json.loads, done.stdout.splitlines())
    assert last[1:] == [0, "new", ["model.h5", "site"]]
    assert len(interrupted) > 100
    before = "old" if force else "none"
    assert {found for _, _, found, _ in interrupted} == {before, "new"}
    ends = {"SIGKILL": -9, "SIGTERM": 143, "SIGHUP": 129, "SIGINT": 130}
    assert {end for _, end, _, _ in interrupted} == {ends[name]}
    left = [moment for moment, _, _, files in interrupted if set(files) - {"model.h5", "site"}]
    assert bool(left) == (name == "SIGKILL"), left


def test_the_handling_of_signals_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with atomic_output.interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def not_ignored() -> Iterator[None]:
    """The signals as in a terminal: a job of a script, or one under nohup, has some ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("not_ignored")
@pytest.mark.parametrize("made", [None, ValueError("of foreign code")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_foreign_code_cannot_drop_a_signal(
    tmp_path: Path, number: signal.Signals, made: Exception | None
) -> None:
    """Nor make another exception of it: the program ends, and the output is not put in place."""
    path = tmp_path / "model.h5"
    path.write_bytes(OLD)
    expected = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with (
        pytest.raises(expected) as end,
        atomic_output.interruptible(),
        atomic_output.replacing(path, force=True) as temp,
    ):
        with suppress(BaseException):
            signal.raise_signal(number)
        temp.write_bytes(NEW)
        if made:
            raise made
    assert getattr(end.value, "code", 128 + number) == 128 + number
    assert path.read_bytes() == OLD and names(tmp_path) == ["model.h5"]


def test_a_signal_that_is_dropped_ends_a_program_that_writes_nothing() -> None:
    with pytest.raises(SystemExit), atomic_output.interruptible(), suppress(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    with atomic_output.interruptible():
        pass  # the last program's signal is forgotten


def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with atomic_output.interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


# What a killed process left


def test_a_filesystem_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left there is not removed: nobody could tell whose it is."""
    calls = []

    def none(lock: int, operation: int) -> None:
        calls.append(operation)
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / ".model-0123abcd.h5").write_bytes(NEW)
    replace(tmp_path / "model.h5")
    assert names(tmp_path) == [".model-0123abcd.h5", "model.h5"] and len(calls) == 2


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """Unless somebody is writing in this folder: it may be theirs."""
    path, half = tmp_path / "model.h5", tmp_path / ".model-0123abcd.h5"
    half.write_bytes(NEW)
    with atomic_output.replacing(tmp_path / "other.h5", force=True) as temp:
        temp.write_bytes(NEW)
        replace(path)
        assert half.exists()
    replace(path, force=True)
    assert names(tmp_path) == ["model.h5", "other.h5"]


def test_what_was_left_unfinished_is_removed(tmp_path: Path) -> None:
    """That of this very output, and nothing that only looks like it."""
    path = tmp_path / "model [1].weights.h5"
    path.write_bytes(OLD)
    (tmp_path / "link.h5").symlink_to(path.name)
    half = ".model [1]-0123abcd.weights.h5"
    others = [
        ".model [1]-0123abcd.h5",
        ".model [1]-0123abc.weights.h5",
        ".model [1]-0123abcx.weights.h5",
        ".model 1-0123abcd.weights.h5",
        "model [1]-0123abcd.weights.h5",
    ]
    for name in others:
        (tmp_path / name).write_bytes(NEW)
    atomic_output.remove_unfinished(tmp_path / "missing" / "model.h5")
    for output_of_run in (path, tmp_path / "link.h5"):
        (tmp_path / half).write_bytes(NEW)
        atomic_output.remove_unfinished(output_of_run)
        assert names(tmp_path) == sorted([*others, path.name, "link.h5"])
    assert path.read_bytes() == OLD


def test_a_folder_in_the_way_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".model-0123abcd.h5").mkdir()
    atomic_output.remove_unfinished(tmp_path / "model.h5")
    assert names(tmp_path) == [".model-0123abcd.h5"]
