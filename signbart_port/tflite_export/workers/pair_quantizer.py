"""A pair's float32 .tflite to one that computes with integers, in a process of its own.

The file that is proven is quantized, not a second conversion. What integers cannot hold stays in
float32: the loops, in which no range can be measured; what reads or makes values that are not
finite; and a softmax of scores whose steps would be coarse, with what masks them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite import object_tree
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import packing
from signbart_port.tflite_export.activation_ranges import grid_for
from signbart_port.tflite_export.pair_quantization import PairQuantizerJob, key_of
from signbart_port.tflite_export.workers.integer_graphs import (
    Range,
    measured,
    name_of,
    quantized,
    recipe_of,
)
from signbart_port.tflite_export.workers.signature_runner import examples_of

_COARSEST = 1.0
"""The largest step of a softmax's scores: one of them is a factor of e in a probability."""


def _run(job: PairQuantizerJob, arrays: Arrays) -> Result:
    model = object_tree.parsed(job.source.read_bytes())
    data = _with_names(model)
    ranges = measured(data, _examples(job, arrays))
    finite = {name: one for name, one in ranges.items() if _finite(one)}
    for mode, path in job.files.items():
        spec = Quantization(mode).spec
        kept = _in_float(model, ranges, spec.precision.spec.activation_bits)
        path.write_bytes(quantized(data, recipe_of(spec, kept), finite))
    return None, {
        str(number): _table(graph, ranges) for number, graph in enumerate(model.subgraphs)
    }


def _with_names(model: Any) -> bytes:
    """Give every tensor a name that no other has, as the quantizer wants it; `pack` cuts off the
    part that is added."""
    for number, graph in enumerate(model.subgraphs):
        named = {*graph.inputs, *graph.outputs}
        for place, tensor in enumerate(graph.tensors):
            if place not in named:
                tensor.name = b"%s:%d.%d" % (tensor.name or b"tensor", number, place)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), packing.IDENTIFIER)
    return bytes(builder.Output())


def _examples(job: PairQuantizerJob, arrays: Arrays) -> dict[str, list[Arrays]]:
    """Return the inputs of every run, by signature."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(job.source))
    runs: dict[str, list[Arrays]] = {}
    for number, (signature, names) in enumerate(job.batches):
        takes = interpreter.get_signature_runner(signature).get_input_details()
        batch = {name: arrays[key_of(number, name)] for name in names}
        runs.setdefault(signature, []).extend(examples_of(batch, takes))
    return runs


def _in_float(model: Any, ranges: Mapping[str, Range], bits: int) -> Iterator[list[str]]:
    """Yield the names of what stays in float32, a list for each subgraph."""
    runs = {int(one.subgraphIndex) for one in object_tree.signatures(model).values()}
    for number, graph in enumerate(model.subgraphs):
        names = [name_of(tensor) for tensor in graph.tensors]
        if number in runs:
            unfit = {
                n for n, name in enumerate(names) if name in ranges and not _finite(ranges[name])
            }
            unfit |= _coarse_scores(model, graph, ranges, bits)
            kept = [
                op.outputs[0]
                for op in graph.operators
                if unfit & {*op.inputs, *op.outputs}
                or (bits == 16 and _weights_first(model, graph, op))
            ]
        else:  # a loop, whose inputs and outputs count as operators
            kept = [*(op.outputs[0] for op in graph.operators), graph.inputs[0], graph.outputs[0]]
        yield [names[place] for place in kept]


def _coarse_scores(model: Any, graph: Any, ranges: Mapping[str, Range], bits: int) -> set[int]:
    """Return the tensors that softmax reads in steps that are too coarse, as those of masked scores
    are, and those that these are made of, as far as they are as coarse."""
    made_by = {int(place): op for op in graph.operators for place in op.outputs}
    left = [
        int(op.inputs[0]) for op in graph.operators if object_tree.kind_of(model, op) == "SOFTMAX"
    ]
    coarse: set[int] = set()
    while left:
        place = left.pop()
        found = ranges.get(name_of(graph.tensors[place]))
        if found is None or not _finite(found) or place in coarse:
            continue
        if grid_for(float(found["min"].min()), float(found["max"].max()), bits).size > _COARSEST:
            coarse.add(place)
            left += [int(n) for n in made_by[place].inputs] if place in made_by else []
    return coarse


def _weights_first(model: Any, graph: Any, op: Any) -> bool:
    """Return whether an operator multiplies weights by an activation: of int16 LiteRT takes them
    the other way about alone."""
    first = model.buffers[graph.tensors[op.inputs[0]].buffer].data
    return object_tree.kind_of(model, op) == "BATCH_MATMUL" and first is not None and len(first) > 0


def _finite(one: Range) -> bool:
    return bool(np.isfinite(one["min"]).all() and np.isfinite(one["max"]).all())


def _table(graph: Any, ranges: Mapping[str, Range]) -> NDArray[np.float32]:
    """Return the ranges of the tensors of a subgraph, see `activation_ranges.Ranges`."""
    table = np.full((len(graph.tensors), 2), np.nan, np.float32)
    for place, tensor in enumerate(graph.tensors):
        if (one := ranges.get(name_of(tensor))) is not None:
            table[place] = one["min"].min(), one["max"].max()
    return table


if __name__ == "__main__":
    serve(PairQuantizerJob, _run, framework="ai_edge_quantizer", memory=8 << 30)
