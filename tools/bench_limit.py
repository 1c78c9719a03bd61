"""The distance to the limit: an emitted file against its bare matrix products.

The products are the file's own FULLY_CONNECTED and BATCH_MATMUL, with the same weights, shapes and
types, in a .tflite of nothing else; what they read from other operators is an input of that file.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from bench_runners import available, ours
from bench_turns import medians
from signbart_port.tflite import model_file, object_tree
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import packing

PRODUCTS = frozenset({"FULLY_CONNECTED", "BATCH_MATMUL"})
_SMALL = 0.02  # of the whole: kinds of operators below it are not listed


def columns() -> Table:
    return Table(
        *("model", "file", "operators", "how many", "time", "of the whole"),
        title="distance to the limit: kinds of operators alone, 64 frames, one thread",
    )


def bench(
    name: str, checkpoint: Path, frames: int, rounds: int, table: Table, say: Callable[[str], None]
) -> None:
    """Add rows to `table`: those of `shares`, for ours in float32 and dynamic."""
    modes = {
        f"tflite {mode.value}": partial(ours, checkpoint, mode, [frames])
        for mode in (Quantization.NONE, Quantization.DYNAMIC)
    }
    for runner in available(modes, say):
        shares(name, runner.file, rounds, table)


def shares(name: str, file: Path, rounds: int, table: Table) -> None:
    """Add rows to `table`: the whole, its matrix products, and each kind of operator by itself.

    By themselves operators read and write more memory than among the others: the shares add up to
    more than 1.
    """
    data = file.read_bytes()
    kinds = operators(data)
    wanted: dict[str, Set[str]] = {"all": set(kinds), "matrix products": PRODUCTS & set(kinds)}
    wanted |= {kind: {kind} for kind in kinds}
    calls = {label: _running(only(data, ops)) for label, ops in wanted.items()}
    seconds = medians(calls, rounds)
    whole = seconds["all"]
    for label in sorted(seconds, key=seconds.__getitem__, reverse=True):
        if seconds[label] >= _SMALL * whole:
            count = sum(kinds[kind] for kind in wanted[label])
            spent = f"{1e3 * seconds[label]:.2f} ms"
            table.add_row(
                name, file.stem, label, str(count), spent, f"{seconds[label] / whole:.0%}"
            )


def operators(data: bytes) -> dict[str, int]:
    """Return the kinds of operators in the longest signature of a .tflite, and how many there
    are."""
    model = object_tree.parsed(data)
    kinds: dict[str, int] = {}
    for op in object_tree.graph_of(model, model_file.SIGNATURE).operators:
        kind = object_tree.kind_of(model, op)
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def only(data: bytes, kinds: Set[str]) -> bytes:
    """Return a .tflite of the operators of these kinds alone, out of the longest signature.

    All that nothing else makes or reads are its inputs and outputs.
    """
    model = object_tree.parsed(data)
    graph = object_tree.graph_of(model, model_file.SIGNATURE)
    kept = [op for op in graph.operators if object_tree.kind_of(model, op) in kinds]
    made = {place for op in kept for place in op.outputs}
    read = {place for op in kept for place in op.inputs if place >= 0}
    inputs = [place for place in read - made if not _constant(model, graph.tensors[place])]
    graph.operators = kept
    graph.inputs = np.array(sorted(inputs), np.int32)
    graph.outputs = np.array(sorted(made - read), np.int32)
    model.subgraphs, model.signatureDefs, model.metadata = [graph], [], []
    return packing.pack(model)


def _constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _running(data: bytes) -> Callable[[], None]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        values = random.random(tuple(details["shape"]))
        interpreter.set_tensor(details["index"], np.asarray(values, details["dtype"]))
    invoke: Callable[[], None] = interpreter.invoke
    return invoke
