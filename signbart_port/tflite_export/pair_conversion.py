"""The jobs that make a .tflite of a pair's Keras model, and run one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import ProofError
from signbart_port.parity.pair import Case, Signature
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import FailureKind, Limits, Worker, WorkerFailed

_CONVERTER = "signbart_port.tflite_export.workers.pair_converter"
_RUNNER = "signbart_port.tflite_export.workers.signature_runner"
_SECONDS = 900
_MEMORY = 40
"""The times the size of the weights that a conversion may take."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class SignatureSpec:
    """A signature that a file gets: its inputs and outputs by name."""

    name: str
    shapes: Mapping[str, tuple[int | None, ...]]
    dtypes: Mapping[str, str]
    outputs: tuple[str, ...]
    """The names of the outputs: of one, whatever the pair compares; of several, those parts of what
    the model returns."""

    @classmethod
    def of(cls, signature: Signature) -> SignatureSpec:
        """Return a pair's signature without its cases."""
        dtypes = {name: signature.dtypes.get(name, "float32") for name in signature.inputs}
        return cls(signature.name, dict(signature.inputs), dtypes, tuple(signature.outputs))

    def fitted(self, case: Case) -> Arrays | None:
        """Return the inputs of a case as the signature takes them, an example after the other where
        it takes one; None where they do not fit."""
        if case.keras.keys() != self.shapes.keys():
            return None
        fitted = {}
        for name, array in case.keras.items():
            shape, dtype = self.shapes[name], np.dtype(self.dtypes[name])
            whole = (None if shape and shape[0] == 1 else shape[0], *shape[1:]) if shape else ()
            fits = len(shape) == array.ndim and all(
                want in (None, have) for want, have in zip(whole, array.shape, strict=True)
            )
            cast = array.astype(dtype)
            exact = np.issubdtype(array.dtype, np.floating) or np.array_equal(cast, array)
            if not fits or not exact:
                return None
            fitted[name] = cast
        return fitted


@dataclass(frozen=True)
class PairConverterJob:
    """A conversion of a pair's Keras model, whose weights are the job's arrays, by path."""

    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    signatures: tuple[SignatureSpec, ...]
    files: Mapping[str, Path]
    """The file to write for each mode, by its name."""


@dataclass(frozen=True)
class SignatureJob:
    """A signature of a .tflite on the job's arrays, its inputs by name."""

    model: Path
    signature: str
    timed: bool = False


@dataclass(frozen=True)
class SignatureResult:
    """The answer, beside the arrays of the outputs by name."""

    milliseconds: float | None = None
    """The median time of one run on one thread; None where it was not measured."""


@dataclass(frozen=True)
class Ran:
    """What a signature gave."""

    outputs: Arrays = field(repr=False)
    milliseconds: float | None


def convert(job: PairConverterJob, weights: Arrays, program: str, named: str) -> None:
    """Write the files of a job. `program` stands for what the process has imported, see `lent`.

    Raises ProofError, on the model `named` so, where the converter gives up.
    """
    size = sum(array.nbytes for array in weights.values())
    with lent(_CONVERTER, program=program) as worker:
        worker.send(job, Limits(_SECONDS, memory=_MEMORY * size), weights)
        _answer(worker, named, "TensorFlow's converter")


def run(path: Path, signature: str, inputs: Arrays, named: str, *, timed: bool = False) -> Ran:
    """Run a signature of a file on a batch. Raises ProofError where the interpreter refuses it."""
    # A .tflite may leave its process in any state: no other file is run there.
    with lent(_RUNNER, program=str(path)) as worker:
        job = SignatureJob(path.resolve(), signature, timed)
        worker.send(job, Limits(_SECONDS, _MEMORY * path.stat().st_size), inputs)
        answer = _answer(worker, named, "the LiteRT interpreter")
        return Ran(dict(answer.arrays), answer.read(SignatureResult).milliseconds)


def _answer(worker: Worker, named: str, who: str) -> Any:
    try:
        return worker.answer()
    except WorkerFailed as failed:
        if failed.failure.kind is FailureKind.REFUSED:  # such as a full temporary folder
            raise failed.error(named, who) from None
        raise ProofError(f"{named}: {who} {failed}") from None
