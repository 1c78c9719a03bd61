"""The standard streams, whatever they are: closed, full, a pipe that nobody reads, or ASCII."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from signbart_port.errors import PortError

_READER_GONE = 141  # as a shell reports SIGPIPE: 128 + 13
_STREAMS = ("stdin", "stdout", "stderr")


@contextmanager
def safe_streams() -> Iterator[None]:
    """Let a command print: what cannot be printed is refused in a line, or ends it in silence.

    Raises PortError where the output cannot be written, and SystemExit where nobody reads it.
    """
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    output = sys.stdout
    guarded: Any = _Output(output)
    sys.stdout = guarded
    try:
        yield
        guarded.flush()
    finally:
        sys.stdout = output


def _open_closed() -> None:
    """Open /dev/null in place of a stream that is closed: else a file that is opened next would
    take its number, and what is printed would go into that."""
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            if getattr(sys, name) is None:
                setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


class _Output:
    """Stdout, whose errors say what they are about."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _failures():
            return self._stream.write(text)

    def flush(self) -> None:
        with _failures():
            self._stream.flush()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # What is still buffered would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno == errno.EPIPE:
            raise SystemExit(_READER_GONE) from None
        what = f"the output cannot be written: {os.strerror(error.errno or 0)}"
        raise PortError(None, what, "Free some space, or send it elsewhere") from None
