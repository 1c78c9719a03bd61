"""The standard streams of the command line: full, closed, broken, or ASCII."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from signbart_port.cli import run
from tests.support.small_models import save_pth, small_config, state_dict

PROGRAM = Path(sys.executable).with_name("signbart-port")
LINE = "signbart-port: the output cannot be written: No space left on device."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "größe.pth"
    config = small_config()
    return save_pth(path, state_dict(config), config=config.model_dump())


def shell(command: str, model: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command, str(PROGRAM), str(model)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def on_a_terminal(*arguments: object) -> tuple[int, str]:
    """Return the exit code, and what a terminal shows: pipes do not get all of it."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *map(str, arguments)], stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # EIO: the other end is closed
        while read := os.read(master, 1 << 16):
            shown += read
    os.close(master)
    return process.wait(timeout=60), shown.decode()


@pytest.mark.release
def test_no_line_of_a_framework_on_a_terminal(model: Path) -> None:
    code, shown = on_a_terminal("convert", model, "--no-verify", "--force")
    assert code == 0 and "Importing TensorFlow" in shown and "written" in shown
    for words in ("WARNING", "legacy", "HDF5", "oneDNN", "cuda", "absl", "cpu_feature"):
        assert words not in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("verb", ["inspect --tensors", "inspect --json", "plan", "--help"])
@pytest.mark.on_commit("plan", "--help")
def test_a_full_disk_is_one_line(model: Path, verb: str) -> None:
    file = "" if verb == "--help" else ' "$1"'
    ended = shell(f'"$0" {verb}{file} > /dev/full', model)
    assert ended.returncode == 2
    assert ended.stderr.startswith(LINE) and ended.stderr.count("\n") == 1


def test_a_reader_that_has_gone_is_no_failed_proof(model: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [PROGRAM, "plan", model], stdout=write, stderr=subprocess.PIPE, timeout=60
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", ">&- 2>&-"])
@pytest.mark.on_commit(">&-")
def test_a_closed_stream_changes_no_answer(model: Path, closed: str) -> None:
    ended = shell(f'"$0" inspect "$1" {closed}', model)
    assert ended.returncode == 0 and ended.stderr == ""
    assert ("sha256" in ended.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.release
def test_an_ascii_terminal_gets_escapes(model: Path) -> None:
    for environment in (
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ):
        ended = shell('"$0" inspect --tensors "$1"', model, **environment)
        assert ended.returncode == 0 and ended.stderr == ""
        assert "gr" in ended.stdout and ended.stdout.isascii()


def test_an_interrupt_before_the_command_takes_it_is_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run(command)
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "")
