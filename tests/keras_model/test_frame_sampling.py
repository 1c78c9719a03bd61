"""Shortening inside the graph: the frames that NumPy keeps, for clips of every length."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from signbart_port.data.preprocessing import shorten
from signbart_port.keras_model.frame_sampling import LONGEST


def converted(frames: int) -> bytes:
    import tensorflow as tf

    from signbart_port.keras_model.frame_sampling import sampled

    @tf.function(input_signature=[tf.TensorSpec((None, 1), tf.float32, name="clip")])
    def function(clip: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sampled": sampled(clip, frames)}

    graph = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    data: bytes = converter.convert()
    return data


def lengths_with_rounding(frames: int) -> list[int]:
    """The lengths of clips for which `linspace` falls short of the quotient of integers."""
    numbers = np.arange(frames)
    return [
        length
        for length in range(frames + 1, LONGEST + 1)
        if (
            shorten(np.arange(length), frames) != numbers * (length - 1) // max(frames - 1, 1)
        ).any()
    ]


@pytest.mark.parametrize("every", [97, 1])
@pytest.mark.parametrize("frames", [64, 50, 16, 1])
@pytest.mark.on_commit("64-97")
def test_equal_to_numpy(frames: int, every: int) -> None:
    data = converted(frames)
    runner = Interpreter(model_content=data).get_signature_runner()
    rounded = lengths_with_rounding(frames)
    assert bool(rounded) == (frames in (64, 50)), "the list of pairs is put to use"
    for length in {1, 2, frames, frames + 1, *rounded, *range(1, LONGEST + 1, every)}:
        clip = np.arange(length, dtype=np.float32)[:, None]
        np.testing.assert_array_equal(
            runner(clip=clip)["sampled"], shorten(clip, frames), f"{length} frames"
        )
