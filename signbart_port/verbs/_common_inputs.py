"""What two model files are compared on: inputs that both take, and what their configs differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from signbart_port.config import SignBartConfig, joints
from signbart_port.data.model_inputs import Inputs
from signbart_port.errors import PortError
from signbart_port.model_files.model_file import ModelFile
from signbart_port.model_files.tflite_model import TFLiteModel
from signbart_port.pairs import signbart_cases as parity_inputs

_HEADS = ("encoder_attention_heads", "decoder_attention_heads")
_OF_INPUTS = ("joint_idx", "layout", "count_missing")
"""With the heads, the keys of a config that change what is computed, and no shape of a tensor. The
card of a .tflite has these too."""


def different_configs(reference: ModelFile, candidate: ModelFile) -> Iterator[str]:
    """Yield what two files say otherwise of what is computed: no tensor shows it."""
    ours, theirs = (
        one.card if isinstance(one, TFLiteModel) else one.config for one in (reference, candidate)
    )
    if ours is None or theirs is None:
        return
    of_both = isinstance(ours, SignBartConfig) and isinstance(theirs, SignBartConfig)
    for key in (*_HEADS, *_OF_INPUTS) if of_both else _OF_INPUTS:
        one, other = getattr(ours, key), getattr(theirs, key)
        if one != other:
            one, other = (_shown(key, value) for value in (one, other))
            yield (
                f"the configs differ: {key} {one} in {reference.path.name}, {other} in"
                f" {candidate.path.name}"
            )


def _shown(key: str, value: Any) -> str:
    return joints.short(value) if key == "joint_idx" else str(value)


def common_inputs(reference: ModelFile, candidate: ModelFile) -> Inputs:
    """Make inputs that both models take.

    Raises PortError where there are none.
    """
    if reference.labels != candidate.labels:
        raise PortError(
            candidate.path,
            f"has {candidate.labels} labels, {reference.path.name} has {reference.labels}",
        )
    ours, theirs = reference.interface, candidate.interface
    if reference.config is None and replace(ours, keypoints=theirs.keypoints) != theirs:
        raise PortError(
            candidate.path,
            f"takes or gives something else than {reference.path.name}",
            "Hold each against its .h5 or .pth",
        )
    _check_joints(reference, candidate)
    static = [model.frames for model in (reference, candidate) if model.frames]
    if len(set(static)) > 1:
        raise PortError(
            candidate.path, f"takes {static[1]} frames, {reference.path.name} {static[0]}"
        )
    longest = [m.config.max_position_embeddings for m in (reference, candidate) if m.config]
    frames = static[0] if static else min([parity_inputs.FRAMES, *longest])
    if longest and frames > min(longest):
        raise PortError(candidate.path, f"takes {frames} frames, {reference.path.name} fewer")
    if theirs.sampled_to is not None:  # a clip so long that frames of it are left out
        frames = 3 * theirs.sampled_to
    inputs = parity_inputs.make_read(theirs, frames)
    integer = any(model.precision.integer for model in (reference, candidate))
    return inputs.beginning_real() if integer else inputs


def _check_joints(reference: ModelFile, candidate: ModelFile) -> None:
    """Raise PortError unless both models read the same joints of the same skeleton."""
    ours, theirs = reference.interface, candidate.interface
    if ours.skeleton.groups != theirs.skeleton.groups:
        raise PortError(
            candidate.path,
            f"reads the skeleton {theirs.skeleton.name}, {reference.path.name} reads"
            f" {ours.skeleton.name}",
        )
    if reference.config is not None and theirs.preprocessing:
        if theirs.skeleton.points <= (largest := max(reference.config.joint_idx)):
            raise PortError(
                candidate.path,
                f"reads {theirs.skeleton.points} keypoints a frame, {reference.path.name} joint"
                f" {largest}",
            )
        return
    if ours.keypoints != theirs.keypoints:
        raise PortError(
            candidate.path,
            f"takes {theirs.keypoints} keypoints a frame, {reference.path.name} takes"
            f" {ours.keypoints}",
        )
    read = [len(m.config.joint_idx) for m in (reference, candidate) if m.config]
    if len(set(read)) > 1:
        raise PortError(
            candidate.path,
            f"reads {read[1]} joints of a frame, {reference.path.name} reads {read[0]}",
        )
