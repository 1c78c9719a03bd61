"""A report as a page: one self-contained file that needs neither network nor scripts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from math import isinf, isnan

from signbart_port.parity.blocks import by_block, strain
from signbart_port.parity.compare import Row
from signbart_port.parity.report import Report
from signbart_port.report.axis import LogAxis
from signbart_port.report.document import Origin
from signbart_port.report.placements import placements
from signbart_port.report.templates import rendered


def page(report: Report, origin: Origin) -> str:
    """Return the HTML. Content from files is escaped, its control characters are made visible."""
    return rendered(
        "page.html.j2",
        {"figure": _figure, "share": _share},
        report=report,
        origin=origin,
        pictures=_pictures(report),
        axis=LogAxis.of(
            figure
            for row in (*report.rows, *report.isolated)
            for figure in (row.error, row.noise, row.limit)
            if row.elements
        ),
        worst=max((*report.rows, *report.isolated), key=strain),
        clips=[_Clip.of(*clip) for clip in zip(report.clips, report.masks, strict=True)],
        placements=placements(report.placed),
        notes=report.notes,
    )


@dataclass(frozen=True)
class _Block:
    """Outputs of one block of the model; `worst` is the nearest to its limit, or beyond it most."""

    name: str
    rows: list[Row]
    words: list[str]
    """The verdict on each row."""

    @property
    def worst(self) -> Row:
        return max(self.rows, key=strain)

    @property
    def wrong(self) -> int:
        return self.words.count("WRONG")

    @property
    def undecided(self) -> int:
        return self.words.count("not judged")


@dataclass(frozen=True)
class _Picture:
    """One of the runs: what it shows, and its blocks."""

    title: str
    about: str
    blocks: list[_Block]


def _pictures(report: Report) -> list[_Picture]:
    chained = _Picture("The whole run", _CHAINED, _blocks(report, report.rows))
    alone = _Picture("Each module alone", _ALONE, _blocks(report, report.isolated))
    return [chained, alone] if report.isolated else [chained]


_CHAINED = "Every module on the outputs of the modules before it: how far the run drifts."
_ALONE = "Every module on the reference’s own inputs: which one is wrong by itself."


def _blocks(report: Report, rows: Iterable[Row]) -> list[_Block]:
    return [
        _Block(name, members, [report.word([row]) for row in members])
        for name, members in by_block(rows).items()
    ]


@dataclass(frozen=True)
class _Clip:
    """The mask of a clip."""

    name: str
    real: int  # the number of real frames
    frames: int
    runs: list[tuple[float, float]]
    """Stretches of real frames, each a start and a length in per cent."""

    @classmethod
    def of(cls, name: str, mask: str) -> _Clip:
        runs, start = [], 0
        for kind, group in groupby(mask):
            length = len(list(group))
            if kind == "1":
                runs.append((100 * start / len(mask), 100 * length / len(mask)))
            start += length
        return cls(name, mask.count("1"), len(mask), runs)


def _figure(value: float) -> str:
    """Return a figure as the terminal prints it, or a word if it is not a number."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "∞"
    return f"{value:.1e}" if value else "0"


def _share(row: Row) -> str:
    """Return a row's error as a share of its limit, if it has one."""
    share = strain(row)
    if isinf(share):
        return _figure(row.error) if row.elements else "no output"
    return f"{share:.0%}" if share <= 1 else f"{share:.3g}×"
