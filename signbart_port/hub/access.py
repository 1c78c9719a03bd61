"""What the user allows a download: a token, and a size."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from signbart_port.errors import PortError, printable

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?) ?([kMG]?)B?")
_TOKEN = re.compile(r"[!-~]{1,1000}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Access:
    """The terms of a download."""

    token: str | None = None
    """The environment variable that holds the token to send; None: no token is sent."""
    max_download: int = 10**9
    """The most bytes that the files of one model may have together."""


_current: ContextVar[Access] = ContextVar("hub access")


def current() -> Access:
    """Return the terms that hold now."""
    return _current.get(Access())


def hub_access(
    *, hf_token: str | None = None, max_download: int | str | None = None
) -> AbstractContextManager[None]:
    """Set the terms of downloads from a hub, for the calls inside: a context manager.

    Args:
        hf_token: The name of the environment variable that holds the token to send to the hub, such
            as "HF_TOKEN". Default: no token is sent, whatever is in the environment.
        max_download: The most bytes that the files of one model may have together, as a number or
            such as "500MB". Default: 1 GB.

    Raises:
        PortError: There is no such variable, or no token in it, or this is no size.
    """
    terms = current()
    if hf_token is not None:
        read_token(hf_token)
        terms = replace(terms, token=hf_token)
    if max_download is not None:
        terms = replace(terms, max_download=parse_size(max_download))
    return _held(terms)


@contextmanager
def _held(terms: Access) -> Iterator[None]:
    before = _current.set(terms)
    try:
        yield
    finally:
        _current.reset(before)


def read_token(variable: str) -> str:
    """Return the token in an environment variable.

    Raises PortError where there is none. A name that is no variable's may be a token, pasted by
    mistake: no message repeats it, nor what is in the variable.
    """
    token = os.environ.get(variable, "").strip() if _VARIABLE.fullmatch(variable) else ""
    if not _TOKEN.fullmatch(token):
        raise PortError(
            None,
            "--hf-token: no environment variable of this name holds a token",
            "Give the name of the variable that does, such as HF_TOKEN: a token itself would stand"
            " in the list of processes",
        )
    return token


def parse_size(size: int | str) -> int:
    """Return a size in bytes. Raises PortError for what is none."""
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    if (found := _SIZE.fullmatch(str(size).strip())) is None:
        shown = printable(size, 40)
        raise PortError(None, f"--max-download {shown}: is no size", "Such as 500MB or 2GB")
    return int(float(found[1]) * _UNITS[found[2]])
