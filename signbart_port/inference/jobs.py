"""The jobs of the workers that run models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.data.clip_format import AS_STORED, ClipFormat

WEIGHTS = "weights/"
"""Before the names of the arrays that are weights."""


@dataclass(frozen=True)
class FrameworkJob:
    """A model of a framework on batches of clips; these and the weights are the job's arrays."""

    config: Mapping[str, Any]
    batches: int


@dataclass(frozen=True)
class TFLiteJob:
    """A .tflite on clips, which are the job's arrays: raw ones, or prepared for one signature."""

    model: Path
    clips: tuple[Path, ...] = ()
    """The file of each raw clip, whose arrays are numbered."""
    form: ClipFormat = AS_STORED
    """What the user says of the raw clips."""
    signature: str | None = None
    """The signature that the prepared clips are for; None for raw ones."""
    timed: bool = False


@dataclass(frozen=True)
class TFLiteResult:
    """The answer of a .tflite, beside the arrays of its scores."""

    output: str
    """The kind of the scores: "logits" or "probabilities"."""
    signatures: tuple[str, ...] = ()
    """The signature that each raw clip was run by."""
    sampled_to: int | None = None
    """The most frames that the file keeps of a raw clip, where it chooses them itself."""
    milliseconds: float | None = None
    """The median time of one clip on one thread; None where it was not measured."""
