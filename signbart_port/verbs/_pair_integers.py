"""The integer files of a pair's model, and the cases that they are calibrated on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from signbart_port.errors import PortError, printable
from signbart_port.parity.pair import Signature
from signbart_port.system.progress import ProgressCallback
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export.activation_ranges import Ranges
from signbart_port.tflite_export.pair_conversion import Arrays, SignatureSpec
from signbart_port.tflite_export.pair_proof import PairProof
from signbart_port.tflite_export.pair_quantization import Calibration, quantize
from signbart_port.verbs._pair_models import PairModels


class PairIntegers:
    """The integer files that are made of `exact`, the float32 file of a pair's model.

    They are written into its folder. `named` is the model that errors are about.
    """

    def __init__(
        self, models: PairModels, signatures: Sequence[Signature], exact: Path, named: str
    ) -> None:
        self._models, self._signatures = models, signatures
        self._exact, self._named = exact, named
        self._files: dict[Quantization, Path] = {}

    def check_calibration(self) -> None:
        """Raise PortError for a signature without cases, and for a case that it cannot take."""
        _ = self._calibration

    @cached_property
    def _calibration(self) -> Calibration:
        """The batches on which every signature is calibrated."""
        return {one.name: list(_batches(self._models, one)) for one in self._signatures}

    @cached_property
    def ranges(self) -> Ranges:
        """The ranges of the float32 file's activations in the calibration."""
        return quantize(self._exact, self._calibration, {}, self._named)

    def file(self, mode: Quantization, progress: ProgressCallback) -> Path:
        """Return the file of a mode. Raises ProofError where there can be none."""
        if mode not in self._files:
            progress(f"Calibrating {mode.value}")
            out = self._exact.with_name(f"{mode.value}.tflite")
            self.ranges = quantize(self._exact, self._calibration, {mode: out}, self._named)
            self._files[mode] = out
        return self._files[mode]

    def compared_on(self, proof: PairProof) -> str:
        """Return in words what the calibration has in common with the cases of a proof."""
        compared = {
            one.name: [fitted.inputs for fitted in proof.fitted(SignatureSpec.of(one))]
            for one in self._signatures
        }
        seen, tried = (
            {(name, example) for name, batches in given.items() for example in _examples(batches)}
            for given in (self._calibration, compared)
        )
        common = len(seen & tried) or "none"
        return (
            f"calibrated on {len(seen)} examples, beyond whose ranges activations are cut off;"
            f" compared on {len(tried)}, {common} among them"
        )


def _batches(models: PairModels, signature: Signature) -> Iterator[Arrays]:
    pair, name = models.loaded.name, printable(signature.name)
    with models.named("tflite"):
        spec, cases = SignatureSpec.of(signature), tuple(signature.calibration)
    if not cases:
        what = f"has no calibration cases for its signature {name}, which integer modes need"
        raise PortError(pair, what, "Return Signature.of(case, calibration=cases) from tflite()")
    for case in cases:
        with models.named("tflite"):
            named, fitted = printable(case.name), spec.fitted(case)
        if fitted is None:
            takes = ", ".join(f"{key} {shape}" for key, shape in spec.shapes.items())
            what = f"its calibration case {named} does not fit the signature {name}: {takes}"
            raise PortError(pair, what, "Give it these inputs in tflite()")
        if not all(np.isfinite(array).all() for array in fitted.values()):
            what = f"its calibration case {named} has values that are not finite"
            raise PortError(pair, what, "Leave it out of tflite()")
        yield fitted


def _examples(batches: Sequence[Arrays]) -> Iterator[bytes]:
    """Yield the examples of batches, each by its values."""
    for batch in batches:
        count = max((len(array) for array in batch.values() if array.ndim), default=1)
        for number in range(count):
            yield b"".join(
                name.encode()
                + (array[number] if np.shape(array)[:1] == (count,) else array).tobytes()
                for name, array in sorted(batch.items())
            )
