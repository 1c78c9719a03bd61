"""The two SignBARTs, in PyTorch and in Keras, of one state dict, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.transfer import Direction
from tests.support.small_models import Arrays, plan_of, save_pth, state_dict

if TYPE_CHECKING:
    import pt_reference
    import signbart_port


def torch_model(config: SignBartConfig, arrays: Arrays) -> pt_reference.SignBart:
    import torch

    from pt_reference import SignBart

    model = SignBart(config).eval()
    weights = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    model.load_state_dict(weights, strict=True)
    return model


def keras_model(
    config: SignBartConfig, arrays: Arrays, dtype: str = "float32"
) -> signbart_port.SignBart:
    from signbart_port.keras_model import SignBart
    from signbart_port.keras_model.weights import assign

    model = SignBart(config, dtype=dtype)
    assign(model, transfer.apply(plan_of(config), Direction.TORCH_TO_KERAS, arrays))
    return model


def save_model(
    folder: Path, config: SignBartConfig, arrays: Arrays | None = None, name: str = "model"
) -> Path:
    """Save a checkpoint with its config beside it, as `name`.pth and `name`.yaml."""
    (folder / f"{name}.yaml").write_text(config.model_dump_json())
    return save_pth(folder / f"{name}.pth", arrays or state_dict(config))


def weights_of(path: Path) -> Arrays:
    """Return the weights of a model.h5 under PyTorch's names and in its order of dimensions, as
    Keras reads them."""
    import keras

    model = keras.models.load_model(path, compile=False)
    weights = {weight.path: weight.numpy() for weight in model.weights}
    return {
        t.torch: t.op.to_torch(weights.pop(t.keras)) for t in plan_of(model.config).transfers
    } | weights  # a weight without a transfer keeps its name
