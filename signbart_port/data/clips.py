"""Real clips for a .tflite: to calibrate it on, and to test it with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.data import clip_fitting, coordinates, preprocessing
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.dataset import Bad, Dataset, Entry, load, open_dataset
from signbart_port.data.labels import normalized
from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import Interface, Reads
from signbart_port.data.selection import stratified
from signbart_port.errors import PortError, printable

ENOUGH = 100
"""Clips that calibration should have: fewer do not show the ranges of a model's activations."""


@dataclass(frozen=True)
class RealClips:
    """Clips as the detector gave them, (T, K, 2 or more) each, with their entries."""

    entries: tuple[Entry, ...]
    labels: tuple[str, ...]
    keypoints: Sequence[NDArray[Any]]
    frames: tuple[int, ...]
    """Of each clip."""
    bad: tuple[Bad, ...]
    notes: tuple[str, ...] = ()
    """On the dataset and its samples, and on the choice of the split."""
    form: ClipFormat = AS_STORED

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(entry.path.stem for entry in self.entries)

    @property
    def targets(self) -> NDArray[np.int64]:
        return np.array([entry.id for entry in self.entries])

    def pick(self, indices: Sequence[int]) -> RealClips:
        """Return the clips at `indices`."""
        entries = tuple(self.entries[index] for index in indices)
        keypoints = tuple(self.keypoints[index] for index in indices)
        frames = tuple(self.frames[index] for index in indices)
        return replace(self, entries=entries, keypoints=keypoints, frames=frames)

    def parts(self, frames: int) -> Iterator[RealClips]:
        """Yield the clips in their order, so many that they have at most `frames` frames together,
        or one."""
        part, total = list[int](), 0
        for index, own in enumerate(self.frames):
            if part and total + own > frames:
                yield self.pick(part)
                part, total = [], 0
            part.append(index)
            total += own
        yield self.pick(part)

    def inputs(
        self, interface: Interface, config: SignBartConfig, frames: int, padded: int | None = None
    ) -> Inputs:
        """Return the clips, cut to `frames` frames each, as a model of this interface reads
        them."""
        clips = [interface.prepare_clip(clip, config, frames, self.form) for clip in self.keypoints]
        keypoints, mask = preprocessing.pad(clips, padded)
        return Inputs(self.names, keypoints, mask)

    def check(self, interface: Interface, config: Reads) -> None:
        """Raise PortError unless a model of this interface can read the clips: all have the same
        points."""
        try:
            interface.prepare_clip(self.keypoints[0], config, 1, self.form)
        except ValueError as error:
            raise PortError(self.entries[0].path, str(error)) from None

    def notes_for(self, interface: Interface, config: Reads) -> tuple[str, ...]:
        """Return `notes`, how a model of this interface reads the clips, and what in them may
        surprise."""
        skeleton, joints = interface.reads(config)
        given = self.form.skeleton_of(self.keypoints[0].shape[1], skeleton)
        surprises = coordinates.Surprises(given, self.form.stated)
        for clip in self.keypoints:
            surprises.add(clip_fitting.in_parts(clip, self.form))
        return (
            *self.notes,
            *clip_fitting.notes(self.form, skeleton, joints),
            *surprises.notes(),
        )

    def by_length(self, lengths: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        """Yield each of these lengths with the indices of the clips for which it is the smallest
        that fits, or the longest there is."""
        ordered = sorted(lengths)
        frames = np.minimum(self.frames, ordered[-1])
        smallest = np.searchsorted(ordered, frames)
        for position, length in enumerate(ordered):
            if len(indices := np.flatnonzero(smallest == position).tolist()):
                yield length, indices


def of_split(
    dataset: Dataset,
    config: SignBartConfig,
    *,
    test: bool,
    skip_bad: bool,
    form: ClipFormat = AS_STORED,
) -> RealClips:
    """Return the clips of the usual split, for a model of this config.

    Raises PortError for a dataset whose labels are not the model's, and for bad samples, which
    `skip_bad` leaves out.
    """
    check_labels(dataset, config.num_labels)
    split = usual_split(dataset, test=test)
    clips = loaded(dataset, dataset.split(split), skip_bad=skip_bad, form=form)
    if split == (wanted := "test" if test else "train"):
        return clips
    purpose = "measured" if test else "calibrated"
    note = f"{purpose} on the clips of {split}: {printable(dataset.root)} has no {wanted}"
    return replace(clips, notes=(*clips.notes, note))


def usual_split(dataset: Dataset, *, test: bool) -> str:
    """Return the split that a model is tested on: test, or else val; or the one for calibration
    (not `test`): train, or else all. For a dataset of a single split, that one."""
    order = ("test", "val", "all", "train") if test else ("train", "all", "val", "test")
    return next(name for name in order if name in dataset.splits)


def check_labels(
    dataset: Dataset,
    labels: int,
    model: str = "the model",
    hint: str = "Give the dataset that the model was trained for",
) -> None:
    """Raise PortError if a dataset and a model have different numbers of labels."""
    if len(dataset.labels) != labels:
        raise PortError(dataset.root, f"has {len(dataset.labels)} labels, {model} {labels}", hint)


def check_class_names(dataset: Dataset, names: Sequence[str] | None, model: Path) -> None:
    """Raise PortError if a model has other classes than a dataset, or the same in another order."""
    for number, pair in enumerate(zip(names or (), dataset.labels, strict=False)):
        if normalized(pair[0]) != normalized(pair[1]):
            own, other = (printable(label, 40) for label in pair)
            raise PortError(
                model,
                f'its class {number} is "{own}", that of {printable(dataset.root)} "{other}"',
                "Give the dataset that the model was trained for",
            )


def loaded(
    dataset: Dataset,
    entries: Sequence[Entry],
    *,
    skip_bad: bool,
    form: ClipFormat = AS_STORED,
) -> RealClips:
    """Read clips of a dataset. Raises PortError for bad ones, which `skip_bad` leaves out."""
    clips = load(entries, skip_bad=skip_bad, form=form)
    if not clips.entries:
        raise PortError(dataset.root, "has no clips that can be read")
    notes = (*dataset.notes, *clips.notes)
    frames = tuple(shape[0] for shape in clips.keypoints.shapes)
    return RealClips(clips.entries, dataset.labels, clips.keypoints, frames, clips.bad, notes, form)


def for_calibration(
    root: Path,
    config: SignBartConfig,
    *,
    count: int,
    seed: int,
    skip_bad: bool,
    form: ClipFormat = AS_STORED,
) -> RealClips:
    """Choose clips of every class and every length by a seed."""
    if count < 1:
        raise PortError(None, f"{count} clips to calibrate on", f"Take {ENOUGH} or more")
    clips = of_split(open_dataset(root), config, test=False, skip_bad=skip_bad, form=form)
    count = min(count, len(clips.entries))
    return clips.pick(stratified(clips.entries, clips.frames, count, seed))
