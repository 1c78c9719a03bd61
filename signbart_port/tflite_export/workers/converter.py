"""A Keras model to a .tflite in float: TensorFlow's converter, in a process of its own.

It prints dozens of lines, keeps its memory, and some weights make it abort.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from signbart_port.config import SignBartConfig
from signbart_port.data.model_interface import Interface
from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite import gislr
from signbart_port.tflite.model_file import SIGNATURE, signature_of
from signbart_port.tflite_export.conversion import (
    MASK_BOUND,
    PREPROCESSING,
    Conversion,
    ConverterJob,
)
from signbart_port.tflite_export.workers import concrete_functions


def converted(model: Any, conversion: Conversion) -> bytes:
    """Convert a Keras SignBart to TensorFlow Lite's format, in this process."""
    lengths: Sequence[int | None] = sorted(conversion.frames, reverse=True) or [None]
    functions = {
        SIGNATURE if frames == lengths[0] else signature_of(frames or 0): _classify(
            model, conversion, frames
        )
        for frames in lengths
    }
    if (most := conversion.interface.sampled_to) is not None:
        functions = {SIGNATURE: _classify_whole(model, conversion.interface, most)}
    return concrete_functions.converted(model, functions, conversion.quantization.spec)


def _classify(model: Any, conversion: Conversion, frames: int | None) -> Any:
    """Build the concrete function of one signature."""
    import tensorflow as tf

    interface = conversion.interface
    bound = MASK_BOUND if conversion.quantization.calibrated else None

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, frames, interface.keypoints, 2), tf.float32, name="keypoints"),
            tf.TensorSpec((1, frames), tf.float32, name="attention_mask"),
        ]
    )
    def classify(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
        if interface.preprocessing:
            keypoints = _prepared(keypoints, model.config, interface)
        return {interface.output: _scores(model, interface, keypoints, attention_mask, bound)}

    return classify.get_concrete_function()


def _classify_whole(model: Any, interface: Interface, most: int) -> Any:
    """Build the concrete function of the contract gislr, for a clip of any length, of which `most`
    frames are kept."""
    import tensorflow as tf

    from signbart_port.keras_model.frame_sampling import sampled

    @tf.function(input_signature=[tf.TensorSpec(gislr.SHAPE, tf.float32, name=gislr.INPUT)])
    def classify(inputs: Any) -> dict[str, Any]:
        with tf.name_scope(PREPROCESSING):
            clip = tf.expand_dims(sampled(inputs[..., :2], most), 0)
        keypoints = _prepared(clip, model.config, interface)
        attention_mask = tf.ones((1, tf.shape(keypoints)[1]))
        return {gislr.OUTPUT: _scores(model, interface, keypoints, attention_mask)[0]}

    return classify.get_concrete_function()


def _prepared(keypoints: Any, config: SignBartConfig, interface: Interface) -> Any:
    """Prepare raw keypoints in the graph."""
    import tensorflow as tf

    from signbart_port.keras_model.preprocessing import prepared

    with tf.name_scope(PREPROCESSING):
        return prepared(
            keypoints,
            config.joint_idx,
            count_missing=interface.count_missing,
            layout=config.layout,
            skeleton=interface.skeleton,
            selection=interface.selection(config),
        )


def _scores(
    model: Any, interface: Interface, keypoints: Any, mask: Any, bound: float | None = None
) -> Any:
    import tensorflow as tf

    logits = model.classify(keypoints, mask, bound)
    return tf.nn.softmax(logits) if interface.probabilities else logits


def _run(job: ConverterJob, arrays: Arrays) -> Result:
    from signbart_port.keras_model import SignBart
    from signbart_port.keras_model.weights import assign

    model = SignBart(SignBartConfig.of(job.config))
    assign(model, arrays.items())
    job.out.write_bytes(converted(model, job.conversion))
    return None, {}


if __name__ == "__main__":
    serve(ConverterJob, _run, framework="tensorflow", memory=12 << 30)
