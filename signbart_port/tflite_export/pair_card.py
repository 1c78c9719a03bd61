"""The card of a pair's .tflite: where it comes from, and what was proven of it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from signbart_port.errors import ProofError
from signbart_port.model_files.pair_file import MEMBER
from signbart_port.parity.report import Report
from signbart_port.system.version import __version__
from signbart_port.tflite import metadata
from signbart_port.tflite.model_metadata import (
    AssociatedFile,
    FileType,
    ModelMetadata,
    TensorMetadata,
)
from signbart_port.tflite.modes import Precision, Quantization
from signbart_port.tflite_export.correspondence import correspond
from signbart_port.tflite_export.pair_proof import Proven

SCHEMA = 1


def facts(
    mode: Quantization, reports: Sequence[Report], made: Mapping[str, Proven], proven: bool
) -> dict[str, Any]:
    """Return what is said of the file itself, as plain data."""
    return {
        "quantization": mode.value,
        "signatures": {
            name: {
                "inputs": {key: list(one.shape) for key, one in signature.graph.inputs.items()},
                "outputs": {key: list(one.shape) for key, one in signature.graph.outputs.items()},
                **({"integers": found} if (found := signature.graph.integers) else {}),
            }
            for name, signature in made.items()
        },
        "proof": {
            "proven": proven,
            "cases": [report.summary() for report in reports],
            "graph": {
                name: one.correspondence.sentence()
                for name, one in made.items()
                if one.correspondence is not None
            },
            "drift": max(one.drift for one in made.values()),
            "errors": {name: dict(one.errors) for name, one in made.items() if one.errors},
            "in_float": dict(next(iter(made.values())).in_float),
        },
    }


def attach(data: bytes, said: Mapping[str, Any]) -> bytes:
    """Return a .tflite with its card, which TFLite's own metadata declares."""
    card = {
        "schema": SCHEMA,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **said,
        "versions": {"signbart-port": __version__},
    }
    pair = said["pair"]["name"]
    inputs, outputs = metadata.names_in_order(data)
    described = ModelMetadata(
        name=str(pair),
        description=(
            f"A model of the pair {pair}. {MEMBER} says what was proven of it. Written by"
            f" signbart-port {__version__}."
        ),
        version=__version__,
        inputs=tuple(TensorMetadata(name, "", ()) for name in inputs),
        outputs=tuple(TensorMetadata(name, "", ()) for name in outputs),
        files=(AssociatedFile(MEMBER, "What the model is made of.", FileType.DESCRIPTIONS),),
    )
    text = json.dumps(card, ensure_ascii=False, allow_nan=False)
    return metadata.with_files(data, described, {MEMBER: text})


def check_same_model(path: Path, data: bytes, signatures: Iterable[str]) -> None:
    """Raise ProofError unless the written file holds the model that was proven: the same graph,
    every constant equal in every bit."""
    written = path.read_bytes()
    for name in signatures:
        found = correspond(data, written, name, Precision.FLOAT32)
        if not found.same:
            raise ProofError(f"{path}: the written file is not what was proven: {found.sentence()}")
