"""The verbs about datasets: `data check` and `data synth`."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import app, options

if TYPE_CHECKING:
    from signbart_port.data.checking import Check
    from signbart_port.data.dataset import Entry
    from signbart_port.data.synthetic import Written

verbs = typer.Typer(no_args_is_help=True)
app.add_typer(verbs, name="data", help="Look at datasets of keypoints, or make one up.")


@verbs.command()
def check(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A dataset: label2id.json, and train/<class>/<sample>.pkl, .npz or .npy; also"
            " test, val, all.",
        ),
    ],
    skip_bad: options.SkipBad = False,
    every_class: Annotated[
        bool, typer.Option("--every-class", help="List the number of samples of every class.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Read every sample of a dataset, and say what is there and what is wrong.

    Nothing in a sample is run. Exit code 0: every sample can be used, or --skip-bad is given; 2: a
    sample cannot be used.
    """
    from signbart_port.cli import show
    from signbart_port.data.checking import check as run
    from signbart_port.errors import PortError

    found = run(folder)
    if json:
        show.as_json(_as_dict(found))
    else:
        show.facts(list(_rows(found)))
        if every_class:
            _list_classes(found)
    if found.bad and not skip_bad:
        first = found.bad[0]
        all_of_them = found.count + len(found.bad)
        raise PortError(
            folder,
            f"{len(found.bad):,} of {all_of_them:,} samples cannot be used; the first is "
            f"{_path(found, first.entry)}: {first.why}",
            "Mend or remove them; --skip-bad leaves them out",
        )


def _as_dict(found: Check) -> dict[str, Any]:
    samples = {
        split: dict(zip(found.labels, counts, strict=True))
        for split, counts in found.samples.items()
    }
    return dataclasses.asdict(found) | {
        "count": found.count,
        "samples": samples,
        "bad": [{"path": _path(found, bad.entry), "why": bad.why} for bad in found.bad],
        "repeated": [_paths(found, group) for group in found.repeated],
        "blank": _paths(found, found.blank),
        "others": [str(path.relative_to(found.root)) for path in found.others],
    }


def _rows(found: Check) -> Iterator[tuple[str, str]]:
    from signbart_port.cli.show import labelled

    values, lengths = found.values, found.lengths
    yield "dataset", str(found.root)
    yield "classes", f"{len(found.labels):,}: {_some(found.labels)}"
    yield from labelled("samples", [_split(*counts) for counts in found.samples.items()])
    cut = f"{lengths.over:,} over 64, shortened to 64" if lengths.over else "none over 64"
    yield "frames", f"{lengths.shortest} to {lengths.longest}, median {lengths.median:g}; {cut}"
    coordinates = " or ".join(map(str, values.coordinates))
    yield "points", f"{values.points} a frame, of {coordinates} coordinates"
    hands = "".join(
        f"; no {hand} in {share:.1%} of the frames" for hand, share in values.without.items()
    )
    yield "missing", f"{values.missing:.1%} of the points{hands}"
    beyond = f"{values.outside:.1%} beyond [0, 1], clipped" if values.outside else "all in [0, 1]"
    yield "x and y", f"{values.lowest:.2f} to {values.highest:.2f}; {beyond}"
    if found.others:
        paths = [str(path.relative_to(found.root)) for path in found.others]
        yield "other files", f"{len(paths):,}: {_some(paths)}"
    yield from labelled("bad", [f"{_path(found, bad.entry)}: {bad.why}" for bad in found.bad])
    if found.repeated:
        same = [" = ".join(_paths(found, group)) for group in found.repeated]
        yield from labelled("repeated", same)
    if found.blank:
        yield from labelled("blank", _paths(found, found.blank))
    yield from labelled("warnings", found.warnings)


def _path(found: Check, entry: Entry) -> str:
    return str(entry.path.relative_to(found.root))


def _paths(found: Check, entries: Sequence[Entry]) -> list[str]:
    return [_path(found, entry) for entry in entries]


def _split(name: str, counts: tuple[int, ...]) -> str:
    fewest, most = min(counts), max(counts)
    each = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"{name} {sum(counts):,}, {each} a class"


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def _list_classes(found: Check) -> None:
    from rich.markup import escape
    from rich.table import Table

    from signbart_port.cli import show
    from signbart_port.errors import printable

    table = Table("id", "class", *found.samples)
    for number, label in enumerate(found.labels):
        counts = (f"{counts[number]:,}" for counts in found.samples.values())
        table.add_row(str(number), escape(printable(label)), *counts)
    show.out.print(table)


@verbs.command()
def synth(
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
    quiet: options.Quiet = False,
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
    hidden = quiet or not console.is_terminal  # elsewhere it would leave an empty line behind
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
    if not quiet:
        _print(done)


def _print(done: Written) -> None:
    from signbart_port.cli import show

    people = sum(map(len, done.signers.values()))
    clips = sum(done.samples.values())
    signed = [
        f"{split} {done.samples[split]:,}, by {_some(users)}"
        for split, users in done.signers.items()
    ]
    named = shlex.quote(str(done.root))
    show.facts(
        [
            ("written", f"{done.root}: {clips:,} SYNTHETIC clips, which nobody signed"),
            ("classes", f"{len(done.labels):,}: {_some(done.labels)}"),
            ("signers", f"{people:,}, invented"),
            *show.labelled("samples", signed),
            ("next", f"signbart-port data check {named}"),
            ("", f"signbart-port train --data {named} --config FILE|NAME"),
        ]
    )
