"""Scores and differences of models on clips, by outputs made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from signbart_port.metrics.accuracy import Accuracy, measure

LABELS = tuple("abcdefg")


def outputs(*order: str) -> np.ndarray:
    """A row for each clip: its labels from the best to the worst, then all others."""
    rows = []
    for best in order:
        ranked = best + "".join(label for label in LABELS if label not in best)
        rows.append([float(-ranked.index(label)) for label in LABELS])
    return np.array(rows, np.float32)


def measured(targets: str, **models: Any) -> Accuracy:
    given = {name: outputs(*rows) for name, rows in models.items()}
    ids = np.array([LABELS.index(label) for label in targets])
    return measure(given, ids, [f"clip {n}" for n in range(len(targets))], LABELS)


def test_shares() -> None:
    found = measured(
        "aabb",
        reference=("a", "ab", "ab", "b"),  # right, right, second, right
        between=("gfedc", "gfedca", "b", "b"),  # sixth, sixth, right, right
        candidate=("a", "ba", "ab", "ab"),  # right, second, second, second
    )
    assert found.clips == 4
    assert [score.model for score in found.scores] == ["reference", "between", "candidate"]
    assert [score.top1 for score in found.scores] == [0.75, 0.5, 0.25]
    assert [score.top5 for score in found.scores] == [1, 0.5, 1]
    assert [score.agreement for score in found.scores] == [1, 0.25, 0.5]
    assert found.reference.model == "reference" and found.candidate.model == "candidate"
    assert found.drop == 50.0 and found.as_dict()["drop"] == 50.0


def test_what_is_won_is_no_loss() -> None:
    assert measured("aa", reference=("b", "a"), candidate=("a", "a")).drop == -50.0


def test_of_equal_outputs_the_lower_class_is_first() -> None:
    """For the prediction, for the right class and for the first five alike."""
    flat = np.zeros((7, 7), np.float32)
    last = np.tile(np.float32(np.arange(7) == 6), (7, 1))
    for target, (first, among, after_last) in enumerate(
        [(1, 1, 1), (0, 1, 1), (0, 1, 1), (0, 1, 1), (0, 1, 0), (0, 0, 0), (0, 0, 1)]
    ):
        found = measure({"flat": flat, "last": last}, np.full(7, target), LABELS, LABELS)
        assert (found.reference.top1, found.reference.top5) == (first, among)
        assert found.candidate.top5 == after_last, "6, then 0, 1, 2 and 3"
        assert found.candidate.agreement == 0
        assert {worst.expected for worst in found.worst} == {"a"}


def test_fewer_than_five_classes() -> None:
    one = np.zeros((3, 1), np.float32)
    found = measure({"model": one}, np.zeros(3, int), LABELS[:3], ("a",))
    assert found.reference.top1 == found.reference.top5 == found.reference.agreement == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("model", ["reference", "candidate"])
def test_what_is_not_finite_is_refused(model: str, value: float) -> None:
    given = {name: outputs("a", "b") for name in ("reference", "candidate")}
    given[model][1, 3] = value
    with pytest.raises(ValueError, match=f"^{model} gives numbers that are not finite$"):
        measure(given, np.array([0, 1]), ("one", "two"), LABELS)


def test_the_worst_clips() -> None:
    """Other predictions before the rest, of both the farther ones; five at most."""
    expected = outputs(*["a"] * 8)
    got = expected.copy()
    for clip, apart in enumerate((0.1, 0.5, 0.3, 0.0, 0.2, 0.4, 0.6, 3.0)):
        got[clip, 6] -= apart  # the last class, farther behind
    got[3, 1] += 1.25  # "b" before "a"
    got[0, 2] += 2.5  # "c" before "a"
    found = measure(
        {"reference": expected, "candidate": got},
        np.array([0, 0, 0, 1, 0, 0, 0, 0]),
        [f"clip {n}" for n in range(8)],
        LABELS,
    )
    assert [worst.clip for worst in found.worst] == [
        "clip 0",
        "clip 3",
        "clip 7",
        "clip 6",
        "clip 1",
    ]
    assert [worst.got for worst in found.worst] == ["c", "b", "a", "a", "a"]
    assert {worst.expected for worst in found.worst} == {"a"}
    assert [worst.label for worst in found.worst] == ["a", "b", "a", "a", "a"]
    assert [worst.difference for worst in found.worst] == pytest.approx([2.5, 1.25, 3.0, 0.6, 0.5])


def test_the_candidate_is_the_last_and_held_against_the_first() -> None:
    near, far = outputs("a"), outputs("g")
    found = measure({"a": near, "b": far, "c": near}, np.array([0]), ("one",), LABELS)
    assert found.worst[0].difference == 0 and found.worst[0].got == "a"
