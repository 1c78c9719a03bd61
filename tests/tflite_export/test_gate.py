"""What a file must show on real clips: the gate, and what is fed to it."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from signbart_port.cli import main
from signbart_port.data.clips import RealClips
from signbart_port.data.dataset import Entry
from signbart_port.errors import ExitCode
from signbart_port.metrics.accuracy import Accuracy, Score
from signbart_port.tflite.modes import Gate, Quantization
from signbart_port.tflite_export import gate
from tests.support.small_models import save_pth
from tests.support.trained_models import CONFIG, fit_head

pytestmark = pytest.mark.usefixtures("converter_here")


def accuracy(*, top1: tuple[float, float], agreement: float) -> Accuracy:
    reference = Score("model.h5", top1=top1[0], top5=1.0, agreement=1.0)
    return Accuracy(200, (reference, Score("int8 .tflite", top1[1], 1.0, agreement)), ())


@pytest.mark.parametrize(
    ("top1", "agreement", "says"),
    [
        ((0.9, 0.9), 0.95, None),
        ((0.9, 0.88), 0.95, None),  # whose difference is not quite 0.02
        ((0.9, 0.99), 0.95, None),  # better than the reference
        (
            (0.9, 0.9),
            0.945,
            "agrees with model.h5 on 94.5% of 200 clips; at least 95.0% is required",
        ),
        (
            (0.9, 0.875),
            0.95,
            "loses 2.5 points of top-1 accuracy against model.h5 on 200 clips, more than 2.0",
        ),
        ((0.9, 0.1), 0.1, "agrees with model.h5 on 10.0% of 200 clips; at least 95.0% is required"),
    ],
)
def test_shortfall(top1: tuple[float, float], agreement: float, says: str | None) -> None:
    found = accuracy(top1=top1, agreement=agreement)
    assert gate.shortfall(found, Quantization.INT8.spec.gate) == says


def test_only_an_open_gate_lets_all_pass() -> None:
    worst = accuracy(top1=(1.0, 0.0), agreement=0.0)
    assert gate.shortfall(worst, Gate(min_agreement=0.0, max_drop=100.0)) is None
    assert gate.shortfall(worst, Gate(min_agreement=0.0, max_drop=99.9)) is not None
    assert gate.shortfall(worst, Gate(min_agreement=0.001, max_drop=100.0)) is not None


def clips_of(lengths: Sequence[int]) -> RealClips:
    entries = tuple(Entry(Path(f"{n}.pkl"), "a", 0, "test") for n in range(len(lengths)))
    clips = tuple(np.full((length, 75, 2), length, np.float32) for length in lengths)
    return RealClips(entries, ("a",), clips, tuple(lengths), ())


def test_the_shortest_signature_that_takes_a_clip() -> None:
    clips = clips_of([3, 4, 5, 8, 9, 16, 17, 99])
    found = dict(clips.by_length([16, 4, 8]))
    assert found == {4: [0, 1], 8: [2, 3], 16: [4, 5, 6, 7]}
    assert dict(clips.by_length([64])) == {64: [*range(8)]}
    assert dict(clips_of([9]).by_length([4, 16])) == {16: [0]}, "and no others"


def test_picked_clips() -> None:
    picked = clips_of([3, 4, 5]).pick([2, 0])
    assert picked.names == ("2", "0") and [len(clip) for clip in picked.keypoints] == [5, 3]


def test_a_failed_gate(
    fitted_h5: Path,
    signs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A checkpoint whose labels are in another order predicts others: exit code 1, a line, and the
    file of yesterday as it was."""
    arrays = fit_head(CONFIG, signs)
    for kind in ("weight", "bias"):
        name = f"classification_head.out_proj.{kind}"
        arrays[name] = np.roll(arrays[name], 1, axis=0)
    other = tmp_path / "other.pth"
    save_pth(other, arrays, config=CONFIG.model_dump())
    (folder := tmp_path / "out").mkdir()
    out = folder / "model.tflite"
    out.write_bytes(b"the model of yesterday")
    arguments = ["tflite", fitted_h5, "--data", signs, "--pytorch", other, "--out", out]
    monkeypatch.setattr(sys, "argv", ["signbart-port", *map(str, arguments), "--force", "--quiet"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.PROOF_FAILED
    line = capsys.readouterr().err.splitlines()[-1]
    said = rf"signbart-port: {fitted_h5}: the \.tflite agrees with other\.pth on .*% of 30 clips;"
    assert re.fullmatch(said + r" at least 100\.0% is required", line), line
    assert out.read_bytes() == b"the model of yesterday"
    assert list(folder.iterdir()) == [out]
