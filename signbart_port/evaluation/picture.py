"""Confusion matrices as a picture, one panel per model."""

from __future__ import annotations

import io
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from signbart_port.errors import first_of
from signbart_port.evaluation import fonts
from signbart_port.evaluation.result import Evaluation, EvaluationScores, ModelScore
from signbart_port.system import atomic_output
from signbart_port.system.bidi import LEFT_TO_RIGHT_MARK

FORMATS = (".png", ".svg")
_MOST_NAMED = 100  # classes: the names of more would be smaller than print
_MOST_COUNTED = 30  # classes whose cells have room for a number
_LONGEST = 24  # characters of a name
_DOTS = 150  # an inch, of a .png
_INK, _QUIET, _GROUND = "#18212f", "#dde2e9", "#ffffff"
_LIGHT = 0.55  # a share whose color is dark enough for light digits
# Text as outlines: the same wherever it is looked at, whatever it says.
_STYLE: dict[Any, Any] = {"svg.fonttype": "path", "svg.hashsalt": "signbart-port", "font.size": 9}


def check(path: str | Path, *, force: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, a picture that `write` would refuse.

    Raises PortError for a name that ends in neither .png nor .svg, and as `atomic_output.check`
    does.
    """
    atomic_output.check_suffix(path, FORMATS, "a picture")
    atomic_output.check(path, force=force, inputs=inputs)


def write(
    path: str | Path, evaluation: Evaluation, *, force: bool, inputs: Iterable[str | Path] = ()
) -> None:
    """Write the picture; raises PortError as `check` does, and if the disk refuses it."""
    check(path, force=force, inputs=inputs)
    picture = draw(evaluation, Path(path).suffix)
    with atomic_output.replacing(path, force=force, inputs=inputs) as temp:
        temp.write_bytes(picture)


def draw(evaluation: Evaluation, suffix: str) -> bytes:
    """Draw the picture as .png or .svg: rows are the true classes, columns the predicted ones, the
    color is a cell's share of its row. Up to 100 classes have names, up to 30 numbers."""
    stream = io.BytesIO()
    family = fonts.families(map(fonts.drawable, _names(evaluation)))
    with matplotlib.rc_context({**_STYLE, "font.family": family}):
        figure = _figure(evaluation)
        figure.savefig(
            stream,
            format=suffix.removeprefix("."),
            dpi=_DOTS,
            metadata={"Date": None} if suffix == ".svg" else None,
        )
    return stream.getvalue()


def notes(evaluation: Evaluation) -> tuple[str, ...]:
    """Return what a user must know of the picture: the names that no font has in full."""
    names = [name for name in dict.fromkeys(_names(evaluation)) if not fonts.is_covered(name)]
    if not names:
        return ()
    return (f"no font has every character of {first_of(names, 5)}: the picture shows their codes",)


def _names(evaluation: Evaluation) -> list[str]:
    """Return the names that the picture shows."""
    labels = evaluation.labels if len(evaluation.labels) <= _MOST_NAMED else ()
    return [*(Path(one.model).name for one in evaluation.models), *labels]


def matrix(scores: EvaluationScores) -> NDArray[np.int64]:
    """Return the number of clips of each class (row) that were predicted as each class (column)."""
    number = {one.label: n for n, one in enumerate(scores.classes)}
    counts = np.diag([one.right for one in scores.classes])
    for one in scores.confusions:
        counts[number[one.label], number[one.taken_for]] = one.clips
    return counts


def _figure(evaluation: Evaluation) -> Figure:
    models, classes = evaluation.models, len(evaluation.labels)
    columns = min(len(models), 2 if classes <= _MOST_COUNTED else 1)
    rows = ceil(len(models) / columns)
    side = min(max(3.0, 0.32 * classes), 6.5 + 0.09 * classes, 16.0)  # inches
    figure = Figure((columns * (side + 1.6), rows * (side + 1.4)), layout="constrained")
    figure.set_facecolor(_GROUND)
    for n, model in enumerate(models):
        _panel(figure.add_subplot(rows, columns, n + 1), model, evaluation.labels, side)
    return figure


def _panel(axes: Any, model: ModelScore, labels: tuple[str, ...], side: float) -> None:
    counts, classes = matrix(model.scores), len(labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(
        # The mark, so that a name of right-to-left letters leaves the figure at its end.
        f"{LEFT_TO_RIGHT_MARK}{_short(Path(model.model).name)}: {model.scores.top1:.1%}",
        color=_INK,
        parse_math=False,
    )
    axes.set_ylabel("class", color=_INK)
    axes.set_xlabel("taken for", color=_INK)
    axes.tick_params(color=_QUIET, labelcolor=_INK, length=2)
    for spine in axes.spines.values():
        spine.set_color(_QUIET)
    room = 72 * side / classes  # points of a cell
    if classes <= _MOST_NAMED:
        names = [_short(label) for label in labels]
        named: dict[str, Any] = {"fontsize": min(9.0, 0.8 * room), "parse_math": False}
        axes.set_xticks(range(classes), names, rotation=90, **named)
        axes.set_yticks(range(classes), names, **named)
    if classes <= _MOST_COUNTED:
        for row, column in np.argwhere(counts):
            light = shares[row, column] > _LIGHT
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                color=_GROUND if light else _INK,
                fontsize=min(9.0, 0.5 * room),
            )


def _short(name: str) -> str:
    line = fonts.drawable(name)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
