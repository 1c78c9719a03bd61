"""The batches of a training: which clips, in which order, with which augmentation.

All of it depends on the seed, the epoch and the clip alone, by NumPy. So both frameworks see the
same batches, however many processes share them, and so does a training that is resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data.augmentations import augment
from signbart_port.data.examples import Examples, Preparation
from signbart_port.data.preprocessing import Floats, pad

Indices = NDArray[np.int64]
_POOL = 16  # batches that are cut from clips sorted by length


@dataclass(frozen=True)
class Batch:
    """Clips of similar length, padded to the longest, or one process' part of them."""

    keypoints: Floats  # (B, T, K, 2)
    attention_mask: Floats  # (B, T)
    labels: NDArray[np.int64]  # (B,)
    weights: Floats  # (B,), float32: how much the loss of each clip counts
    size: int  # clips of the whole batch


@dataclass(frozen=True)
class Feed:
    """The batches of every epoch, each cut into `shards` equal parts for as many processes.

    The mean of the parts' weighted mean losses is the mean loss of the batch.
    """

    examples: Examples
    config: SignBartConfig
    batch_size: int
    seed: int
    augmented: bool = True  # whether clips are augmented
    shards: int = 1  # the number of equal parts of each batch

    @property
    def steps(self) -> int:
        """The number of batches of an epoch."""
        return -(-len(self.examples) // self.batch_size)

    def batches(self, epoch: int, shard: int = 0) -> Iterator[Batch]:
        """Yield one part of every batch of an epoch; epochs count from 1."""
        rng = np.random.default_rng([self.seed, epoch])
        for indices in bucketed(self.examples.lengths, self.batch_size, rng):
            here, weights = _part(indices, shard, self.shards)
            yield Batch(
                *pad(self._clips(here, epoch)), self.examples.targets[here], weights, len(indices)
            )

    def _clips(self, indices: Indices, epoch: int) -> list[Floats]:
        """Return the clips as a model reads them in this epoch."""
        clips = [self.examples.prepared[index] for index in indices]
        if self.augmented:
            drawn = [(n, self._drawn(int(index), epoch)) for n, index in enumerate(indices)]
            changed = [(n, clip) for n, clip in drawn if clip is not None]
            prepared = self._prepare([clip for _, clip in changed])
            for (n, _), clip in zip(changed, prepared, strict=True):
                clips[n] = clip
        return clips

    def _drawn(self, index: int, epoch: int) -> Floats | None:
        """Return the clip as this epoch changes it, or None if it is unchanged."""
        clip = self.examples.clips[index]
        rng = np.random.default_rng([self.seed, epoch, index])
        changed = augment(clip, rng, most=self.config.max_position_embeddings)
        return None if changed is clip else changed

    @cached_property
    def _prepare(self) -> Preparation:
        return Preparation(self.config)


def bucketed(lengths: NDArray[np.int64], size: int, rng: np.random.Generator) -> list[Indices]:
    """Return every clip once, in batches of `size` clips of similar length; one may be smaller.

    Clips are shuffled; as many as `_POOL` batches hold are sorted by length and cut into batches;
    these are shuffled.
    """
    order = rng.permutation(len(lengths))
    batches = list[Indices]()
    for start in range(0, len(order), _POOL * size):
        pool = order[start : start + _POOL * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    return [batches[number] for number in rng.permutation(len(batches))]


def _part(indices: Indices, shard: int, shards: int) -> tuple[Indices, Floats]:
    """Return part `shard` of a batch, and its clips' weights: if the parts would not be equal, some
    clips are taken twice, with a weight of 0."""
    part = -(-len(indices) // shards)
    here = np.arange(shard, part * shards, shards)
    weights = np.where(here < len(indices), part * shards / len(indices), 0).astype(np.float32)
    return indices[here % len(indices)], weights


def unchanged(examples: Examples, size: int) -> Iterator[Batch]:
    """Yield all clips in batches for evaluation, in their order and without augmentation."""
    for start in range(0, len(examples), size):
        part = slice(start, start + size)
        labels = examples.targets[part]
        yield Batch(
            *pad(examples.prepared[part]), labels, np.ones(len(labels), np.float32), len(labels)
        )


def shards_of(process: int, devices: int) -> Sequence[int]:
    """Return the parts of a batch that a process with several devices takes."""
    return range(process * devices, (process + 1) * devices)
