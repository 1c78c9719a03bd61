"""A refusal: what is wrong with a file, raised where the file's name is not known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from signbart_port.errors import PortError, printable

COPY_AGAIN = "Download or copy it again"
SAVE_STATE_DICT = "Save the state dict alone: torch.save(model.state_dict(), path)"


class Refusal(ValueError):
    """Content that is not accepted: what is wrong and, if something can be done, a hint."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn every exception inside into a PortError that names `path`.

    This is the boundary between a stranger's bytes and the program. It covers refusals and any
    exception that damaged or hostile bytes provoke in a parser (struct.error, RecursionError,
    MemoryError).
    """
    try:
        yield
    except PortError:
        raise
    except Refusal as refusal:
        raise PortError(path, refusal.what, refusal.hint) from None
    except Exception as error:
        reason = f"{type(error).__name__}: {printable(error)}".removesuffix(": ")
        raise PortError(path, f"is damaged or truncated ({reason})", COPY_AGAIN) from error
