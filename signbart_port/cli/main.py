"""The command line: one line for each command, and what an error becomes.

A command parses, calls the library, and prints. Command files import the library inside their
functions: `--help` takes no longer than the parser itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from signbart_port.cli import (
    _failures,
    convert,
    data_check,
    data_synth,
    doctor,
    evaluate,
    export,
    inspect,
    pair_export_converter,
    pair_list,
    plan,
    predict,
    snippets,
    tflite,
    train,
    verify,
    web,
)
from signbart_port.cli._help import Command, Group
from signbart_port.cli._streams import safe_streams
from signbart_port.system.atomic_output import interruptible

STYLE: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "rich_markup_mode": "rich",
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def _version(wanted: bool) -> None:
    if wanted:
        from signbart_port.system.version import __version__

        typer.echo(f"signbart-port {__version__}")
        raise typer.Exit


def _signbart_port(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Move trained PyTorch SignBART models to Keras and TFLite, and prove them equal.

    Exit codes: 0 done and proven; 1 a proof failed, nothing was written; 2 bad input, said in one
    line.
    """


app = typer.Typer(
    name="signbart-port", cls=Group, callback=_signbart_port, **STYLE | {"add_completion": True}
)
app.command("convert", cls=Command)(convert.convert)
app.command("doctor", cls=Command)(doctor.doctor)
app.command("evaluate", cls=Command)(evaluate.evaluate)
app.command("export", cls=Command)(export.export)
app.command("inspect", cls=Command)(inspect.inspect)
app.command("plan", cls=Command)(plan.plan)
app.command("predict", cls=Command)(predict.predict)
app.command("snippets", cls=Command)(snippets.snippets)
app.command("tflite", cls=Command)(tflite.tflite)
app.command("train", cls=Command)(train.train)
app.command("verify", cls=Command)(verify.verify)
app.command("web", cls=Command)(web.web)

data = typer.Typer(cls=Group, no_args_is_help=True)
app.add_typer(data, name="data", help="Look at datasets of keypoints, or make one up.")
data.command("check", cls=Command)(data_check.data_check)
data.command("synth", cls=Command)(data_synth.data_synth)

pair = typer.Typer(cls=Group, no_args_is_help=True)
app.add_typer(pair, name="pair", help="Look at pairs of other models.")
pair.command("export-converter", cls=Command)(pair_export_converter.pair_export_converter)
pair.command("list", cls=Command)(pair_list.pair_list)


def main() -> None:
    """Run the console script."""
    run(app)


def run(command: Callable[[], object]) -> None:
    """Run a command line; an error of the library becomes one line and an exit code."""
    try:
        with interruptible(), safe_streams():
            command()
    except KeyboardInterrupt:  # before the command could take it
        raise SystemExit(130) from None
    except Exception as error:
        _, code = _failures.tell(error)
        raise SystemExit(code) from None
