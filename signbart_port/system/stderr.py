"""Keep the frameworks' chatter off the user's screen unless something fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from signbart_port.errors import PortError, ProofError


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Hold back everything written to stderr, also by C++.

    It is released if the body raises anything but this program's own errors, a disk's, and the lack
    of a package, which need no more than their one line.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except (PortError, ProofError, OSError, ModuleNotFoundError):
            raise
        except Exception:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
