"""A dataset for training: the clips to train on, to choose the best model, and to test it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from signbart_port.config import SignBartConfig
from signbart_port.config.training import Settings
from signbart_port.data.clip_format import AS_STORED, ClipFormat
from signbart_port.data.clips import check_labels, loaded
from signbart_port.data.dataset import Bad, Dataset
from signbart_port.data.examples import Examples, make_examples
from signbart_port.data.model_interface import of_model
from signbart_port.data.selection import stratified
from signbart_port.data.signers import signer_of
from signbart_port.errors import PortError

VALIDATION = 0.1  # of the training clips, where the dataset has none for it


@dataclass(frozen=True)
class Parts:
    """Clips that have nothing in common, and a sentence for the user about each choice."""

    train: Examples
    validation: Examples
    test: Examples | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """All clips of a dataset, read once; `bad` ones were left out."""

    dataset: Dataset
    examples: Examples
    bad: tuple[Bad, ...]
    notes: tuple[str, ...] = ()
    """How the clips were read, and what in them may surprise."""

    @property
    def signers(self) -> tuple[str, ...]:
        """All signers in the names of the files."""
        found = {signer_of(entry.path) for entry in self.examples.entries}
        return tuple(sorted(signer for signer in found if signer))

    def parts(self, settings: Settings) -> Parts:
        """Divide by the dataset's own splits: train, or all if there is no train.

        Raises PortError if a split is missing or cannot be divided.
        """
        split = "train" if "train" in self.dataset.splits else "all"
        train = self._of_split(split)
        test = self._of_split("test") if "test" in self.dataset.splits else None
        wanted = settings.validation
        if wanted is None and "val" in self.dataset.splits:
            wanted = "val"
        if isinstance(wanted, str):
            note = f"{len(self._of_split(wanted))} clips of {wanted} choose the best model"
            return Parts(train, self._of_split(wanted), test, (note,))
        return self._set_aside(train, test, settings)

    def without(self, signer: str, settings: Settings) -> Parts:
        """Train on the clips of every other signer, from all splits, and test on this one's.

        Raises PortError for a signer that the dataset does not have, and if a split is to choose
        the best model: its clips are among the others'.
        """
        if isinstance(settings.validation, str):
            raise PortError(
                self.dataset.root,
                f"has no {settings.validation} of its own where signers are left out",
                "Give validation as a share of the training clips: --set validation=0.1",
            )
        if signer not in self.signers:
            known = ", ".join(self.signers) or "none: names are like user08_G03_R05"
            raise PortError(self.dataset.root, f'has no signer "{signer}"', f"It has {known}")
        train = self.examples.where(lambda entry: signer_of(entry.path) != signer)
        test = self.examples.where(lambda entry: signer_of(entry.path) == signer)
        if not len(train):
            raise PortError(self.dataset.root, f"has no signer but {signer}")
        return self._set_aside(train, test, settings)

    def _of_split(self, name: str) -> Examples:
        self.dataset.split(name)  # refuses one that is not there
        return self.examples.where(lambda entry: entry.split == name)

    def _set_aside(self, train: Examples, test: Examples | None, settings: Settings) -> Parts:
        """Set aside a share of the training clips for validation, of every class, chosen by the
        seed."""
        share = settings.validation if isinstance(settings.validation, float) else VALIDATION
        count = round(share * len(train))
        if not 0 < count < len(train):
            raise PortError(
                self.dataset.root,
                f"has {len(train)} clips to train on: {share:.0%} of them for validation are"
                f" {count}",
                "Give more clips, or validation: val or test",
            )
        chosen = set(stratified(train.entries, train.lengths.tolist(), count, settings.seed))
        rest = [place for place in range(len(train)) if place not in chosen]
        note = f"{count} of {len(train)} training clips are set aside to choose the best model"
        return Parts(train.pick(rest), train.pick(sorted(chosen)), test, (note,))


def read(
    dataset: Dataset,
    config: SignBartConfig,
    splits: Sequence[str],
    *,
    skip_bad: bool,
    form: ClipFormat = AS_STORED,
) -> Data:
    """Read and prepare the clips of some splits.

    Raises PortError for a dataset whose labels are not the model's, and for a bad sample, unless
    `skip_bad` leaves it out.
    """
    check_labels(
        dataset,
        config.num_labels,
        hint="Change num_labels, leave it out, or give --new-head to a model that is trained on",
    )
    entries = [entry for entry in dataset.entries if entry.split in splits]
    clips = loaded(dataset, entries, skip_bad=skip_bad, form=form)
    examples = make_examples(clips, config, form)
    return Data(dataset, examples, clips.bad, clips.notes_for(of_model(config), config))


def root_of(settings: Settings, source: str | Path) -> Path:
    """Return the folder of the dataset. Raises PortError if no option names it."""
    if settings.data_root is None:
        raise PortError(source, "does not say where the clips are", "Give data_root, or --data DIR")
    return settings.data_root
