"""Run a .tflite on clips as a detector gives them. Needs NumPy and ai-edge-litert alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import preprocessing
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.errors import PortError, printable
from signbart_port.tflite import gislr, metadata, quantized_io
from signbart_port.tflite.arguments import arguments
from signbart_port.tflite.card import OUTPUTS, Card, without_card

NO_CARD = (
    "has no model card: taken for a model of the whole skeleton, its clips prepared as"
    " published, its labels unknown"
)
_INPUTS = {"attention_mask": 2, "keypoints": 4}  # and their dimensions


def card_notes(path: Path, card: Card | None) -> tuple[str, ...]:
    """Return what a person should know of a file with this card before using its results."""
    return () if card else (f"{path.name} {NO_CARD}",)


@dataclass(frozen=True)
class SignatureInputs:
    """A clip as a signature reads it: `keypoints` (1, T, K, 2) and `attention_mask` (1, T), before
    they become integers where the file wants those, or the input of another contract."""

    signature: str
    keypoints: NDArray[np.float32]
    attention_mask: NDArray[np.float32]


class Runner:
    """A .tflite, ready for clips of any length: each goes to the shortest signature that takes it,
    or shortened to the longest.

    `card` is what the file says of itself, or what it is taken for where it says nothing: then
    `notes` say so. Raises PortError for a file that cannot be run. One that is damaged can crash
    the interpreter, and Python with it: use `inference.logits` for files of strangers.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        self.path = Path(path)
        card = metadata.read(self.path)
        try:
            self._signatures = _opened(self.path, threads)
        except PortError:
            raise
        except Exception as error:  # whatever the interpreter says of a damaged file
            what = f"the LiteRT interpreter cannot run it ({printable(error)})"
            raise PortError(self.path, what) from None
        contract = self._signatures[-1].contract
        if contract and card is None:
            what = f"is of the contract {contract}, and has no card that says what it reads"
            raise PortError(self.path, what, "Make it with signbart-port tflite")
        found = _card(self._signatures)
        if card and contract:  # whose output does not say what it is
            found = replace(found, output=card.output)
        for name in ("keypoints", "frames", "output", "contract"):
            if card and getattr(card, name) != getattr(found, name):
                raise PortError(self.path, f"has other {name} than its card says")
        if card and card.labels is not None and len(card.labels) != self.classes:
            what = f"gives {self.classes} classes, its card names {len(card.labels)}"
            raise PortError(self.path, what)
        self.card = card or found
        self.notes = card_notes(self.path, card)
        self._interface = self.card.interface_of(self.path)

    @property
    def classes(self) -> int:
        return int(self._signatures[-1].result["shape_signature"][-1])

    def prepare(self, clip: NDArray[Any], form: ClipFormat = AS_STORED) -> SignatureInputs:
        """Prepare a raw clip (T, K, 2 or more) of this format, and pad it to a signature.

        Raises ValueError for a clip of another skeleton than the model's.
        """
        most = len(clip) if self.card.contract else self.card.most_frames
        read = self._interface.prepare_clip(clip, self.card, most, form)
        fitting = [s for s in self._signatures if s.frames is None or s.frames >= len(read)]
        keypoints, mask = preprocessing.pad([read], fitting[0].frames)
        return SignatureInputs(fitting[0].name, keypoints, mask)

    def run(self, inputs: SignatureInputs) -> NDArray[np.float32]:
        """Return the output for a prepared clip, (classes,): logits or probabilities, see
        `card.output`."""
        signature = next(s for s in self._signatures if s.name == inputs.signature)
        given = arguments(inputs.keypoints[0], inputs.attention_mask[0], signature.inputs)
        try:
            outputs = signature.run(**given)
        except Exception as error:
            what = f"the LiteRT interpreter cannot run it ({printable(error)})"
            raise PortError(self.path, what) from None
        scores: NDArray[np.float32] = quantized_io.dequantize(
            outputs[signature.output], signature.result
        )
        return scores.reshape(-1)

    def scores(self, clip: NDArray[Any]) -> NDArray[np.float32]:
        """Return the output for a raw clip, (classes,): logits or probabilities, see `card.output`.

        Raises ValueError as `prepare` does.
        """
        return self.run(self.prepare(clip))


@dataclass(frozen=True)
class _Signature:
    name: str
    run: Any
    inputs: dict[str, quantized_io.Details]
    output: str
    result: quantized_io.Details

    @property
    def contract(self) -> str | None:
        """See `Card.contract`."""
        return gislr.contract_of(self.inputs)

    @property
    def keypoints(self) -> int:
        """The number of points of a frame."""
        return int(gislr.keypoints_of(self.inputs)["shape_signature"][-2])

    @property
    def frames(self) -> int | None:
        """The number of frames; None if it is set at run time."""
        if self.contract:
            return None
        frames = int(self.inputs["keypoints"]["shape_signature"][1])
        return frames if frames >= 0 else None


def _opened(path: Path, threads: int) -> list[_Signature]:
    """Return the signatures of a file, the shortest first."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    signatures = []
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if not (_of_signbart(inputs, outputs) or _of_gislr(inputs, outputs)):
            got = printable(", ".join([*inputs, "->", *outputs]))
            raise PortError(path, f"is not a SignBART: its signature is {got}")
        ((output, result),) = outputs.items()
        signatures.append(_Signature(name, runner, inputs, output, result))
    if not signatures:
        raise PortError(path, "is not a SignBART: it has no signature")
    return sorted(signatures, key=lambda one: one.frames or 0)


def _of_signbart(
    inputs: dict[str, quantized_io.Details], outputs: dict[str, quantized_io.Details]
) -> bool:
    ranks = {name: len(details["shape_signature"]) for name, details in inputs.items()}
    if ranks != _INPUTS or inputs["keypoints"]["shape_signature"][2] < 1 or len(outputs) != 1:
        return False
    ((output, result),) = outputs.items()
    return output in OUTPUTS and len(result["shape_signature"]) == 2


def _of_gislr(
    inputs: dict[str, quantized_io.Details], outputs: dict[str, quantized_io.Details]
) -> bool:
    shapes = (
        {name: one["shape_signature"].tolist() for name, one in edge.items()}
        for edge in (inputs, outputs)
    )
    return gislr.is_signature(*shapes)


def _card(signatures: Sequence[_Signature]) -> Card:
    """Return a card of what the signatures themselves tell, with the usual values for the rest."""
    found = without_card(
        keypoints=signatures[-1].keypoints,
        frames=tuple(one.frames for one in signatures if one.frames is not None),
        output=signatures[-1].output,
    )
    return replace(found, contract=signatures[-1].contract)
