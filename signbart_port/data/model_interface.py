"""The inputs and outputs of a model, or of a file made from it, and how they follow from each
other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from signbart_port.config.skeletons import MEDIAPIPE_75, Skeleton
from signbart_port.data import clip_fitting, preprocessing
from signbart_port.data.clip_fitting import Selection
from signbart_port.data.clip_format import AS_STORED, ClipFormat

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
    skeleton: Skeleton = MEDIAPIPE_75  # the one whose groups are normalized
    takes: Skeleton | None = None  # with preprocessing: the one of raw clips, if it is another
    sampled_to: int | None = None  # with preprocessing: where the file takes whole clips without a
    # mask, the most frames that it keeps of one

    @property
    def output(self) -> str:
        return "probabilities" if self.probabilities else "logits"

    def prepared(self, inputs: Inputs, config: Reads) -> Inputs:
        """Return the model's inputs for the same clips."""
        if not self.preprocessing:
            return inputs
        if self.sampled_to is not None:
            inputs = inputs.shortened(self.sampled_to)
        keypoints = inputs.keypoints
        if way := self.selection(config):
            keypoints = way.of(keypoints)
        normalized = self._normalized(preprocessing.clip(keypoints))
        return replace(inputs, keypoints=for_layout(normalized, config.layout, config.joint_idx))

    def selection(self, config: Reads) -> Selection | None:
        """Return what the graph selects of raw clips before it normalizes them, if anything."""
        named = ClipFormat(self.takes.name) if self.takes else AS_STORED
        return clip_fitting.selection(named, self.skeleton, config.joint_idx)

    def reads(self, config: Reads) -> tuple[Skeleton, tuple[int, ...]]:
        """Return the skeleton that a raw clip must have, and the joints that are read of it."""
        if (way := self.selection(config)) is None:
            return self.takes or self.skeleton, config.joint_idx
        indices = way.indices
        joints = (indices[point] for point in self.skeleton.read_by(config.joint_idx))
        return way.given, tuple(joints)

    def prepare_clip(
        self, clip: NDArray[Any], config: Reads, frames: int, form: ClipFormat = AS_STORED
    ) -> NDArray[np.float32]:
        """Return a raw clip (T, K, 2 or more) of this format, cut to `frames` frames, as it is
        read.

        Raises ValueError for a clip of another skeleton.
        """
        fitted = clip_fitting.fit(clip, form, *self.reads(config))
        if self.preprocessing:
            return preprocessing.shorten(fitted[:, : self.keypoints, :2].astype(np.float32), frames)
        clipped = preprocessing.shorten(preprocessing.clip(fitted), frames)
        read = for_layout(self._normalized(clipped), config.layout, config.joint_idx)
        return read[:, : self.keypoints]

    def _normalized(self, keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
        return preprocessing.normalize(
            keypoints, count_missing=self.count_missing, skeleton=self.skeleton
        )

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
    skeleton = config.whole_skeleton
    return Interface(config.keypoints, count_missing=config.count_missing, skeleton=skeleton)


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
