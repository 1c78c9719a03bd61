"""Draw the study and the faults in one picture: docs/parity.svg, for the README.

    python tools/picture.py

Reads docs/study.json (`tools/study.py`) and docs/faults.json (`tools/mutate.py --out`). Needs the
extra `study`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
HONEST, REFERENCE, FAULT = "#1b6ca8", "#7a7a7a", "#c8443c"


def main() -> None:
    matplotlib.rcParams.update(
        {
            "font.size": 9,
            "svg.hashsalt": "signbart-port",
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    study, faults = (json.loads((DOCS / f"{n}.json").read_text()) for n in ("study", "faults"))
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(10, 4.6), width_ratios=(1, 1.25), layout="constrained"
    )
    _ratios(left, study)
    _margins(right, study, faults)
    figure.savefig(DOCS / "parity.svg", metadata={"Date": None}, facecolor="white")


def _ratios(axes: Axes, study: dict[str, Any]) -> None:
    """Draw a row per kind of module: the spread of Keras' error over PyTorch's, alone."""
    kinds = {
        n.removeprefix("alone "): k["quantiles"]
        for n, k in study["kinds"].items()
        if n.startswith("alone ") and k["quantiles"]
    }
    kinds |= {
        n: study["kinds"][key]["quantiles"]
        for n, key in (("logits, whole run", "run logits"), ("logits, TFLite", "tflite logits"))
        if key in study["kinds"]
    }
    for y, quantiles in enumerate(reversed(kinds.values())):
        axes.plot([quantiles["0.5"], quantiles["1.0"]], [y, y], color=HONEST, lw=1.2, alpha=0.6)
        axes.plot(
            [quantiles["0.5"], quantiles["0.99"]],
            [y, y],
            color=HONEST,
            lw=5,
            solid_capstyle="round",
        )
        axes.plot(quantiles["1.0"], y, "|", color=HONEST, ms=10)
    axes.set_yticks(range(len(kinds)), list(reversed(kinds)))
    axes.axvline(1, color=REFERENCE, lw=1)
    axes.text(1, len(kinds) - 0.45, "PyTorch's own", color=REFERENCE, ha="center")
    axes.axvline(study["criterion"]["alone"]["factor"], color=FAULT, lw=1, ls="--")
    axes.text(
        study["criterion"]["alone"]["factor"], len(kinds) - 0.45, "factor", color=FAULT, ha="center"
    )
    axes.set_xlabel("float32 error, Keras / PyTorch: median to 99 %, and the largest")
    axes.set_xlim(left=0)


def _margins(axes: Axes, study: dict[str, Any], faults: dict[str, Any]) -> None:
    """Draw error over limit, of right models and of faults: nothing may lie between."""
    edges = np.logspace(-3, 7, 61)
    honest = study["strain"]
    counts = np.array(honest["log10_histogram"]["counts"])
    bins = 10.0 ** np.array(honest["log10_histogram"]["edges"])
    axes.stairs(
        counts / counts.sum(),
        bins,
        color=HONEST,
        fill=True,
        alpha=0.75,
        label=f"right models: {honest['outputs']:,} outputs of {study['models']} models",
    )
    margins = np.array([f["margin"] for f in faults["faults"] if f["margin"] is not None])
    made, _ = np.histogram(np.minimum(margins, edges[-2]), edges)
    axes.stairs(
        made / made.sum(),
        edges,
        color=FAULT,
        fill=True,
        alpha=0.75,
        label=f"seeded faults: {len(margins)}",
    )
    axes.axvline(1, color="black", lw=1.2)
    top = axes.get_ylim()[1]
    axes.text(1, top * 1.02, "limit", ha="center")
    for value, color, side in (
        (honest["largest"], HONEST, "right"),
        (float(margins.min()), FAULT, "left"),
    ):
        axes.axvline(value, color=color, lw=1, ls=":")
        axes.text(value, top * 0.9, f" {value:.2g} ", color=color, ha=side)
    axes.set_xscale("log")
    axes.set_xlabel("error / limit")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.75))


if __name__ == "__main__":
    main()
