"""The content of a dataset, and what in it may surprise its user."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config.skeletons import Skeleton
from signbart_port.data import clip_fitting, coordinates
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.dataset import Bad, Clips, Entry, load, open_dataset
from signbart_port.data.preprocessing import MOST_FRAMES
from signbart_port.errors import printable
from signbart_port.system import digest

_NAMED = 6  # classes in a warning


@dataclass(frozen=True)
class Lengths:
    """Frames of the clips."""

    shortest: int  # of all clips
    median: float  # of all clips
    longest: int  # of all clips
    over: int  # clips that are cut to 64 frames


@dataclass(frozen=True)
class Values:
    """Statistics of the coordinates x and y. Shares are of all frames, of all points, or of the
    coordinates of points that are present."""

    points: int  # of a frame
    coordinates: tuple[int, ...]  # of a point, as stored; x and y are read
    lowest: float
    highest: float
    outside: float  # share beyond [0, 1]
    missing: float  # share of points
    without: dict[str, float]  # share of frames without any point of the hand
    not_finite: int  # points with a coordinate that is NaN or infinite: they count as missing


@dataclass(frozen=True)
class Check:
    """A dataset in figures. `samples` and all that follows leave the bad ones out."""

    root: Path
    labels: tuple[str, ...]
    samples: dict[str, tuple[int, ...]]  # by split: how many of each class
    lengths: Lengths
    values: Values
    bad: tuple[Bad, ...]
    repeated: tuple[tuple[Entry, ...], ...]  # the same clip under several names
    blank: tuple[Entry, ...]  # clips without any point
    others: tuple[Path, ...]  # files that are no samples
    warnings: tuple[str, ...]  # not errors, but worth a look
    form: ClipFormat = AS_STORED  # what was said of the clips

    @property
    def count(self) -> int:
        """The number of good samples."""
        return sum(map(sum, self.samples.values()))


def check(root: str | os.PathLike[str], form: ClipFormat = AS_STORED) -> Check:
    """Read every sample of the dataset in `root`, whose clips are of this format.

    Bad samples are listed, not raised. Raises PortError for what `open_dataset` refuses, and if no
    sample can be used.
    """
    dataset = open_dataset(root)
    clips = load(dataset.entries, skip_bad=True, form=form)
    counts = Counter((entry.split, entry.id) for entry in clips.entries)
    samples = {
        split: tuple(counts[split, number] for number in range(len(dataset.labels)))
        for split in dataset.splits
    }
    skeleton = form.skeleton_of(clips.keypoints.shapes[0][1])
    figures, repetitions = _Figures(skeleton), _Repetitions()
    surprises = coordinates.Surprises(skeleton, form.stated)
    for entry, clip in zip(clips.entries, clips.keypoints, strict=True):
        parts = clip_fitting.in_parts(clip, form)
        surprises.add(parts)
        if figures.add(entry, parts):
            repetitions.add(entry, clip)
    values, blank = figures.values(clips.keypoints.shapes), tuple(figures.blank)
    repeated = repetitions.groups()
    return Check(
        root=dataset.root,
        labels=dataset.labels,
        samples=samples,
        lengths=_lengths(clips),
        values=values,
        bad=clips.bad,
        repeated=repeated,
        blank=blank,
        others=dataset.others,
        warnings=(
            *dataset.notes,
            *clips.notes,
            *_of_repeated(repeated),
            *_of_samples(dataset.labels, samples),
            *surprises.notes(),
            *_of_values(values, skeleton),
        ),
        form=form,
    )


def _lengths(clips: Clips) -> Lengths:
    frames = sorted(shape[0] for shape in clips.keypoints.shapes)
    over = sum(n > MOST_FRAMES for n in frames)
    return Lengths(frames[0], float(median(frames)), frames[-1], over)


class _Figures:
    """The figures of the clips, and the clips without any point.

    Clip by clip: all of them together would take many times the memory of the dataset.
    """

    def __init__(self, skeleton: Skeleton | None) -> None:
        self.blank = list[Entry]()
        self._hands = skeleton.hands if skeleton else {}
        self._counts, self._unseen = Counter[str](), Counter[str]()
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, entry: Entry, parts: NDArray[Any]) -> bool:
        """Look at a clip (T, K, 2 or more) in parts of the frame; return whether it has a point."""
        xy = parts[..., :2].astype(np.float64)
        not_finite = ~np.isfinite(xy).all(axis=-1)
        there: NDArray[np.bool_] = np.logical_and(xy.any(axis=-1), ~not_finite)
        seen, counts = xy[there], self._counts
        counts["frames"] += len(xy)
        counts["points"] += there.size
        counts["missing"] += int((~there).sum())
        counts["not finite"] += int(not_finite.sum())
        counts["coordinates"] += seen.size
        counts["outside"] += int(((seen < 0) | (seen > 1)).sum())
        for name, hand in self._hands.items():
            self._unseen[name] += int((~there[:, hand].any(axis=1)).sum())
        if not seen.size:
            self.blank.append(entry)
            return False
        self._lowest = min(self._lowest, float(seen.min()))
        self._highest = max(self._highest, float(seen.max()))
        return True

    def values(self, shapes: Sequence[tuple[int, ...]]) -> Values:
        """Return the statistics of the clips, whose shapes these are."""
        counts = self._counts
        return Values(
            points=shapes[0][1],
            coordinates=tuple(sorted({shape[2] for shape in shapes})),
            lowest=self._lowest if counts["coordinates"] else 0.0,
            highest=self._highest if counts["coordinates"] else 0.0,
            outside=_share(counts["outside"], counts["coordinates"]),
            missing=_share(counts["missing"], counts["points"]),
            without={name: _share(self._unseen[name], counts["frames"]) for name in self._hands},
            not_finite=counts["not finite"],
        )


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0


class _Repetitions:
    """The clips whose x and y are the same; blank ones, which are all alike, are not asked for."""

    def __init__(self) -> None:
        self._alike = dict[tuple[bool, int, str], list[Entry]]()

    def add(self, entry: Entry, clip: NDArray[Any]) -> None:
        """Look at a clip (T, K, 2 or more).

        The split "all" is compared only with itself: it may hold what the others hold.
        """
        xy = clip[..., :2].astype(np.float64)
        same = (entry.split == "all", len(xy), digest.of_tensor(xy))
        self._alike.setdefault(same, []).append(entry)

    def groups(self) -> tuple[tuple[Entry, ...], ...]:
        """Return the entries of each clip that is there more than once."""
        return tuple(tuple(entries) for entries in self._alike.values() if len(entries) > 1)


def _of_samples(labels: Sequence[str], samples: dict[str, tuple[int, ...]]) -> Iterator[str]:
    """Yield warnings about classes that have no samples, at all or in a split."""
    found = {split: np.array(counts) > 0 for split, counts in samples.items()}
    nowhere = ~np.any(list(found.values()), axis=0)
    if nowhere.any():
        yield f"no samples at all of {_classes(labels, nowhere)}"
    parts = {split: some for split, some in found.items() if split != "all"}
    alone = np.sum(list(parts.values()), axis=0) == 1 if len(parts) > 1 else ~nowhere & False
    for split, some in parts.items():
        if (some & alone).any():
            yield f"samples in {split} alone of {_classes(labels, some & alone)}"


def _classes(labels: Sequence[str], which: NDArray[np.bool_]) -> str:
    names = [printable(label, 40) for label, is_one in zip(labels, which, strict=True) if is_one]
    more = ["..."] if len(names) > _NAMED else []
    return f"{_number(len(names), 'class', 'classes')}: {', '.join(names[:_NAMED] + more)}"


def _of_repeated(repeated: Sequence[Sequence[Entry]]) -> Iterator[str]:
    """Yield warnings about clips that are there more than once."""
    across = [group for group in repeated if len({entry.split for entry in group}) > 1]
    mixed = [group for group in repeated if len({entry.id for entry in group}) > 1]
    if across:
        clips = _number(len(across), "clip", "clips")
        yield f"{clips} in more than one split: what tests the model has trained it"
    if mixed:
        yield f"{_number(len(mixed), 'clip', 'clips')} in more than one class"
    if within := [group for group in repeated if group not in across + mixed]:
        yield f"{_number(len(within), 'clip', 'clips')} under more than one name"


def _of_values(values: Values, skeleton: Skeleton | None) -> Iterator[str]:
    """Yield warnings about keypoints that are not what MediaPipe gives."""
    if skeleton is None:
        yield (
            f"{values.points} points a frame are not mediapipe-75 or mediapipe-100."
            f" {clip_fitting.suggestion(values.points)}"
        )
    if values.not_finite:
        yield f"{_number(values.not_finite, 'point', 'points')} with NaN or infinity: missing ones"


def _number(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
