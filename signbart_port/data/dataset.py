"""A dataset: label maps, and clips in <split>/<class>/<sample>.

Splits are train, val, test and all, in any case; val may also be called valid, validation or dev. A
class has the name of its folder. JSON files are samples of a dataset that has no others: beside
others they say something about these.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from signbart_port.data import clip_fitting, samples
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.labels import LABEL2ID, normalized, read_label_maps
from signbart_port.data.labels import read_labels as read_labels
from signbart_port.data.stored_clips import ROOM, StoredClip, StoredClips
from signbart_port.errors import PortError, first_of, printable
from signbart_port.untrusted.absent import absent
from signbart_port.untrusted.refusal import Refusal, naming

SPLITS = ("train", "val", "test", "all")
_OTHER_NAMES = {"val": ("valid", "validation", "dev")}
_OF_SYSTEMS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
_SHOWN = 6  # folders, or clips, in a note


@dataclass(frozen=True)
class Entry:
    """A sample that a dataset lists and that has not been read."""

    path: Path
    label: str
    id: int
    split: str


@dataclass(frozen=True)
class Dataset:
    """The list of a dataset's folder: by split, class and name."""

    root: Path
    labels: tuple[str, ...]  # the label with the id i at index i
    entries: tuple[Entry, ...]
    others: tuple[Path, ...] = ()  # files among the samples whose names are not a sample's
    notes: tuple[str, ...] = ()  # what was taken for what, and what was passed over

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have samples."""
        present = {entry.split for entry in self.entries}
        return tuple(split for split in SPLITS if split in present)

    def split(self, name: str) -> tuple[Entry, ...]:
        """Return the samples of one split; raises PortError if it has none."""
        if found := tuple(entry for entry in self.entries if entry.split == name):
            return found
        raise PortError(
            self.root, f'has no samples in "{printable(name, 40)}"', f"It has {_and(self.splits)}"
        )


@dataclass(frozen=True)
class Bad:
    """A sample that cannot be used, and the reason, in words for the user."""

    entry: Entry
    why: str


@dataclass(frozen=True)
class Clips:
    """Samples that were read; all have the same number of points."""

    entries: tuple[Entry, ...]
    keypoints: StoredClips  # of each entry, (T, K, 2 or more), as stored
    bad: tuple[Bad, ...] = ()
    notes: tuple[str, ...] = ()  # what was taken for what in a sample, the first one's in full


def open_dataset(root: str | os.PathLike[str]) -> Dataset:
    """List the dataset in the folder `root`; only the label maps are read.

    Names that begin with a dot, and those of operating systems' own folders, are skipped. Raises
    PortError for label maps that are missing, wrong or contradictory, for a class folder that they
    do not contain, for two folders of one split, and if there is no sample.
    """
    root = Path(root)
    if not root.is_dir():
        with naming(root):
            if root.exists():
                raise Refusal("is not a folder", f"Give the one that holds {LABEL2ID}")
            raise absent(root)
    labels = read_label_maps(root)
    ids = {normalized(label): number for number, label in enumerate(labels)}
    entries, in_json, others = list[Entry](), list[Entry](), list[Path]()
    folders = {split: _folder_of(root, split) for split in SPLITS}
    spelled = dict[str, str]()  # by class folder: the label, where its spelling is another
    for split, split_folder in folders.items():
        for folder in _listed(split_folder):
            if not folder.is_dir():
                others.append(folder)
                continue
            if (number := ids.get(normalized(folder.name))) is None:
                raise PortError(
                    folder,
                    f"is no class: {LABEL2ID} does not have it",
                    "Add it there, or move the folder away",
                )
            if (label := labels[number]) != folder.name:
                spelled[folder.name] = label
            for path in _listed(folder):
                entry = Entry(path, label, number, split)
                if (suffix := path.suffix.lower()) in samples.SUFFIXES:
                    entries.append(entry)
                    continue
                others.append(path)
                if suffix == samples.JSON_SUFFIX:
                    in_json.append(entry)
    if not entries:
        entries, taken = in_json, {entry.path for entry in in_json}
        others = [path for path in others if path not in taken]
    unread = [
        folder.name
        for folder in _listed(root)
        if folder.is_dir() and folder not in folders.values()
    ]
    if not entries:
        suffixes = ", ".join((*samples.SUFFIXES, samples.JSON_SUFFIX))
        has = f"; it has {first_of(unread, _SHOWN)}" if unread else ""
        raise PortError(
            root,
            f"has no samples: no {suffixes} in {_and(SPLITS)}{has}",
            "They are <split>/<class>/<sample>",
        )
    entries.sort(key=lambda entry: (SPLITS.index(entry.split), entry.id, entry.path.name))
    return Dataset(
        root, labels, tuple(entries), tuple(others), tuple(_notes(folders, unread, spelled))
    )


def _folder_of(root: Path, split: str) -> Path:
    """Return the folder of a split, by whichever of its names it has, in any case."""
    names = (split, *_OTHER_NAMES.get(split, ()))
    folders = (one for one in _listed(root) if one.name.casefold() in names)
    found = [one.name for one in folders if next(_listed(one), None)]
    if len(found) > 1:
        raise PortError(
            root,
            f"has {_and(found)}, which are names of one split",
            "Put their clips together, or move one away",
        )
    return root / (found[0] if found else split)


def _notes(
    folders: dict[str, Path], unread: Sequence[str], spelled: dict[str, str]
) -> Iterator[str]:
    for split, folder in folders.items():
        if folder.name != split:
            yield f"{folder.name} is read as {split}"
    if unread:
        yield f"not read, no split: {first_of(unread, _SHOWN)}; splits are {_and(SPLITS)}"
    if spelled:
        first = printable(next(iter(spelled)), 40).encode("unicode_escape").decode()
        yield (
            f"class folders in another form of Unicode than in {LABEL2ID}, taken for the same:"
            f" {len(spelled)}, the first is {first}"
        )


def load(
    entries: Sequence[Entry], *, skip_bad: bool = False, form: ClipFormat = AS_STORED
) -> Clips:
    """Read samples of this format, in order.

    A sample is bad if `samples.read` refuses it, if its class is not its folder's, if most of its
    coordinates are outside the frame, or if it has another number of points than most. Raises
    PortError for the first bad one or, with `skip_bad`, if all are bad; otherwise the bad ones are
    listed beside the others.
    """
    bad, read = dict[int, Bad](), dict[int, StoredClip]()
    notes, held = list[str](), 0
    for index, entry in enumerate(entries):
        try:
            sample = _sample(entry, form)
            clip = sample.keypoints
            held += clip.nbytes
            read[index] = StoredClip(entry.path, clip.shape, clip if held <= ROOM else None)
            notes += [f"{entry.path}: {note}" for note in sample.notes]
        except PortError as error:
            if not skip_bad:
                raise
            bad[index] = Bad(entry, f"{error.what}. {error.hint}" if error.hint else error.what)
    for index, what in _of_other_points(read):
        if not skip_bad:
            raise PortError(entries[index].path, what)
        bad[index] = Bad(entries[index], what)
        del read[index]
    if bad and not read:
        first = bad[min(bad)]
        raise PortError(first.entry.path, first.why, f"None of {len(entries)} samples can be used")
    return Clips(
        tuple(entries[index] for index in read),
        StoredClips(tuple(read.values())),
        tuple(bad[index] for index in sorted(bad)),
        (*notes[:1], *([f"{len(notes) - 1:,} more notes like it"] if notes[1:] else [])),
    )


def _sample(entry: Entry, form: ClipFormat) -> samples.Sample:
    sample = samples.read(entry.path)
    if sample.label is not None and normalized(sample.label) != normalized(entry.label):
        raise PortError(
            entry.path,
            f'says that its class is "{printable(sample.label, 40)}", its folder is '
            f"{printable(entry.label, 40)}",
            "Move it to the folder of its class, or save it without a class",
        )
    points, stated = sample.keypoints.shape[1], form.stated
    if stated and not clip_fitting.can_have(stated, points):
        what = f"has {points} points a frame, {stated.name} {stated.points}"
        raise PortError(entry.path, what, clip_fitting.suggestion(points))
    try:
        clip_fitting.check_coordinates(sample.keypoints, form)
    except ValueError as error:
        raise PortError(entry.path, str(error)) from None
    return sample


def _of_other_points(read: dict[int, StoredClip]) -> list[tuple[int, str]]:
    """Return the clips with another number of points than most, and what to say about each."""
    points = {index: clip.shape[1] for index, clip in read.items()}
    if not points:
        return []
    usual = Counter(points.values()).most_common(1)[0][0]
    return [
        (index, f"has {count} points a frame, most of the others have {usual}")
        for index, count in points.items()
        if count != usual
    ]


def _listed(folder: Path) -> Iterator[Path]:
    """Yield the content of a folder without what is no content: hidden names, and what macOS adds
    to archives. Nothing if there is no such folder."""
    try:
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
    except OSError as error:
        raise PortError(folder, f"cannot be opened: {error.strerror}") from None
    return (folder / name for name in names if not name.startswith(".") and name not in _OF_SYSTEMS)


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if names[:-1] else "") + names[-1]
