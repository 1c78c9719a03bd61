"""Every tensor of a .tflite beside those of its float32 twin, in a process of its own: a damaged
file can crash the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.data.model_inputs import Inputs
from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite import object_tree
from signbart_port.tflite.arguments import arguments
from signbart_port.tflite.signature_graph import CONVERSIONS
from signbart_port.tflite_export.operator_errors import ERRORS, OperatorsJob

Tensors = Callable[[int], NDArray[Any]]
_TELLS_APART = 20.0
"""How far below the largest of its row a score still has a weight: softmax makes of it exp(-20).
What is further below is masked, and may be any number."""


def _run(job: OperatorsJob, arrays: Arrays) -> Result:
    inputs = Inputs.from_arrays(arrays)
    with object_tree.opened(job.model) as model:
        number = int(object_tree.signatures(model)[job.signature].subgraphIndex)
        graph = model.subgraphs[number]
        source = _sources(model, graph)
        scores = {
            int(op.inputs[0])
            for op in graph.operators
            if object_tree.kind_of(model, op) == "SOFTMAX"
        }
        difference, scale = np.full((2, len(graph.operators)), np.nan)
        file, twin = (
            _outputs(path, job.signature, number, inputs) for path in (job.model, job.twin)
        )
        for ours, exact in zip(file, twin, strict=True):
            for place, op in enumerate(graph.operators):
                for tensor in map(int, op.outputs):
                    if not _is_real(graph.tensors[tensor]):
                        continue
                    true = exact(source.get(tensor, tensor)).astype(np.float64)
                    got = _real(ours(tensor), graph.tensors[tensor])
                    if tensor in scores:
                        counted = true >= true.max(axis=-1, keepdims=True) - _TELLS_APART
                        true, got = true[counted], got[counted]
                    difference[place] = np.fmax(difference[place], _difference(got, true))
                    real = true[np.isfinite(true)]
                    scale[place] = np.fmax(scale[place], np.abs(real).max(initial=0))
    return None, {ERRORS: difference / np.where(scale > 0, scale, 1)}


def _difference(got: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Return the largest difference; infinity where one has NaN or infinity and the other has
    not. Raw keypoints may hold either."""
    same = (got == true) | (np.isnan(got) & np.isnan(true))
    off = np.abs(got[~same] - true[~same])
    return float(off.max(initial=0)) if np.isfinite(off).all() else np.inf


def _outputs(path: Path, signature: str, graph: int, inputs: Inputs) -> Iterator[Tensors]:
    """Yield, for each clip, a way to any tensor of a signature's run."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # A delegate computes several operators at once, and keeps nothing of what is between them.
    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    runner = interpreter.get_signature_runner(signature)
    wanted = runner.get_input_details()
    for clip in zip(inputs.keypoints, inputs.attention_mask, strict=True):
        runner(**arguments(*clip, wanted))
        yield lambda tensor: interpreter.get_tensor(tensor, graph)


def _sources(model: Any, graph: Any) -> dict[int, int]:
    """Return, for each tensor that only another type of numbers sets apart, the one that it was
    made of: the twin has no other types."""
    source: dict[int, int] = {}
    for op in graph.operators:
        if object_tree.kind_of(model, op) in CONVERSIONS:
            source[int(op.outputs[0])] = source.get(int(op.inputs[0]), int(op.inputs[0]))
    return source


def _is_real(tensor: Any) -> bool:
    return tensor.type in (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16) or _scaled(tensor)


def _scaled(tensor: Any) -> bool:
    return tensor.quantization is not None and tensor.quantization.scale is not None


def _real(values: NDArray[Any], tensor: Any) -> NDArray[np.float64]:
    """Return the numbers that the values of an activation stand for."""
    real = values.astype(np.float64)
    if _scaled(tensor):
        real = (real - tensor.quantization.zeroPoint[0]) * tensor.quantization.scale[0]
    return real


if __name__ == "__main__":
    serve(OperatorsJob, _run, framework="ai_edge_litert.interpreter", memory=4 << 30)
