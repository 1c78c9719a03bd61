"""Clips through a framework, a few at a time: in this process, and in one of its own."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from signbart_port.data import preprocessing
from signbart_port.errors import PortError
from signbart_port.inference import jobs
from signbart_port.inference.batches import batches, frames_read, logits, to_arrays
from signbart_port.inference.logits import Inference, Outputs, weights_of
from signbart_port.inference.workers import keras_logits, torch_logits
from signbart_port.model_files.model_file import open_model
from signbart_port.system.worker import Limits
from signbart_port.untrusted.model_kind import ModelKind
from tests.support.datasets import a_clip
from tests.support.framework_models import keras_model, save_model, torch_model
from tests.support.small_models import distinct_state_dict, small_config, state_dict

CONFIG = small_config()
LENGTHS = [5, 30, 1, 16, 5, 9, *range(1, 65)]
CLIPS = [a_clip(n, frames) for n, frames in enumerate(LENGTHS)]
PATHS = [Path(f"{n}.npy") for n in range(len(CLIPS))]


def alone(place: int) -> np.ndarray:
    """A clip by itself, without padding: prepared step by step as published."""
    import torch

    clip = preprocessing.shorten(CLIPS[place], CONFIG.max_position_embeddings)
    keypoints = preprocessing.prepare(clip)[None, :, : CONFIG.keypoints]
    model = torch_model(CONFIG, state_dict(CONFIG))
    with torch.inference_mode():
        _, logits = model(torch.from_numpy(keypoints), torch.ones(1, keypoints.shape[1]))
    return logits[0].numpy()


def test_a_batch_has_clips_of_like_length() -> None:
    made = batches(CONFIG, CLIPS, PATHS)
    assert sorted(np.concatenate([batch.indices for batch in made])) == list(range(len(CLIPS)))
    assert max(len(batch.indices) for batch in made) == 32
    longest = 0
    for batch in made:
        frames = np.minimum([LENGTHS[index] for index in batch.indices], 16)
        assert (batch.attention_mask.sum(axis=1) == frames).all()
        assert batch.keypoints.shape == (len(frames), frames.max(), CONFIG.keypoints, 2)
        assert frames.min() >= longest
        longest = frames.max()
    assert frames_read(CONFIG, CLIPS).tolist() == [min(n, 16) for n in LENGTHS]


def test_every_clip_gets_its_own_outputs(tmp_path: Path) -> None:
    """In the order of the clips, whatever it is filled up to; the same in a process apart."""
    opened = open_model(save_model(tmp_path, CONFIG))
    made = batches(CONFIG, CLIPS, PATHS)
    given = logits(torch_logits.model_of(CONFIG, weights_of(opened)), made)
    assert given.shape == (len(CLIPS), 5)
    for place in range(0, len(CLIPS), 7):
        np.testing.assert_allclose(given[place], alone(place), atol=2e-6)
    assert np.abs(given[:, None] - given[None]).max(axis=2)[0, 1:].min() > 1e-4, "clips differ"
    with Inference(opened.path, opened.kind) as run:
        run.send(CLIPS, PATHS, opened)
        ran = run.outputs()
    np.testing.assert_allclose(ran.scores, given, atol=1e-6)
    assert ran.output == "logits" and ran.frames.tolist() == [min(n, 16) for n in LENGTHS]
    keras_model(CONFIG, state_dict(CONFIG)).save(tmp_path / "model.h5")
    keras = open_model(tmp_path / "model.h5")
    assert keras.kind is ModelKind.KERAS
    model = keras_logits.model_of(CONFIG, weights_of(keras))
    np.testing.assert_allclose(logits(model, made), given, atol=1e-5)
    with Inference(keras.path, keras.kind) as run:
        run.send(CLIPS, PATHS, keras)
        np.testing.assert_allclose(run.outputs().scores, given, atol=1e-5)


def test_weights_of_other_types_are_run_in_float32(tmp_path: Path) -> None:
    weights = {n: t.astype(np.float64) for n, t in distinct_state_dict(CONFIG).items()}
    opened = open_model(save_model(tmp_path, CONFIG, weights))
    assert {t.dtype.name for t in weights_of(opened).values()} == {"float32"}


def test_a_clip_of_too_few_joints() -> None:
    clips = [a_clip(0, 3), a_clip(1, 3, points=42)]
    with pytest.raises(
        PortError, match=r"^b\.npy: 42 keypoints a frame: the model reads mediapipe-75"
    ):
        batches(CONFIG, clips, [Path("a.npy"), Path("b.npy")])


def test_what_fails_apart_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves nothing behind."""
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    opened = open_model(save_model(tmp_path, CONFIG))
    weights = {f"{jobs.WEIGHTS}{name}": array for name, array in weights_of(opened).items()}
    (batch,) = batches(CONFIG, CLIPS[:2], PATHS[:2])
    broken = to_arrays([replace(batch, keypoints=batch.keypoints[..., :1])])
    job = jobs.FrameworkJob(CONFIG.model_dump(exclude={"training"}), 1)
    with (
        pytest.raises(PortError, match=r"model\.pth: PyTorch cannot run it \(ValueError") as told,
        Inference(opened.path, opened.kind) as run,
    ):
        run._worker.send(job, Limits(60), weights | broken)
        run.outputs()
    assert "\n" not in str(told.value)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_no_output(value: float) -> None:
    given = np.zeros((2, 3), np.float32)
    outputs = Outputs(given, np.ones(2, int))
    outputs.check_finite(Path("m.h5"))
    given[1, 2] = value
    with pytest.raises(PortError, match=r"^m\.h5: gives numbers that are not finite$"):
        outputs.check_finite(Path("m.h5"))
