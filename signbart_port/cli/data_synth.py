"""The command `data synth`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbart_port.cli import _options, _show

if TYPE_CHECKING:
    from signbart_port.data.synthetic import Written


def data_synth(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to write: a new one, or an empty one.")
    ],
    signers: Annotated[int, typer.Option("--signers", min=1, help="How many people sign.")] = 6,
    classes: Annotated[
        int, typer.Option("--classes", min=1, help="How many signs; ten are made by hand.")
    ] = 10,
    repetitions: Annotated[
        int, typer.Option("--repetitions", min=1, help="Clips of each sign by each signer.")
    ] = 6,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Another seed, other people and clips.")
    ] = 0,
    holdout: Annotated[
        str,
        typer.Option(
            "--holdout",
            metavar="N|USER,...",
            help="Who is in test/ and not in train/: the last N signers, or some by name, such as"
            " user05,user06. 0 writes everything to all/.",
        ),
    ] = "1",
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Write a SYNTHETIC dataset, to try training and evaluation on.

    Nobody signed it: a drawn skeleton performs invented signs.
    What is trained on it is of no use on people.
    The same options give the same bytes.
    """
    from rich.console import Console
    from rich.progress import Progress

    from signbart_port.data import synthetic

    console = Console(stderr=True, highlight=False)
    hidden = (
        quiet or json or not console.is_terminal
    )  # elsewhere it would leave an empty line behind
    with Progress(console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("Writing clips", total=None)
        done = synthetic.write(
            folder,
            signers=signers,
            classes=classes,
            repetitions=repetitions,
            seed=seed,
            holdout=int(holdout) if holdout.isdecimal() else holdout.split(","),
            progress=lambda written, of: bar.update(task, completed=written, total=of),
        )
    if json:
        _show.as_json(
            {
                "folder": str(done.root),
                "labels": done.labels,
                "samples": done.samples,
                "signers": done.signers,
            }
        )
    elif not quiet:
        _print(done)


def _print(done: Written) -> None:
    people = sum(map(len, done.signers.values()))
    clips = sum(done.samples.values())
    signed = [
        f"{split} {done.samples[split]:,}, by {_show.first_of(users)}"
        for split, users in done.signers.items()
    ]
    named = shlex.quote(str(done.root))
    _show.facts(
        [
            ("written", f"{done.root}: {clips:,} SYNTHETIC clips, which nobody signed"),
            ("classes", f"{len(done.labels):,}: {_show.first_of(done.labels)}"),
            ("signers", f"{people:,}, invented"),
            *_show.labeled("samples", signed),
            ("next", f"signbart-port data check {named}"),
            ("", f"signbart-port train --data {named} --config FILE|NAME"),
        ]
    )
