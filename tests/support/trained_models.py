"""A small dataset of made-up signs, and a small model that knows them: random weights, and a
classifier that least squares fits to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from signbart_port import transfer
from signbart_port.config import SignBartConfig, joints
from signbart_port.data import clips
from signbart_port.data.dataset import open_dataset
from signbart_port.tflite_export import gate
from signbart_port.transfer import Direction
from tests.support.datasets import Folder
from tests.support.framework_models import keras_model
from tests.support.small_models import Arrays, plan_of, small_config, state_dict

# Neither stack scales its queries by a power of two.
CONFIG = small_config(
    d_model=96,
    encoder_layers=1,
    encoder_ffn_dim=128,
    decoder_layers=2,
    decoder_ffn_dim=120,
    joint_idx=joints.NAMED["pose_hands"],
)
EACH = {"train": 20, "test": 6}  # clips of a sign


def write_signs(root: Path, labels: int = CONFIG.num_labels) -> Path:
    """Write a dataset in which every sign moves the points in its own way; every clip is noisy, and
    misses some of them."""
    folder = Folder(root, {f"sign{label}": label for label in range(labels)})
    rng = np.random.default_rng(0)
    for label in range(labels):
        center, sway, pace = rng.uniform((0.2, 0.02, 1), (0.8, 0.2, 6), (1, 75, 2, 3)).T
        center, sway, pace = (of.T for of in (center, sway, pace))
        for split, count in EACH.items():
            for number in range(count):
                frames = 4 + number % 17  # some have more frames than the model reads
                time = np.linspace(0, 1, frames)[:, None, None] + rng.random()
                clip = center + sway * np.sin(pace * time) + rng.normal(0, 0.02, (frames, 75, 2))
                clip[rng.random((frames, 75)) < 0.1] = 0
                clip[:, 33:54] *= number % 7 > 0  # a hand that is not seen
                name = f"{split}/sign{label}/{split}_{label}_{number}"
                folder.put(name, clip.astype(np.float32))
    return root


def fit_head(config: SignBartConfig, signs: Path, arrays: Arrays | None = None) -> Arrays:
    """Return `arrays`, or random weights, with a head fitted to the signs of a dataset."""
    arrays = state_dict(config) if arrays is None else arrays
    head = "classification_head.out_proj"
    # A model with the identity for a classifier shows what the classifier is given.
    width = config.replace(num_labels=config.d_model)
    bare = arrays | {
        f"{head}.weight": np.eye(config.d_model, dtype=np.float32),
        f"{head}.bias": np.zeros(config.d_model, np.float32),
    }
    known = clips.of_split(open_dataset(signs), config, test=False, skip_bad=False)
    states = gate.keras_logits(keras_model(width, bare), gate.keras_inputs(known, config))
    states = np.column_stack([states, np.ones(len(states))]).astype(np.float64)
    wanted = 8 * np.eye(config.num_labels)[known.targets]
    ridge = 10 * np.eye(states.shape[1])
    fitted = np.linalg.solve(states.T @ states + ridge, states.T @ wanted).astype(np.float32)
    return arrays | {f"{head}.weight": fitted[:-1].T.copy(), f"{head}.bias": fitted[-1]}


def tensors_of(config: SignBartConfig, arrays: Arrays) -> dict[str, Any]:
    """Return a state dict under Keras' names, in its order of dimensions."""
    return dict(transfer.apply(plan_of(config), Direction.TORCH_TO_KERAS, arrays))
