"""TensorFlow's converter: functions of a Keras model to the bytes of a .tflite."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from signbart_port.system import processes
from signbart_port.tflite import object_tree
from signbart_port.tflite.model_file import SIGNATURE
from signbart_port.tflite.modes import ModeSpec
from signbart_port.tflite_export import packing


def converted(model: Any, functions: Mapping[str, Any], spec: ModeSpec) -> bytes:
    """Convert concrete functions that run a Keras model, by the names of their signatures.

    The first is the one that a runner takes by default.
    """
    import tensorflow as tf

    # The converter freezes the variables of a tf.Module; a Keras model's it would leave behind.
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    with ExitStack() as stack:
        if [*functions] == [SIGNATURE]:
            only = [*functions.values()]
            converter = tf.lite.TFLiteConverter.from_concrete_functions(only, module)
        else:  # only a saved model's signatures keep their names
            folder = stack.enter_context(processes.new_folder())
            tf.saved_model.save(module, folder, signatures=dict(functions))
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=list(functions)
            )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if spec.optimize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [
                tf.dtypes.as_dtype(name) for name in spec.supported_types
            ]
        tree = object_tree.parsed(converter.convert())
    object_tree.order_signatures(tree, [*functions])  # the converter sorts them by name
    return packing.pack(tree, every_name=spec.recipe is not None)
