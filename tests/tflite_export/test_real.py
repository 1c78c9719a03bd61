"""tflite, on the real checkpoint, against what the published code computed for real clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import signbart_port
from signbart_port.data.model_inputs import Inputs
from signbart_port.inference.logits import run

pytestmark = pytest.mark.usefixtures("converter_here")

# The largest error of a logit (logits reach 8.8; measured: 0.0037 and 0.081), and the largest size
# relative to the Keras model's.
ROUNDED = {"float16": (0.01, 0.55), "dynamic": (0.2, 0.4)}


@pytest.mark.parametrize("quantization", ["none", "float16", "dynamic"])
@pytest.mark.parametrize(
    ("options", "part"),
    [({}, ""), ({"dynamic_frames": True}, "edge_")],
    ids=["clips", "edges"],
)
@pytest.mark.release
def test_real_clips(
    real_h5: Path,
    recorded: dict[str, np.ndarray],
    tmp_path: Path,
    quantization: str,
    options: dict[str, Any],
    part: str,
) -> None:
    out = tmp_path / "model.tflite"
    done = signbart_port.to_tflite(real_h5, out, quantization=quantization, **options)
    assert done.file.frames == (None if options else 64)
    rounding = np.abs(recorded["logits_float32"] - recorded["logits_float64"]).max()
    largest_error, largest_size = ROUNDED.get(quantization, (3 * rounding, 1.0))
    mask = recorded["edge_mask" if part else "attention_mask"]
    logits = run(done.file, Inputs((), recorded[f"{part}keypoints"], mask)).outputs
    truth = recorded[f"{part}logits_float64"]
    assert np.abs(logits - truth).max() <= largest_error
    np.testing.assert_array_equal(logits.argmax(-1), truth.argmax(-1))
    assert out.stat().st_size <= largest_size * real_h5.stat().st_size
