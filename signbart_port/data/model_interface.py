"""The inputs and outputs of a model, or of a file made from it, and how they follow from each
other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import preprocessing

if TYPE_CHECKING:
    from signbart_port.config import SignBartConfig
    from signbart_port.data.model_inputs import Inputs


class Reads(Protocol):
    """The keypoints that a model reads, by its config or by the card of a file."""

    @property
    def layout(self) -> str: ...

    @property
    def joint_idx(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Interface:
    """The inputs and the output of a model or of a file made from it."""

    keypoints: int  # K of every frame
    preprocessing: bool = False  # whether keypoints are raw ones of the whole skeleton
    count_missing: bool = True  # the variant of normalization: see `preprocessing.normalize`
    probabilities: bool = False  # whether the output is probabilities instead of logits

    @property
    def output(self) -> str:
        return "probabilities" if self.probabilities else "logits"

    def prepared(self, inputs: Inputs, config: Reads) -> Inputs:
        """Return the model's inputs for the same clips."""
        if not self.preprocessing:
            return inputs
        clipped = preprocessing.clip(inputs.keypoints)
        normalized = preprocessing.normalize(clipped, count_missing=self.count_missing)
        return replace(inputs, keypoints=for_layout(normalized, config.layout, config.joint_idx))

    def prepare_clip(self, clip: NDArray[Any], config: Reads, frames: int) -> NDArray[np.float32]:
        """Return a raw clip (T, K or more, 2 or more), cut to `frames` frames, as it is read.

        Raises ValueError for a clip of fewer joints.
        """
        picks = not self.preprocessing and config.layout == "selected"
        needed = 1 + max(config.joint_idx) if picks else self.keypoints
        if clip.shape[1] < needed:
            raise ValueError(f"{clip.shape[1]} keypoints, the model reads {needed}")
        if self.preprocessing:
            return preprocessing.shorten(clip[:, : self.keypoints, :2].astype(np.float32), frames)
        clipped = preprocessing.shorten(preprocessing.clip(clip), frames)
        normalized = preprocessing.normalize(clipped, count_missing=self.count_missing)
        return for_layout(normalized, config.layout, config.joint_idx)[:, : self.keypoints]

    def output_of(self, logits: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the output (N, labels) that belongs to the logits of the model."""
        return softmax(logits) if self.probabilities else logits


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Turn logits (..., labels) into probabilities."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.floating] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def of_model(config: SignBartConfig) -> Interface:
    """Return the interface of the model itself: normalized keypoints in, logits out."""
    return Interface(config.keypoints, count_missing=config.count_missing)


def longest_clip(config: SignBartConfig) -> int:
    """Return how many frames of a long clip a model keeps."""
    return min(preprocessing.MOST_FRAMES, config.max_position_embeddings)


def for_layout(
    keypoints: NDArray[np.float32], layout: str, joint_idx: Sequence[int]
) -> NDArray[np.float32]:
    """Return keypoints (..., K, 2) of the whole skeleton in the layout that the model reads."""
    if layout == "full":
        return keypoints
    picked: NDArray[np.float32] = keypoints[..., list(joint_idx), :]
    return picked
