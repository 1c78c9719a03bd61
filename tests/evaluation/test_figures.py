"""Figures of outputs that were made by hand, and scikit-learn's of the same."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from signbart_port.evaluation.figures import scores, wilson, wrong_clips
from signbart_port.evaluation.result import (
    ClassScore,
    Confusion,
    EvaluationScores,
    SignerScore,
    WrongClip,
)

LABELS = ("a", "b", "c", "d", "e", "f", "g")


def outputs(*best: str) -> np.ndarray:
    """A row a clip, its letters before all others, the first one first."""
    ranked = [row + "".join(label for label in LABELS if label not in row) for row in best]
    return np.array([[-float(row.index(label)) for label in LABELS] for row in ranked], np.float32)


def scored(
    targets: str, *best: str, signers: tuple[str | None, ...] | None = None
) -> EvaluationScores:
    ids = np.array([LABELS.index(label) for label in targets])
    return scores(outputs(*best), ids, LABELS, signers or (None,) * len(targets))


def test_by_hand() -> None:
    found = scored("aaaabbc", "a", "a", "b", "g", "b", "a", "gfedbac")
    assert found.right == 3 and found.top1 == 3 / 7
    assert found.top5 == 6 / 7  # the last clip's c comes seventh
    a, b, c, d, *_, g = found.classes
    assert a == ClassScore("a", 4, 3, 2, 2 / 3, 1 / 2, pytest.approx(4 / 7))
    assert b == ClassScore("b", 2, 2, 1, 1 / 2, 1 / 2, 1 / 2)
    assert c == ClassScore("c", 1, 0, 0, None, 0.0, 0.0)
    assert d == ClassScore("d", 0, 0, 0, None, None, None)
    assert g == ClassScore("g", 0, 2, 0, 0.0, None, 0.0)
    assert found.macro_f1 == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)  # of a, b and c


def test_the_worst_confusions_come_first() -> None:
    """By their clips, then by their share of the class."""
    found = scored("aaaabbcc", "b", "b", "c", "a", "a", "b", "d", "d")
    assert found.confusions == (
        Confusion("c", "d", 2, 2),
        Confusion("a", "b", 2, 4),
        Confusion("b", "a", 1, 2),
        Confusion("a", "c", 1, 4),
    )
    assert scored("ab", "a", "b").confusions == ()


def test_of_equal_outputs_the_lower_class_is_first() -> None:
    flat = np.zeros((2, 7), np.float32)
    found = scores(flat, np.array([0, 1]), LABELS, (None, None))
    assert found.right == 1 and found.confusions == (Confusion("b", "a", 1, 1),)


def test_signers() -> None:
    signers = ("zoe", "ann", None, "ann", "zoe", "ann")
    found = scored("aaaaaa", "a", "a", "a", "b", "b", "a", signers=signers)
    assert found.signers == (
        SignerScore("ann", 2, 3),
        SignerScore("zoe", 1, 2),
        SignerScore(None, 1, 1),
    )
    assert found.signers[0].top1 == 2 / 3


def test_as_scikit_learn() -> None:
    """On noise of thirty classes, one of them without clips."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 29, 400)
    given = random.standard_normal((400, 30), dtype=np.float32)
    given[np.arange(400), targets] += 1.5
    labels = tuple(f"sign {n}" for n in range(30))
    predicted = given.argmax(axis=1)
    found = scores(given, targets, labels, (None,) * 400)
    assert found.top1 == metrics.accuracy_score(targets, predicted)
    assert found.top5 == metrics.top_k_accuracy_score(targets, given, k=5, labels=range(30))
    known = np.unique(targets)
    assert len(known) == 29
    assert found.macro_f1 == metrics.f1_score(targets, predicted, labels=known, average="macro")
    report = metrics.classification_report(
        targets, predicted, labels=range(30), target_names=labels, output_dict=True, zero_division=0
    )
    for one in found.classes[:29]:
        expected = report[one.label]
        assert one.precision == expected["precision"] and one.recall == expected["recall"]
        assert one.f1 == expected["f1-score"] and one.support == expected["support"]
    matrix = metrics.confusion_matrix(targets, predicted, labels=range(30))
    by_name = {(one.label, one.taken_for): one.clips for one in found.confusions}
    for a, b in np.argwhere(matrix - np.diag(np.diag(matrix))):
        assert by_name.pop((labels[a], labels[b])) == matrix[a, b]
    assert not by_name
    assert [one.right for one in found.classes] == np.diag(matrix).tolist()


def test_wrong_clips_with_the_most_confident_first() -> None:
    given = np.array([[0.6, 0.4, 0], [0.1, 0.8, 0.1], [0, 0.1, 0.9], [0, 0.6, 0.4]])
    found = wrong_clips(given, np.array([0, 0, 1, 2]), LABELS[:3], ["1", "2", "3", "4"])
    assert found == (
        WrongClip("3", "b", "c", 0.9),
        WrongClip("2", "a", "b", 0.8),
        WrongClip("4", "c", "b", 0.6),
    )


@pytest.mark.parametrize(
    ("right", "of", "interval"),
    [
        (81, 263, (0.2553, 0.3662)),  # Newcombe 1998, table I, method 3
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_as_published(right: int, of: int, interval: tuple[float, float]) -> None:
    assert wilson(right, of) == pytest.approx(interval, abs=5e-5)


def test_the_interval_is_the_same_from_the_other_end() -> None:
    for right in range(11):
        low, high = wilson(right, 10)
        assert 0 <= low <= right / 10 <= high <= 1
        assert wilson(10 - right, 10) == pytest.approx((1 - high, 1 - low))
        assert (low == 0) == (right == 0)
