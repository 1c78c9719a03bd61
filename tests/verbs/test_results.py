"""What a notebook shows of the results of `convert` and `to_tflite`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from signbart_port.parity.compare import Row
from signbart_port.parity.report import Report
from signbart_port.parity.taps import LOGITS
from signbart_port.tflite.modes import Quantization
from signbart_port.verbs.convert import Converted
from signbart_port.verbs.to_tflite import Emitted


class Source:
    path = Path("a.pth")


def report(candidate: str, frames: int) -> Report:
    row = Row(LOGITS, 6e-7, 4e-7, 2.5, 5e-6, 3136, (1, 2), 0.75, 0.75)
    facts = {"frames": frames, "clips": ["one"], "agreement": (1, 1)}
    return Report("a.pth", candidate, rows=(row,), facts=facts)


def converted(report: Report | None) -> str:
    return Converted(Path("a.h5"), cast("Any", Source()), 10, report)._repr_html_()


def test_a_conversion() -> None:
    assert "a.pth to a.h5</b>" in converted(report("a.h5", 32))
    assert "✓" in converted(report("a.h5", 32))
    assert "a.pth to a.h5: nothing was compared with PyTorch" in converted(None)


def test_a_tflite_has_a_table_a_length_and_one_of_its_conversion() -> None:
    emitted = Emitted(
        Path("a.tflite"),
        cast("Any", None),
        Quantization.DYNAMIC,
        files=(),
        reports=(report("a.tflite", 64), report("a.tflite", 16)),
        milliseconds=(1.0, 1.0),
        source_proven=True,
        conversion=report("a.h5", 32),
    )
    html = emitted._repr_html_()
    assert "a.tflite: dynamic</b>" in html and html.count("<table") == 3
    assert html.index("of 32 frames") < html.index("of 64 frames") < html.index("of 16 frames")
