"""A float32 .tflite to one that computes with integers: ai-edge-quantizer, in a process of its own.

The ranges of the activations are those of real clips, the true minimum and maximum of each (the
library's default is a moving average, which cuts peaks off). They are taken once, on the longest
clips that the file has, and hold for every signature, so that all share their weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.data.model_inputs import Inputs
from signbart_port.system.serving import Arrays, Result, serve
from signbart_port.tflite import model_file, object_tree, signature_graph
from signbart_port.tflite_export.conversion import PREPROCESSING
from signbart_port.tflite_export.quantization import ROOM, Integers, QuantizerJob, module_of
from signbart_port.tflite_export.workers.integer_graphs import (
    Range,
    measured,
    name_of,
    quantized,
    recipe_of,
)

_NORM = re.compile(r"/(layernorm|\w+_layer_norm)")


def calibrated(data: bytes, saved: Path, clips: Inputs, bits: int) -> dict[str, Range]:
    """Return the range of every tensor of every signature, by name: as `saved`, where they are."""
    model = object_tree.parsed(data)
    longest = object_tree.graph_of(model, model_file.SIGNATURE)
    if any(_wiring(graph) != _wiring(longest) for graph in model.subgraphs):
        raise ValueError("cannot give one signature the ranges of another: their graphs differ")
    if saved.exists():
        ranges = {
            name: {edge: np.array(value, np.float32) for edge, value in one.items()}
            for name, one in json.loads(saved.read_text()).items()
        }
    else:
        ranges = measured(data, {model_file.SIGNATURE: _calibration_inputs(clips)})
        plain = {
            name: {edge: value.tolist() for edge, value in one.items()}
            for name, one in ranges.items()
        }
        saved.write_text(json.dumps(plain))
    _bound_scores(model, longest, ranges, ROOM[bits])
    return {
        name_of(other): ranges[name_of(tensor)]
        for graph in model.subgraphs
        for tensor, other in zip(longest.tensors, graph.tensors, strict=True)
        if name_of(tensor) in ranges
    }


def _calibration_inputs(inputs: Inputs) -> list[dict[str, NDArray[np.float32]]]:
    """Return the calibration clips, each as a signature takes it.

    Where all are as long as the file reads, the first half of one besides: of a mask that never
    hides anything, there would be no range to hide something in.
    """
    clips = [*zip(inputs.keypoints, inputs.attention_mask, strict=True)]
    frames = inputs.attention_mask.shape[1]
    if inputs.attention_mask.all() and frames > 1:
        real = (np.arange(frames) < frames // 2).astype(np.float32)
        clips.append((inputs.keypoints[0] * real[:, None, None], real))
    return [{"keypoints": clip[None], "attention_mask": mask[None]} for clip, mask in clips]


def _wiring(graph: Any) -> list[tuple[int, list[int], list[int]]]:
    """Return, by numbers, which operators take which floats from which others."""

    def floats(numbers: Any) -> list[int]:
        return [n for n in numbers if n < 0 or graph.tensors[n].type == schema.TensorType.FLOAT32]

    return [(op.opcodeIndex, floats(op.inputs), floats(op.outputs)) for op in graph.operators]


def _bound_scores(model: Any, graph: Any, ranges: Mapping[str, Range], room: float) -> None:
    """Cut the range of every masked score to what softmax can tell apart.

    What a mask adds would else take most of the steps of an integer.
    """
    made_by = {int(op.outputs[0]): op for op in graph.operators}
    for op in graph.operators:
        if object_tree.kind_of(model, op) != "SOFTMAX" or int(op.inputs[0]) not in made_by:
            continue
        added = made_by[int(op.inputs[0])]
        if object_tree.kind_of(model, added) != "ADD":
            continue  # the probabilities of the labels
        masked = ranges[name_of(graph.tensors[op.inputs[0]])]
        lows = [ranges[name_of(graph.tensors[place])]["min"] for place in added.inputs]
        masked["min"] = np.maximum(masked["min"], max(float(low.min()) for low in lows) - room)


def _in_float(model: Any, job: Integers) -> Iterator[list[str]]:
    """Yield the names of all tensors that are computed in float, a list for a signature. Of the
    kept modules themselves, not of those inside. The preparation of raw keypoints in any case: its
    divisions are not for integers. And of a wide integer graph the layer norms: LiteRT has no int16
    form of some of their operators, and cut in pieces they lose thirteen times as much as all the
    rest."""
    wide = job.quantization.spec.precision.spec.activation_bits == 16
    for graph in model.subgraphs:
        names = []
        for op in graph.operators:
            name = name_of(graph.tensors[op.outputs[0]])
            weights = object_tree.kind_of(model, op) == "FULLY_CONNECTED"
            kept = module_of(name) in job.kept and (job.with_weights or not weights)
            norm = (
                wide
                and _NORM.search(name)
                and object_tree.kind_of(model, op) not in signature_graph.PRODUCTS
            )
            prepared = name.startswith(f"{PREPROCESSING}/")
            if kept or norm or prepared:
                names.append(name)
        yield names


def _run(job: QuantizerJob, arrays: Arrays) -> Result:
    data, integers = job.source.read_bytes(), job.integers
    spec = integers.quantization.spec
    bits = spec.precision.spec.activation_bits
    ranges = calibrated(data, job.ranges, Inputs.from_arrays(arrays), bits) if arrays else None
    recipe = recipe_of(spec, _in_float(object_tree.parsed(data), integers))
    job.out.write_bytes(quantized(data, recipe, ranges))
    return None, {}


if __name__ == "__main__":
    serve(QuantizerJob, _run, framework="ai_edge_quantizer", memory=8 << 30)
