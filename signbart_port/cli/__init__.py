"""The command line: a file a verb.

A verb parses, calls the library, and prints.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from signbart_port.errors import ExitCode, PortError, ProofError

STYLE: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(name="signbart-port", **STYLE)


def _version(wanted: bool) -> None:
    if wanted:
        from signbart_port import __version__

        typer.echo(f"signbart-port {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Move trained PyTorch SignBART models to Keras and TFLite, and prove them equal.

    Exit codes: 0 done and proven; 1 a proof failed, nothing was written; 2 bad input, said in one
    line.
    """


def main() -> None:
    """The console script.

    Turns the library's errors into one line and an exit code.
    """
    from signbart_port.cli import (  # noqa: F401  each adds its verb
        convert,
        data,
        evaluate,
        export,
        inspect,
        plan,
        predict,
        tflite,
        train,
        verify,
    )

    run(app)


def run(command: Callable[[], object]) -> None:
    """Run a command line, with this program's errors and exit codes."""
    from signbart_port.system.atomic_output import interruptible

    try:
        with interruptible():
            command()
    except PortError as error:
        _end(str(error), ExitCode.BAD_INPUT)
    except ProofError as error:
        _end(str(error), ExitCode.PROOF_FAILED)
    except Exception:  # a defect of ours: never to be taken for a failed proof
        traceback.print_exc()
        raise SystemExit(ExitCode.DEFECT) from None


def _end(message: str, code: ExitCode) -> None:
    print(f"signbart-port: {message}", file=sys.stderr)
    raise SystemExit(code)
