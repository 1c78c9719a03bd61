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
        PortError: There is no such variable, or this is no size.
    """
    terms = current()
    if hf_token is not None:
        terms = replace(terms, token=_variable(hf_token))
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


def _variable(name: str) -> str:
    """Return the name of an environment variable that is there. What is none may be a token, pasted
    by mistake: no message repeats it."""
    if not _VARIABLE.fullmatch(name) or not os.environ.get(name):
        raise PortError(
            None,
            "--hf-token: there is no environment variable of this name",
            "Give the name of the variable that holds the token, such as HF_TOKEN: a token itself"
            " would stand in the list of processes",
        )
    return name


def parse_size(size: int | str) -> int:
    """Return a size in bytes. Raises PortError for what is none."""
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    if (found := _SIZE.fullmatch(str(size).strip())) is None:
        shown = printable(size, 40)
        raise PortError(None, f"--max-download {shown}: is no size", "Such as 500MB or 2GB")
    return int(float(found[1]) * _UNITS[found[2]])
