"""A model card in labeled lines, for people to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from signbart_port.config import joints as named_joints
from signbart_port.errors import first_of
from signbart_port.tflite.card import Card

_MOST_NAMES = 10


def card_facts(card: Card) -> Iterator[tuple[str, str]]:
    """Yield the facts on a model card, each with its label; a line without one goes on with the
    last. A stranger's card may say anything: whoever shows it escapes it."""
    if card.labels is not None:
        yield "label names", first_of(card.labels, _MOST_NAMES)
    counted = "count" if card.count_missing else "do not count"
    whole = "the whole skeleton" if card.layout == "full" else "the joints that it reads"
    frames = ", ".join(map(str, card.frames)) or f"1 to {card.longest}"
    if card.contract:
        frames = f"whole clips, by the contract {card.contract}; it keeps up to {card.longest}"
    fed = "raw, prepared in the graph" if card.preprocessing else f"normalized, {whole}"
    yield "takes", f"{frames} frames of {card.keypoints} keypoints, {fed}; missing points {counted}"
    yield "", f"it reads {named_joints.short(card.joint_idx)}"
    if card.skeleton or card.takes:
        raw = f"; raw keypoints are of {card.takes}" if card.takes else ""
        named = card.skeleton or "mediapipe"
        yield "", f"skeleton {named if isinstance(named, str) else json.dumps(named)}{raw}"
    yield "gives", f"{card.output}; quantization {card.quantization}"
    made_of = [f"{name} {sha256}" for name, sha256 in card.source.items()]
    yield from _labeled("made of", made_of or ["none"])
    proof = "equal to Keras" if card.proof["passed"] else "NOT EQUAL to Keras"
    origin = "proven" if card.proof["from_pytorch"] else "not proven"
    lengths = []
    for one in card.proof["lengths"]:
        same = "{} of {}".format(*one["same_class"])
        errors = f"error {one['error']:.1e}, limit {one['limit']:.1e}"
        lengths.append(f"{one['frames']} frames: {errors}; same class for {same} synthetic clips")
    lines = [f"{proof}; the .h5 {origin} against PyTorch", *lengths]
    yield from _labeled("proof", [*lines, *filter(None, [card.unproven])])
    if card.accuracy:
        of = f"of {card.accuracy['clips']} clips"
        scores = [
            f"{one['model']}: top-1 {one['top1']:.1%}, top-5 {one['top5']:.1%}, same prediction"
            f" {one['agreement']:.1%} {of}"
            for one in card.accuracy["scores"]
        ]
        yield from _labeled("accuracy", scores)
    yield "written by", f"signbart-port {card.version}"


def _labeled(label: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield "" if number else label, line
