"""Every published config converts, and is equal for the shortest and longest clips as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import signbart_port
from pt_reference import SignBart
from signbart_port import Options
from signbart_port import config as configs
from signbart_port.data.model_inputs import Inputs
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.parity.counting import largest_difference
from signbart_port.parity.proof import Recorded
from signbart_port.parity.report import Report
from signbart_port.parity.taps import Floats
from tests.support.framework_models import torch_model
from tests.support.proofs import counting_of, judge, run_keras, run_torch
from tests.support.small_models import save_pth, state_dict

Outputs = dict[str, Floats]
Noise = dict[str, float]
NAMES = configs.published_names()


def batch(inputs: Inputs, clips: slice) -> Inputs:
    return Inputs(inputs.names[clips], inputs.keypoints[clips], inputs.attention_mask[clips])


def runs(models: tuple[SignBart, SignBart], inputs: Inputs) -> tuple[Outputs, Noise]:
    """Every output of PyTorch in float64, and how far float32 is from it.

    Without the dropouts: at inference they repeat their inputs, and attention's are large.
    """
    float64: Outputs = {}
    noise: Noise = {}

    def keep(tap: str, output: Floats) -> None:
        if "dropout" not in tap:
            float64[tap] = output

    def measure(tap: str, output: Floats) -> None:
        if tap in float64:
            noise[tap] = largest_difference(tap, output, float64[tap], counting)

    single, double = models
    counting = counting_of(inputs)
    run_torch(double, inputs, keep)
    run_torch(single, inputs, measure)
    return float64, noise


def judged(keras: Any, inputs: Inputs, truth: Outputs, noise: Noise) -> Report:
    return judge(
        ("torch", "keras"),
        Recorded(truth, noise),
        list(truth),
        inputs,
        lambda record: run_keras(keras, inputs, record),
    )


def test_there_are_fifteen() -> None:
    assert len(NAMES) == 15


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.release
def test_converts_and_is_equal_at_every_length(tmp_path: Path, name: str) -> None:
    config = configs.named(name)
    arrays = state_dict(config)
    done = signbart_port.convert(
        save_pth(tmp_path / "model.pth", arrays), tmp_path / "model.h5", Options(config=name)
    )
    assert done.report is not None and done.report.passed

    keras = signbart_port.load(done.out)
    models = torch_model(config, arrays), torch_model(config, arrays).double()
    for frames in (1, 2, 64, config.max_position_embeddings):
        every_mask = parity_inputs.make(config.keypoints, frames)
        five, one = (batch(every_mask, clips) for clips in (slice(0, 5), slice(0, 1)))
        truth, noise = runs(models, five)
        report = judged(keras, five, truth, noise)
        assert report.passed, (frames, report.verdict())
        report = judged(keras, one, {tap: output[:1] for tap, output in truth.items()}, noise)
        assert report.passed, (frames, "alone", report.verdict())
