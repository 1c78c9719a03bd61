"""A pair's Keras model to .tflite files, in a process of its own."""

from __future__ import annotations

from typing import Any

from signbart_port.parity.load_pair import import_pair
from signbart_port.parity.pair import Pair
from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.pair_conversion import PairConverterJob, SignatureSpec
from signbart_port.tflite_export.workers import concrete_functions


def _run(job: PairConverterJob, arrays: Arrays) -> Result:
    pair = import_pair(job.pair)
    model = pair.keras_model(pair.read_config(job.config, job.stored))
    for weight in model.weights:
        weight.assign(arrays[weight.path])
    functions = {one.name: _function(pair, model, one) for one in job.signatures}
    for mode, path in job.files.items():
        path.write_bytes(concrete_functions.converted(model, functions, Quantization(mode).spec))
    return None, {}


def _function(pair: Pair, model: Any, inputs: SignatureSpec) -> Any:
    """Build the concrete function of one signature."""
    import tensorflow as tf

    def call(**given: Any) -> dict[str, Any]:
        outputs = pair.call_keras(model, given)
        if len(inputs.outputs) == 1:
            return {inputs.outputs[0]: pair.keras_output(outputs)}
        return {name: outputs[name] for name in inputs.outputs}

    return tf.function(call).get_concrete_function(
        **{
            name: tf.TensorSpec(shape, inputs.dtypes[name], name=name)
            for name, shape in inputs.shapes.items()
        }
    )


if __name__ == "__main__":
    serve(PairConverterJob, _run, framework="tensorflow", memory=12 << 30)
