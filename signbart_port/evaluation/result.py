"""The results of an evaluation, in plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ClassScore:
    """A class: `support` clips are of it, `predicted` were taken for it, `right` are both.

    None stands for what these do not tell: the precision of a class that was never predicted, the
    recall of one without clips, the F1 of one that is neither.
    """

    label: str
    support: int
    predicted: int
    right: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Confusion:
    """So many `clips` of a class, `of` all that there are of it, that were taken for another."""

    label: str
    taken_for: str
    clips: int
    of: int


@dataclass(frozen=True)
class SignerScore:
    """How a model does on one signer's clips; None: those whose name tells no signer."""

    signer: str | None
    right: int
    of: int

    @property
    def top1(self) -> float:
        return self.right / self.of


@dataclass(frozen=True)
class Scores:
    """Shares of the clips, from 0 to 1: `top1` with the right class first, `top5` with it among the
    first five. `interval` is Wilson's for `top1`, at 95 %. `macro_f1` is the mean F1 of the classes
    that have clips. Of the `confusions`, all there are, the worst come first."""

    right: int
    top1: float
    interval: tuple[float, float]
    top5: float
    macro_f1: float
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]
    signers: tuple[SignerScore, ...]


@dataclass(frozen=True)
class Load:
    """A clip's `frames` as the model runs it, and the floating-point operations that takes; None
    where they cannot be counted."""

    frames: int
    flops: int | None


@dataclass(frozen=True)
class ModelScore:
    """A model file: its kind (`format`), `size` in bytes, the values that it has learned
    (`parameters`; of a .tflite those of its constants), what the `median` and the `longest` clip
    cost, and how it does."""

    model: str
    format: str
    size: int
    parameters: int
    median: Load
    longest: Load
    scores: Scores
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """How many clips two models predict the same class for."""

    first: str
    second: str
    same: int
    share: float


@dataclass(frozen=True)
class LeftOut:
    """A sample that could not be used, and why."""

    path: str
    why: str


@dataclass(frozen=True)
class Evaluation:
    """Models on the `clips` of a `split` of a dataset, of all signers or of `signers` alone."""

    data: str
    split: str
    signers: tuple[str, ...]
    labels: tuple[str, ...]
    clips: int
    models: tuple[ModelScore, ...]
    agreement: tuple[Agreement, ...]
    left_out: tuple[LeftOut, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
