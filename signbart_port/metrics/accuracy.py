"""The accuracy of models on real clips, against the labels and against one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORST = 5  # clips that are named


@dataclass(frozen=True)
class Score:
    """The figures of one model: shares of the clips, from 0 to 1."""

    model: str
    top1: float  # the right class is first
    top5: float  # the right class is among the first five
    agreement: float  # the prediction is the reference's


@dataclass(frozen=True)
class Worst:
    """A clip on which the last model is farthest from the reference, in units of its output."""

    clip: str
    label: str
    expected: str
    got: str
    difference: float


@dataclass(frozen=True)
class Accuracy:
    """The scores of several models on the same clips."""

    clips: int
    scores: tuple[Score, ...]  # the reference first
    worst: tuple[Worst, ...]  # the last model's worst clips, those with another prediction first

    @property
    def reference(self) -> Score:
        return self.scores[0]

    @property
    def candidate(self) -> Score:
        return self.scores[-1]

    @property
    def drop(self) -> float:
        """Percentage points of top-1 accuracy that the last model loses against the reference."""
        lost = round((self.reference.top1 - self.candidate.top1) * self.clips)
        return 100 * lost / self.clips  # exact: a difference of shares is not

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"drop": self.drop}


def measure(
    outputs: Mapping[str, NDArray[np.floating]],
    targets: NDArray[np.integer],
    clips: Sequence[str],
    labels: Sequence[str],
) -> Accuracy:
    """Score models by their outputs (N, labels), the reference first, on clips of these `targets`.

    Raises ValueError for outputs that are not finite: a comparison with NaN would pass.
    """
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            raise ValueError(f"{name} gives numbers that are not finite")
    expected = next(iter(outputs.values()))
    got = list(outputs.values())[-1]
    difference = np.abs(got - expected).max(axis=1)
    changed = got.argmax(axis=1) != expected.argmax(axis=1)
    worst = np.lexsort((-difference, ~changed))[:_WORST]
    return Accuracy(
        clips=len(targets),
        scores=tuple(
            Score(
                name,
                top1=_share(among(output, targets, 1)),
                top5=_share(among(output, targets, 5)),
                agreement=_share(output.argmax(axis=1) == expected.argmax(axis=1)),
            )
            for name, output in outputs.items()
        ),
        worst=tuple(
            Worst(
                clip=clips[n],
                label=labels[targets[n]],
                expected=labels[expected[n].argmax()],
                got=labels[got[n].argmax()],
                difference=float(difference[n]),
            )
            for n in worst
        ),
    )


def among(
    outputs: NDArray[np.floating], targets: NDArray[np.integer], first: int
) -> NDArray[np.bool_]:
    """Return whether the target is among the first classes; of equal ones the lower number is
    first."""
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :first]
    among: NDArray[np.bool_] = (order == targets[:, None]).any(axis=1)
    return among


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean())
