"""An error as the command line tells it: one line and an exit code."""

from __future__ import annotations

import sys
import traceback

from signbart_port.errors import ExitCode, PortError, ProofError
from signbart_port.system.packages import no_memory, not_installed


def tell(error: Exception) -> tuple[str, ExitCode]:
    """Print an error to stderr, whatever is silenced; return its line and its exit code.

    One that is not the library's is a defect of ours, never to be taken for a failed proof: it is
    printed with its traceback.
    """
    if isinstance(error, ModuleNotFoundError):
        error = not_installed(error) or error
    elif isinstance(error, MemoryError | ImportError):
        error = no_memory(error) or error
    match error:
        case PortError():
            code = ExitCode.BAD_INPUT
        case ProofError():
            code = ExitCode.PROOF_FAILED
        case _:
            traceback.print_exception(error)
            return f"{type(error).__name__}: {error}", ExitCode.DEFECT
    print(f"signbart-port: {error}", file=sys.stderr)
    return str(error), code
