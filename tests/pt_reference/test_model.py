"""The PyTorch SignBART on small models: its interface, its layouts, its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pt_reference import SignBart
from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.pairs import signbart_cases as parity_inputs
from tests.support.framework_models import torch_model
from tests.support.small_models import plan_of, small_config, state_dict

CONFIG = small_config()
INPUTS = parity_inputs.make(joints=12, frames=9)


def reference(config: SignBartConfig = CONFIG) -> SignBart:
    return torch_model(config, state_dict(config))


def run(model: SignBart, keypoints: np.ndarray, mask: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.from_numpy(keypoints), torch.from_numpy(mask))[1]


def test_names_and_shapes_are_the_checkpoints() -> None:
    expected = {t.torch: t.torch_shape for t in plan_of(CONFIG).transfers}
    found = {name: tuple(tensor.shape) for name, tensor in SignBart(CONFIG).state_dict().items()}
    assert found == expected


@pytest.mark.parametrize(("name", "parameters"), [("lsa-64", 749_888), ("wlasl-2000", 4_358_608)])
def test_published_sizes(name: str, parameters: int) -> None:
    model = SignBart(configs.named(name))
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_a_plain_dict_is_a_config() -> None:
    assert SignBart(CONFIG.model_dump()).config == CONFIG


@pytest.mark.parametrize("change", ["missing", "extra", "misshapen"])
def test_loading_is_strict(change: str) -> None:
    weights = {name: torch.from_numpy(array) for name, array in state_dict(CONFIG).items()}
    name = "decoder.layers.1.encoder_attn.q_proj.bias"
    if change == "missing":
        del weights[name]
    elif change == "extra":
        name = "decoder.layers.3.fc1.weight"
        weights[name] = torch.zeros(10, 8)
    else:
        weights[name] = torch.zeros(9)
    with pytest.raises(RuntimeError, match=name):
        SignBart(CONFIG).load_state_dict(weights, strict=True)


def test_layouts_agree() -> None:
    selected = reference(CONFIG.replace(layout="selected"))
    picked = np.ascontiguousarray(INPUTS.keypoints[:, :, list(CONFIG.joint_idx)])
    full = run(reference(), INPUTS.keypoints, INPUTS.attention_mask)
    assert torch.equal(full, run(selected, picked, INPUTS.attention_mask))


def test_a_larger_skeleton_changes_nothing() -> None:
    padded = np.pad(INPUTS.keypoints, ((0, 0), (0, 0), (0, 5), (0, 0)), constant_values=7.0)
    full = run(reference(), INPUTS.keypoints, INPUTS.attention_mask)
    assert torch.equal(full, run(reference(), padded, INPUTS.attention_mask))


def test_every_number_of_frames() -> None:
    model = reference()
    for frames in range(1, CONFIG.max_position_embeddings + 1):
        inputs = parity_inputs.make(joints=12, frames=frames)
        logits = run(model, inputs.keypoints, inputs.attention_mask)
        assert logits.shape == (7, CONFIG.num_labels) and logits.isfinite().all(), frames


@pytest.mark.parametrize("frames", [0, CONFIG.max_position_embeddings + 1])
def test_no_other_number_of_frames(frames: int) -> None:
    with pytest.raises(ValueError, match=f"{frames} frames: this model takes 1 to 16"):
        reference()(torch.zeros(1, frames, 12, 2), torch.ones(1, frames))


@pytest.mark.parametrize("shape", [(1, 3, 5, 2), (3, 12, 2), (1, 3, 12, 3)])
def test_keypoints_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"^keypoints have the shape .*; the model reads \(clips,.*$"
    ):
        reference()(torch.zeros(shape), torch.ones(shape[:2]))


def test_padding_is_not_seen() -> None:
    """A padded clip, whatever stands in its padding, has the logits of the clip alone."""
    clip, mask = INPUTS.keypoints[:1], np.ones((1, 9), np.float32)
    padded = np.concatenate([clip, np.full_like(clip, 5.0)[:, :6]], axis=1)
    padding = np.concatenate([mask, np.zeros_like(mask)[:, :6]], axis=1)
    torch.testing.assert_close(run(reference(), padded, padding), run(reference(), clip, mask))


def test_the_last_real_frame_is_classified() -> None:
    """Through holes: the decoder is causal, so its y coordinates count and no later frame's do."""
    model, clip = reference(), INPUTS.keypoints[:1]
    mask = np.array([[1, 0, 1, 0, 0, 0, 0, 0, 0]], np.float32)
    logits = run(model, clip, mask)
    last, later = clip.copy(), clip.copy()
    last[:, 2, :, 1] += 0.1
    later[:, 3:] += 0.1
    assert not torch.allclose(run(model, last, mask), logits, atol=1e-3)
    torch.testing.assert_close(run(model, later, mask), logits)


@pytest.mark.parametrize("dtype", [np.int64, np.float64, bool])
def test_masks_of_other_types(dtype: type) -> None:
    expected = run(reference(), INPUTS.keypoints, INPUTS.attention_mask)
    found = run(reference(), INPUTS.keypoints, INPUTS.attention_mask.astype(dtype))
    assert torch.equal(found, expected)


def test_loss_is_the_mean_cross_entropy() -> None:
    labels = np.arange(7) % CONFIG.num_labels
    keypoints, mask = map(torch.from_numpy, (INPUTS.keypoints, INPUTS.attention_mask))
    with torch.inference_mode():
        loss, logits = reference()(keypoints, mask, labels=torch.from_numpy(labels))
        none, same = reference()(keypoints, mask)
    z = logits.numpy().astype(np.float64)
    log_likelihood = z[np.arange(7), labels] - np.log(np.exp(z).sum(-1))
    assert loss.item() == pytest.approx(-log_likelihood.mean(), rel=1e-6)
    assert none is None and torch.equal(same, logits)


def test_dropout_in_training_alone() -> None:
    model = reference()
    keypoints, mask = map(torch.from_numpy, (INPUTS.keypoints, INPUTS.attention_mask))
    assert torch.equal(model(keypoints, mask)[1], model(keypoints, mask)[1])
    model.train()
    assert not torch.equal(model(keypoints, mask)[1], model(keypoints, mask)[1])
