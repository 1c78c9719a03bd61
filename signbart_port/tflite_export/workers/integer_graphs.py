"""What every model's way to integers shares: the ranges of activations, and ai-edge-quantizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from signbart_port.tflite import object_tree
from signbart_port.tflite.modes import ModeSpec
from signbart_port.tflite_export import packing

Range = dict[str, Any]  # "min" and "max", arrays
Examples = Mapping[str, Sequence[Mapping[str, NDArray[Any]]]]
"""The inputs of several runs, by signature."""


def measured(data: bytes, examples: Examples) -> dict[str, Range]:
    """Return the true minimum and maximum of every float activation of a file, by its name.

    The library's own calibration averages over the examples, which cuts peaks off, leaves out what
    is below -3e38, such as masks, and cannot look at a graph with a loop.
    """
    from ai_edge_litert.interpreter import Interpreter

    model = object_tree.parsed(data)
    interpreter = Interpreter(
        model_content=data, num_threads=1, experimental_preserve_all_tensors=True
    )
    ranges: dict[str, Range] = {}
    for signature, runs in examples.items():
        number = int(object_tree.signatures(model)[signature].subgraphIndex)
        activations = list(_activations(model, model.subgraphs[number]))
        runner = interpreter.get_signature_runner(signature)
        for inputs in runs:
            runner(**inputs)
            for place, name in activations:
                _widen(ranges, name, interpreter.get_tensor(place, number))
    return ranges


def _activations(model: Any, graph: Any) -> Iterator[tuple[int, str]]:
    """Yield the numbers and names of the float tensors that are read and are no constants: of a
    loop's results that nothing reads, there may be none."""
    read = {int(place) for op in graph.operators for place in op.inputs} | {*graph.outputs}
    for place in sorted(read - {-1}):
        tensor = graph.tensors[place]
        data = model.buffers[tensor.buffer].data
        if tensor.type == schema.TensorType.FLOAT32 and (data is None or not len(data)):
            yield int(place), name_of(tensor)


def _widen(ranges: dict[str, Range], name: str, values: NDArray[np.float32]) -> None:
    low, high = (f(values, keepdims=True) for f in (np.min, np.max))
    known = ranges.setdefault(name, {"min": low, "max": high})
    known["min"], known["max"] = np.minimum(known["min"], low), np.maximum(known["max"], high)


def recipe_of(spec: ModeSpec, in_float: Iterable[Sequence[str]]) -> Any:
    """Return the recipe of ai-edge-quantizer for a mode. Operators whose first output has one of
    the names `in_float`, in groups, stay in float32."""
    from ai_edge_quantizer import recipe, recipe_manager
    from ai_edge_quantizer.qtyping import TFLOperationName as Operator

    if spec.recipe is None:
        raise ValueError(f"{spec.help}: made by the converter alone")
    recipes = recipe_manager.RecipeManager()
    recipes.load_quantization_recipe(getattr(recipe, spec.recipe)())

    def keep(regex: str, operator: Any) -> None:
        recipes.add_quantization_config(
            regex=regex,
            operation_name=operator,
            algorithm_key=recipe.AlgorithmName.NO_QUANTIZE,
        )

    if not spec.integer_io:
        keep(".*", Operator.INPUT)
        keep(".*", Operator.OUTPUT)
    for names in filter(None, in_float):
        keep(f"^({'|'.join(map(re.escape, names))})(;|$)", Operator.ALL_SUPPORTED)
    return recipes.get_quantization_recipe()


def quantized(data: bytes, recipe: Any, ranges: dict[str, Range] | None) -> bytes:
    """Return a file whose operators compute with integers, as a recipe says."""
    from ai_edge_quantizer import quantizer

    made = bytes(quantizer.Quantizer(data, recipe).quantize(ranges).quantized_model)
    model = object_tree.parsed(made)
    packing.inline(model, made)
    return packing.pack(model)


def name_of(tensor: Any) -> str:
    """Return the name of a tensor."""
    name: str = tensor.name.decode()
    return name
