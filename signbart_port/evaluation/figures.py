"""The figures of a model's outputs on clips whose classes are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan, nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_recall_fscore_support

from signbart_port.evaluation.result import (
    ClassScore,
    Confusion,
    EvaluationScores,
    SignerScore,
    WrongClip,
)
from signbart_port.metrics.accuracy import among

_CONFIDENCE = 0.95


def scores(
    outputs: NDArray[np.floating],
    targets: NDArray[np.integer],
    labels: Sequence[str],
    signers: Sequence[str | None],
) -> EvaluationScores:
    """Score outputs (N, labels) by the classes `targets` (N,) of the clips and their `signers`
    (N,).

    Among equal outputs the class of the lower number counts as the first.
    """
    predicted = outputs.argmax(axis=1)
    right = predicted == targets
    return EvaluationScores(
        right=int(right.sum()),
        top1=float(right.mean()),
        interval=wilson(int(right.sum()), len(targets)),
        top5=float(among(outputs, targets, 5).mean()),
        macro_f1=float(
            f1_score(
                targets, predicted, labels=np.unique(targets), average="macro", zero_division=0
            )
        ),
        classes=_classes(targets, predicted, labels),
        confusions=_confusions(targets, predicted, labels),
        signers=_signers(right, signers),
    )


def wrong_clips(
    probabilities: NDArray[np.floating],
    targets: NDArray[np.integer],
    labels: Sequence[str],
    clips: Sequence[str],
) -> tuple[WrongClip, ...]:
    """List the clips (N names) whose most probable class is not theirs, the most confident first:
    among these are the clips whose label is wrong."""
    predicted = probabilities.argmax(axis=1)
    found = [
        WrongClip(clips[n], labels[targets[n]], labels[predicted[n]], float(share))
        for n, share in enumerate(probabilities.max(axis=1))
        if predicted[n] != targets[n]
    ]
    return tuple(sorted(found, key=lambda one: -one.probability))


def wilson(right: int, of: int) -> tuple[float, float]:
    """Return the interval that contains the true share with a confidence of 95 %, if `right` of
    `of` independent clips are right (Wilson 1927). It is honest for few clips, and near 0 and 1."""
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    share, width = right / of, z * z / of
    middle = (share + width / 2) / (1 + width)
    half = z / (1 + width) * sqrt(share * (1 - share) / of + width / (4 * of))
    # Exact at both ends, where rounding would leave the share outside.
    return 0.0 if right == 0 else middle - half, 1.0 if right == of else middle + half


def _classes(
    targets: NDArray[np.integer], predicted: NDArray[np.integer], labels: Sequence[str]
) -> tuple[ClassScore, ...]:
    precision, recall, f1, support = precision_recall_fscore_support(
        targets, predicted, labels=range(len(labels)), zero_division=nan
    )
    taken = np.bincount(predicted, minlength=len(labels))
    right = np.bincount(targets[predicted == targets], minlength=len(labels))
    return tuple(
        ClassScore(
            label,
            int(support[n]),
            int(taken[n]),
            int(right[n]),
            _number_or_none(precision[n]),
            _number_or_none(recall[n]),
            _number_or_none(f1[n]),
        )
        for n, label in enumerate(labels)
    )


def _number_or_none(figure: float) -> float | None:
    return None if isnan(figure) else float(figure)


def _confusions(
    targets: NDArray[np.integer], predicted: NDArray[np.integer], labels: Sequence[str]
) -> tuple[Confusion, ...]:
    wrong = predicted != targets
    counts = Counter(zip(targets[wrong].tolist(), predicted[wrong].tolist(), strict=True))
    of = np.bincount(targets, minlength=len(labels))
    found = [
        Confusion(labels[a], labels[b], clips, int(of[a]))
        for (a, b), clips in sorted(counts.items())
    ]
    return tuple(sorted(found, key=lambda one: (-one.clips, -one.clips / one.of)))


def _signers(right: NDArray[np.bool_], signers: Sequence[str | None]) -> tuple[SignerScore, ...]:
    of = Counter(signers)
    hits = Counter(signer for signer, hit in zip(signers, right, strict=True) if hit)
    return tuple(
        SignerScore(signer, hits[signer], of[signer])
        for signer in sorted(of, key=lambda signer: (signer is None, signer))
    )
