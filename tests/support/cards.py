"""Small .tflite files with random weights and a card: unproven, and so made in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import signbart_port
from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import Interface
from signbart_port.pairs import signbart_cases
from signbart_port.tflite import metadata, object_tree
from signbart_port.tflite.card import Card
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import packing, quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers.converter import converted
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict


def emit(path: Path, config: SignBartConfig, frames: tuple[int, ...] = (16,), **more: Any) -> Path:
    """Write a .tflite of the model of `state_dict(config)`."""
    return emit_model(path, keras_model(config, state_dict(config)), frames, **more)


def emit_model(
    path: Path,
    model: signbart_port.SignBart,
    frames: tuple[int, ...],
    *,
    skeleton: int | None = None,
    probabilities: bool = False,
    **card: Any,
) -> Path:
    """Write a .tflite of a Keras model; with a `skeleton`, one that reads raw keypoints of this
    number."""
    interface = Interface(
        skeleton or model.config.keypoints,
        preprocessing=skeleton is not None,
        count_missing=model.config.count_missing,
        probabilities=probabilities,
        skeleton=model.config.whole_skeleton,
    )
    data = converted(model, Conversion(frames, Quantization.NONE, interface))
    path.write_bytes(metadata.attach(data, a_card(model.config, frames, interface, **card)))
    return path


INTEGERS = small_config(d_model=36, encoder_ffn_dim=48, decoder_ffn_dim=40)
"""A model of which the converter quantizes: it leaves small tensors as they are."""


def emit_integers(folder: Path) -> Path:
    """Write a .tflite of `INTEGERS`, without a card, for clips of 8 and of 16 frames: integers in
    and out."""
    conversion = Conversion((8, 16), Quantization.INT8_FULL, Interface(12))
    data = converted(keras_model(INTEGERS, state_dict(INTEGERS)), conversion)
    (folder / "float.tflite").write_bytes(data)
    integers, path = quantization.Integers(Quantization.INT8_FULL), folder / "integers.tflite"
    clips = signbart_cases.make(12, 16).beginning_real()
    with quantization.running(folder, integers, path, clips) as work:
        work.answer()
    return path


def bare(path: Path) -> bytes:
    """Return the model of a .tflite alone, without its card."""
    model = object_tree.parsed(path.read_bytes())
    model.metadata = [entry for entry in model.metadata if entry.name != b"TFLITE_METADATA"]
    return packing.pack(model)


def a_card(
    config: SignBartConfig,
    frames: tuple[int, ...] = (16,),
    interface: Interface | None = None,
    **changes: Any,
) -> Card:
    """Return the card of such a file."""
    interface = interface or Interface(config.keypoints)
    values: dict[str, Any] = {
        "labels": tuple(f"sign {n}" for n in range(config.num_labels)),
        "joint_idx": config.joint_idx,
        "keypoints": interface.keypoints,
        "groups": dict(config.whole_skeleton.groups),
        "frames": frames,
        "longest": max(frames, default=config.max_position_embeddings),
        "preprocessing": interface.preprocessing,
        "count_missing": config.count_missing,
        "layout": config.layout,
        "output": interface.output,
        "quantization": "none",
        "source": {"model.h5": "0" * 64},
        "proof": {"passed": True, "from_pytorch": False, "lengths": (LENGTH,)},
        "accuracy": None,
        "version": "0.1.0",
        "skeleton": config.skeleton,
    }
    return Card(**(values | changes))


LENGTH = {"frames": 16, "error": 1e-6, "keras_error": 2e-6, "limit": 1e-5, "same_class": (7, 7)}
