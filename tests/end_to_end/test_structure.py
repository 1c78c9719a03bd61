"""The verdict in float64, where a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import signbart_port
from signbart_port import ProofError
from signbart_port.keras_model import layers
from signbart_port.parity import proof
from signbart_port.parity.report import Evidence
from signbart_port.parity.tolerances import Criterion
from tests.support.framework_models import save_model
from tests.support.small_models import small_config

CONFIG = small_config()
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def too_coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that right modules go beyond, by a little."""
    monkeypatch.setattr(proof, "ALONE", Criterion(factor=0.8, ulps=0.25))


def test_a_mistake_below_the_rounding_of_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save_model(tmp_path, CONFIG)
    monkeypatch.setattr(layers, "LAYER_NORM_EPSILON", 1.0001e-5)
    with pytest.raises(ProofError, match="NOT EQUAL") as failure:
        signbart_port.convert(source, tmp_path / "model.h5")
    report = failure.value.report
    assert report is not None and report.blame is not None
    assert all(row.passed for row in (*report.rows, *report.isolated))
    assert report.blame.evidence is Evidence.STRUCTURE
    assert report.blame.module == "encoder.layernorm_embedding"
    assert not (tmp_path / "model.h5").exists()


@pytest.mark.release
def test_another_library_s_epsilon_is_millions_beyond_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest mistake that the seeded faults know: 3.5 times the limit of float32."""
    source = save_model(tmp_path, CONFIG)
    monkeypatch.setattr(layers, "LAYER_NORM_EPSILON", 1e-6)
    with pytest.raises(ProofError) as failure:
        signbart_port.convert(source, tmp_path / "model.h5")
    report = failure.value.report
    assert report is not None
    assert max(row.error / row.limit for row in report.structure) > 1e6


@pytest.mark.usefixtures("too_coarse")
@pytest.mark.release
def test_every_output_says_that_float32_is_too_coarse(
    program: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path, CONFIG)
    told = "equal in float64; float32 is too coarse for "
    code, out, err = program("convert", "model.pth", "--report", "a.json", "-q")
    assert (code, out) == (0, "") and err.startswith(f"model.h5: {told}")
    report = json.loads(Path("a.json").read_text())
    assert report["passed"] and report["verdict"].startswith(told)
    undecided = [row["tap"] for row in report["isolated"] if row["undecided"]]
    assert undecided and not any(row["undecided"] for row in report["structure"])
    found = signbart_port.inspect_file("model.h5")
    assert found.provenance is not None
    assert found.provenance["proof"]["undecided"] == undecided
    assert found.provenance["proof"]["float64"] == len(report["structure"])
    code, out, err = program("export", "model.h5", "--out", "back.pth")
    assert code == 0 and err.startswith(f"back.pth: {told}")
    code, out, err = program("verify", "model.pth", "model.h5")
    assert code == 0 and told in out and "not judged" in out
    assert "float32 is too coarse" in err
    assert "in float64 too: " in out
