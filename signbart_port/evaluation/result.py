"""The results of an evaluation, in plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from signbart_port.system.presentable import Presentable


@dataclass(frozen=True)
class ClassScore:
    """The scores of a model on one class."""

    label: str
    support: int  # clips of the class
    predicted: int  # clips that were predicted as it
    right: int  # clips that are both
    precision: float | None  # None if the class was never predicted
    recall: float | None  # None if the class has no clips
    f1: float | None  # None if both are missing


@dataclass(frozen=True)
class Confusion:
    """Clips of a class that were predicted as another."""

    label: str
    taken_for: str  # the other class
    clips: int  # how many
    of: int  # all clips of the class


@dataclass(frozen=True)
class SignerScore:
    """The score of a model on the clips of one signer."""

    signer: str | None  # None for clips whose name has no signer
    right: int
    of: int  # all clips of the signer

    @property
    def top1(self) -> float:
        return self.right / self.of


@dataclass(frozen=True)
class EvaluationScores:
    """The scores of a model on all clips. Shares are from 0 to 1."""

    right: int  # clips whose class is first
    top1: float  # the share of these
    interval: tuple[float, float]  # Wilson's for `top1`, at 95 %
    top5: float  # the share of clips whose class is among the first five
    macro_f1: float  # the mean F1 of the classes that have clips
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]  # all there are, the worst first
    signers: tuple[SignerScore, ...]


@dataclass(frozen=True)
class WrongClip:
    """A clip that a model predicts as another class than its own."""

    clip: str  # its file
    label: str
    taken_for: str  # the other class
    probability: float  # of the other class, by the model


@dataclass(frozen=True)
class Load:
    """The cost of one clip."""

    frames: int  # frames of the clip as the model runs it
    flops: int | None  # floating-point operations; None if they cannot be counted


@dataclass(frozen=True)
class ModelScore:
    """A model file, and how it does."""

    model: str
    format: str  # the kind of file
    size: int  # bytes
    parameters: int  # learned values; for a .tflite, the values of its constants
    median: Load  # what the clip of median length costs
    longest: Load  # what the longest clip costs
    scores: EvaluationScores
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()  # the notes to be said however quiet the program is
    wrong: tuple[WrongClip, ...] = ()  # all there are, the most confident first


@dataclass(frozen=True)
class Agreement:
    """The number of clips for which two models predict the same class."""

    first: str
    second: str
    same: int  # clips
    share: float


@dataclass(frozen=True)
class LeftOut:
    """A sample that could not be used."""

    path: str
    why: str


@dataclass(frozen=True, repr=False)
class Evaluation(Presentable):
    """Models on the clips of one split of a dataset."""

    data: str
    split: str
    signers: tuple[str, ...]  # the signers whose clips were kept; () for all
    labels: tuple[str, ...]
    clips: int
    models: tuple[ModelScore, ...]
    agreement: tuple[Agreement, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()  # how the clips were read, and what in them may surprise

    def __repr__(self) -> str:
        scores = ", ".join(f"{one.model} {one.scores.top1:.1%}" for one in self.models)
        return f"<Evaluation of {self.clips} clips of {self.data}: {scores}>"

    def as_dict(self) -> dict[str, Any]:
        data = asdict(self)
        for model in data["models"]:
            del model["cautions"]  # they are among the notes
        return data
