"""The cost of the matrix products of a .tflite."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from signbart_port.tflite import model_file, object_tree, signature_graph


def flops(path: Path) -> dict[int, int]:
    """Return the operations of one clip by the number of frames of a signature, as
    `flops.of_forward` counts them, integer ones too: what the file computes, less than the model
    where its last layer computes the classified frame alone.

    A signature whose number of frames is set at run time has none. Raises PortError for a damaged
    file.
    """
    lengths = model_file.read(path).lengths
    with object_tree.opened(path) as model:
        return {
            frames: sum(
                _cost(graph, op, object_tree.kind_of(model, op))
                for graph in [object_tree.graph_of(model, signature)]
                for op in graph.operators
            )
            for signature, frames in lengths.items()
            if frames is not None
        }


def _cost(graph: Any, op: Any, kind: str) -> int:
    if kind not in signature_graph.PRODUCTS:
        return 0
    # The rows of a fully connected layer's weights are its outputs.
    across = kind == "BATCH_MATMUL" and op.builtinOptions.adjX
    inner = int(graph.tensors[op.inputs[0]].shape[-2 if across else -1])
    return 2 * inner * prod(int(size) for size in graph.tensors[op.outputs[0]].shape)
