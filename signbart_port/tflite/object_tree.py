"""The object tree of a .tflite: what flatbuffers makes of its bytes."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from signbart_port.errors import PortError, printable
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.refusal import naming

_LARGEST = 2 << 30
_MOST_TABLES = 1_000_000  # the sample's file has 794 a length
_LEAST_TABLE = 8  # bytes: its place in a vector, and its own first field
_LONGEST_VERSION = 16  # bytes, filled up with zeros
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_OPERATORS = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Yield the object tree (`schema.ModelT`) of a .tflite; every error inside becomes a
    PortError."""
    model_kind.check_kind(path, model_kind.ModelKind.TFLITE)
    if (size := path.stat().st_size) > _LARGEST:
        raise PortError(path, f"has {size:,} bytes, more than a .tflite can")
    with naming(path):  # damaged offsets provoke anything in the flatbuffer reader
        with open(path, "rb") as file:  # mapped: most of it are weights, which few look at
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        yield parsed(data)


def parsed(data: bytes | bytearray | mmap.mmap) -> Any:
    """Return the object tree of a .tflite's bytes; its buffers are views of them.

    Raises ValueError where its tables are more than its bytes can hold: many that are one.
    """
    root = schema.Model.GetRootAsModel(data, 0)
    most = min(len(data) // _LEAST_TABLE, _MOST_TABLES)
    if _tables(root, most) > most:
        raise ValueError("more tables than bytes for them")
    return schema.ModelT.InitFromObj(root)


def _tables(root: Any, most: int) -> int:
    """Return how many tables the object tree would have; once it is more than `most`, no more are
    counted."""
    count: int = root.OperatorCodesLength() + root.BuffersLength() + root.MetadataLength()
    for number in range(root.SubgraphsLength()):
        graph = root.Subgraphs(number)
        count += 1 + graph.TensorsLength() + graph.OperatorsLength()
        if count > most:
            return count
        for tensor in map(graph.Tensors, range(graph.TensorsLength())):
            count += tensor.VariantTensorsLength()
            if sparsity := tensor.Sparsity():
                count += sparsity.DimMetadataLength()
    for number in range(root.SignatureDefsLength()):
        one = root.SignatureDefs(number)
        count += 1 + one.InputsLength() + one.OutputsLength()
        if count > most:
            return count
    return count


def graph_of(model: Any, signature: str) -> Any:
    """Return the subgraph that a signature of an object tree runs."""
    return model.subgraphs[signatures(model)[signature].subgraphIndex]


def graphs_of(model: Any, signature: str) -> list[int]:
    """Return the numbers of the subgraphs that a signature runs: its own, and those that the
    operators in them call, such as the body of a loop."""
    found = [int(signatures(model)[signature].subgraphIndex)]
    for number in found:  # which grows
        for op in model.subgraphs[number].operators:
            found += [called for called in called_by(op).values() if called not in found]
    return found


def called_by(op: Any) -> dict[str, int]:
    """Return the numbers of the subgraphs that an operator calls, by the name of the option."""
    options = vars(op.builtinOptions) if op.builtinOptions is not None else {}
    called = {name: value for name, value in options.items() if "subgraph" in name.lower()}
    return {name: int(value) for name, value in called.items() if value >= 0}


def operators_of(model: Any, signature: str) -> Iterator[tuple[Any, Any]]:
    """Yield every operator that a signature runs, also in the bodies of loops, with its subgraph
    before it."""
    for number in graphs_of(model, signature):
        for op in model.subgraphs[number].operators:
            yield model.subgraphs[number], op


def signatures(model: Any) -> dict[str, Any]:
    """Return the signatures of an object tree, by name."""
    return {text(s.signatureKey): s for s in model.signatureDefs or []}


def order_signatures(model: Any, names: Sequence[str]) -> None:
    """Bring all signatures of an object tree, and the subgraphs that they run, into this order.

    A runner that is told no signature takes the first one (LiteRT.js), or the first subgraph (the
    interpreters of apps).
    """
    model.signatureDefs = [signatures(model)[name] for name in names]
    run = dict.fromkeys(int(one.subgraphIndex) for one in model.signatureDefs)
    order = [*run, *(number for number in range(len(model.subgraphs)) if number not in run)]
    model.subgraphs = [model.subgraphs[number] for number in order]
    for one in model.signatureDefs:
        one.subgraphIndex = order.index(one.subgraphIndex)
    for graph in model.subgraphs:
        for op in graph.operators:
            for option, called in called_by(op).items():
                setattr(op.builtinOptions, option, order.index(called))


def kind_of(model: Any, op: Any) -> str:
    """Return the name of an operator; a custom one is custom:NAME."""
    code = model.operatorCodes[op.opcodeIndex]
    if code.builtinCode == schema.BuiltinOperator.CUSTOM:
        return f"custom:{printable(text(code.customCode))}"
    return str(_OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)])


def runtime_of(model: Any) -> str | None:
    """Return the oldest version of TensorFlow Lite that has all operators of an object tree, in
    their versions: as the converter says in the file. None where it says nothing."""
    for entry in model.metadata or []:
        data = model.buffers[entry.buffer].data
        if text(entry.name) == "min_runtime_version" and data is not None:
            version = bytes(data[:_LONGEST_VERSION]).partition(b"\0")[0].decode("ascii", "replace")
            return version if _VERSION.fullmatch(version) else None
    return None


def text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
