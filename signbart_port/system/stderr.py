"""Keep the frameworks' chatter off the user's screen unless something fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from signbart_port.errors import PortError, ProofError
from signbart_port.system import processes


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Hold back everything written to stderr, also by C++.

    It is released if the body raises anything but this program's own errors, a disk's, and the lack
    of a package or of memory, which need no more than their one line. Raises PortError where there
    is no room for temporary files.
    """
    sys.stderr.flush()
    with ExitStack() as stack:
        with processes.scratch_errors():
            held = stack.enter_context(tempfile.TemporaryFile())
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except (PortError, ProofError, OSError, ImportError, MemoryError):
            raise
        except Exception:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
