"""The command `data check`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _options, _show
from signbart_port.errors import PortError

if TYPE_CHECKING:
    from signbart_port.data.checking import Check
    from signbart_port.data.dataset import Entry


def data_check(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A dataset: label2id.json, and train/<class>/<sample>.pkl, .npz, .npy or .json;"
            " also test, val, all.",
        ),
    ],
    skeleton: _options.Skeleton = None,
    frame_size: _options.FrameSize = None,
    skip_bad: _options.SkipBad = False,
    every_class: Annotated[
        bool, typer.Option("--every-class", help="List the number of samples of every class.")
    ] = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Read every sample of a dataset, and say what is there and what is wrong.

    Nothing in a sample is run. Exit code 0: every sample can be used, or --skip-bad is given; 2: a
    sample cannot be used.
    """
    from signbart_port.data.checking import check as run
    from signbart_port.data.clip_format import ClipFormat

    found = run(folder, ClipFormat.parse(skeleton, frame_size))
    if json:
        _show.as_json(_as_dict(found))
    elif quiet:
        _show.cautions(found.warnings)
    else:
        _show.facts(list(_rows(found)))
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
    stated = dataclasses.asdict(found)
    del stated["form"]
    return (
        stated
        | found.form.as_dict()
        | {
            "count": found.count,
            "samples": samples,
            "bad": [{"path": _path(found, bad.entry), "why": bad.why} for bad in found.bad],
            "repeated": [_paths(found, group) for group in found.repeated],
            "blank": _paths(found, found.blank),
            "others": [str(path.relative_to(found.root)) for path in found.others],
        }
    )


def _rows(found: Check) -> Iterator[tuple[str, str]]:
    values, lengths = found.values, found.lengths
    yield "dataset", str(found.root)
    yield "classes", f"{len(found.labels):,}: {_show.first_of(found.labels)}"
    yield from _show.labeled("samples", [_split(*counts) for counts in found.samples.items()])
    cut = f"{lengths.over:,} over 64, shortened to 64" if lengths.over else "none over 64"
    yield "frames", f"{lengths.shortest} to {lengths.longest}, median {lengths.median:g}; {cut}"
    coordinates = " or ".join(map(str, values.coordinates))
    named = f" ({found.form.skeleton})" if found.form.skeleton else ""
    yield "points", f"{values.points} a frame{named}, of {coordinates} coordinates"
    hands = "".join(
        f"; no {hand} in {share:.1%} of the frames" for hand, share in values.without.items()
    )
    yield "missing", f"{values.missing:.1%} of the points{hands}"
    beyond = f"{values.outside:.1%} beyond [0, 1], clipped" if values.outside else "all in [0, 1]"
    unit = ", in parts of {}×{} pixels".format(*size) if (size := found.form.frame_size) else ""
    yield "x and y", f"{values.lowest:.2f} to {values.highest:.2f}{unit}; {beyond}"
    if found.others:
        paths = [str(path.relative_to(found.root)) for path in found.others]
        yield "other files", f"{len(paths):,}: {_show.first_of(paths)}"
    yield from _show.labeled("bad", [f"{_path(found, bad.entry)}: {bad.why}" for bad in found.bad])
    if found.repeated:
        same = [" = ".join(_paths(found, group)) for group in found.repeated]
        yield from _show.labeled("repeated", same)
    if found.blank:
        yield from _show.labeled("blank", _paths(found, found.blank))
    yield from _show.labeled("warnings", found.warnings)


def _path(found: Check, entry: Entry) -> str:
    return str(entry.path.relative_to(found.root))


def _paths(found: Check, entries: Sequence[Entry]) -> list[str]:
    return [_path(found, entry) for entry in entries]


def _split(name: str, counts: tuple[int, ...]) -> str:
    fewest, most = min(counts), max(counts)
    each = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"{name} {sum(counts):,}, {each} a class"


def _list_classes(found: Check) -> None:
    from rich.table import Table

    table = Table("id", "class", *found.samples)
    for number, label in enumerate(found.labels):
        counts = (f"{counts[number]:,}" for counts in found.samples.values())
        table.add_row(str(number), _show.cell(label), *counts)
    _show.out().print(table)
