"""An evaluation as a page: one self-contained file that needs neither network nor scripts."""

from __future__ import annotations

import base64
from dataclasses import replace

from signbart_port.evaluation.picture import draw, notes
from signbart_port.evaluation.result import Evaluation, Load
from signbart_port.report.document import Origin, bytes_of
from signbart_port.report.templates import rendered

_MOST = 10  # confusions of a model that are listed
_MOST_CLIPS = 200  # wrong clips of a model that are listed
_LARGE = 30  # classes beyond which a picture takes the width of the page


def page(evaluation: Evaluation, origin: Origin) -> str:
    """Return the HTML. Content from files is escaped, its control characters are made visible."""
    return rendered(
        "evaluation.html.j2",
        {
            "percent": lambda share: f"{share:.1%}",
            "place": lambda share: f"{100 * share:.2f}",
            "ratio": lambda figure: "–" if figure is None else f"{figure:.3f}",
            "bytes": bytes_of,
            "flops": _flops,
        },
        evaluation=evaluation,
        origin=origin,
        pictures=[
            base64.b64encode(draw(replace(evaluation, models=(one,)), ".svg")).decode()
            for one in evaluation.models
        ],
        large=len(evaluation.labels) > _LARGE,
        most=_MOST,
        most_clips=_MOST_CLIPS,
        notes=[
            *evaluation.notes,
            *(f"{one.model}: {note}" for one in evaluation.models for note in one.notes),
            *notes(evaluation),
        ],
    )


def _flops(load: Load) -> str:
    counted = "–" if load.flops is None else f"{load.flops / 1e6:,.1f} M"
    return f"{counted}, {load.frames} frames"
