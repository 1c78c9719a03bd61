"""The verdict on one output: what passes, and everything that must not."""

from __future__ import annotations

import numpy as np
import pytest

from signbart_port.pairs.signbart import case_of
from signbart_port.pairs.signbart_cases import make
from signbart_port.parity.compare import Comparison, Row, compare
from signbart_port.parity.counting import Counting
from signbart_port.parity.pair import Tap
from signbart_port.parity.proof import Recorded, judge
from signbart_port.parity.report import Evidence
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import EPSILON, MOST, RUN, rounded_to
from tests.support.proofs import NamedAxes

STATES = "batch time channel"
FRAMES = np.array([[True, True, False], [True, False, False]])
TRUTH = np.random.default_rng(0).normal(size=(2, 3, 4))
NOISE = 1e-7


def counting(axes: str = STATES, frames: np.ndarray = FRAMES) -> Counting:
    return Counting({"*": Tap(axes)}, {"time": frames})


def row(
    got: np.ndarray, truth: np.ndarray = TRUTH, noise: float = NOISE, axes: str = STATES
) -> Row:
    return compare("tap", got, Recorded({"tap": truth}, {"tap": noise}), counting(axes))


def spoilt(value: float, at: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    got = TRUTH.copy()
    got[at] = value
    return got


def test_equal_outputs_pass_and_the_figures_are_right() -> None:
    scale = np.abs(TRUTH[FRAMES]).max()
    passed = row(TRUTH + 1e-7)
    assert passed.passed and passed.elements == 12 and passed.scale == scale
    assert passed.error == pytest.approx(1e-7)
    assert passed.limit == pytest.approx(RUN.factor * NOISE + RUN.ulps * EPSILON * scale)


def test_one_element_beyond_the_limit_fails_and_is_named() -> None:
    limit = row(TRUTH).limit
    assert row(spoilt(TRUTH[0, 1, 2] + 0.9 * limit)).passed
    wrong = row(spoilt(TRUTH[0, 1, 2] + 1.1 * limit))
    assert not wrong.passed
    assert wrong.worst == (0, 1, 2)
    assert wrong.expected == TRUTH[0, 1, 2] and wrong.got != wrong.expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_fails(value: float) -> None:
    assert not row(spoilt(value)).passed
    assert not row(TRUTH, truth=spoilt(value)).passed
    assert not row(spoilt(value), truth=spoilt(value)).passed


@pytest.mark.parametrize("noise", [np.inf, np.nan, 2.0])
def test_a_reference_that_is_too_noisy_proves_nothing(noise: float) -> None:
    assert not row(TRUTH + 0.01, noise=noise).passed
    assert not row(TRUTH, noise=noise).limit > MOST * np.abs(TRUTH).max()


def test_padding_does_not_count_and_nothing_else_is_left_out() -> None:
    for clip, frame in np.argwhere(~FRAMES):
        assert row(spoilt(1e9, (clip, frame, 0))).passed
    for clip, frame in np.argwhere(FRAMES):
        assert not row(spoilt(1e9, (clip, frame, 3))).passed


def test_having_compared_nothing_fails() -> None:
    none = counting(frames=np.zeros_like(FRAMES))
    assert not compare("tap", TRUTH, Recorded({"tap": TRUTH}, {"tap": NOISE}), none).passed
    assert not row(np.empty((0, 4)), truth=np.empty((0, 4)), axes="batch label").passed


def test_another_shape_fails() -> None:
    assert not row(TRUTH[:, :, :3]).passed
    assert not row(TRUTH[:1]).passed


def test_a_tap_without_output_fails() -> None:
    comparison = Comparison(
        Recorded({"a": TRUTH, "b": TRUTH}, {"a": 0, "b": 0}), ["a", "b"], counting()
    )
    comparison.record("a", TRUTH)
    comparison.record("only the candidate has this", TRUTH)
    assert [(r.tap, r.passed) for r in comparison.rows()] == [("a", True), ("b", False)]


def test_attention_weights_are_counted_by_query_even_where_heads_are_as_many_as_frames() -> None:
    weights = np.random.default_rng(0).normal(size=(2, 3, 3, 3))  # (N, heads, queries, keys)
    expected = np.concatenate([weights[0].swapaxes(0, 1)[:2], weights[1].swapaxes(0, 1)[:1]])
    queries = counting("batch heads time memory")
    np.testing.assert_array_equal(queries.select("tap", weights), expected)


def test_rounded_weights_are_judged_by_the_spread_over_the_clips() -> None:
    truth = 1000 + np.random.default_rng(0).normal(size=(4, 10))  # a constant must not help
    recorded = Recorded({LOGITS: truth}, {LOGITS: 1e-4})
    for share, wrong in ((0.005, 0.05), (0.08, 0.5)):  # of float16 and of dynamic files
        how = Counting.whole(), rounded_to(share)
        assert compare(LOGITS, truth + 1e-3, recorded, *how).passed
        assert not compare(LOGITS, truth + wrong, recorded, *how).passed
    assert rounded_to(None) is RUN


def test_the_inputs_hold_every_kind_of_mask_and_move_in_the_padding() -> None:
    inputs = make(75, 32)
    masks = dict(zip(inputs.names, inputs.attention_mask, strict=True))
    assert masks["full"].all() and not masks["all zeros"].any()
    assert masks["one frame"].sum() == 1
    assert not masks["missing first frames"][0] and masks["missing first frames"][-1]
    last = int(np.flatnonzero(masks["holes"])[-1])
    assert 0 < last < 31 and not masks["holes"][:last].all()
    assert 0 < masks["ragged"].sum() < 32
    assert (inputs.keypoints[inputs.attention_mask == 0] != 0).any()
    assert inputs.keypoints.min() == 0 and inputs.keypoints.max() <= 1
    assert (inputs.classified.sum(axis=1) > 0).all()
    assert inputs.classified[inputs.names.index("all zeros")].nonzero()[0].tolist() == [0]
    np.testing.assert_array_equal(make(75, 32).keypoints, inputs.keypoints)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_inputs_have_a_frame_where_they_should(frames: int) -> None:
    inputs = make(75, frames)
    for name, mask in zip(inputs.names, inputs.attention_mask, strict=True):
        assert mask.any() == (name != "all zeros"), name


def test_the_report_names_the_first_wrong_output() -> None:
    inputs = make(75, 3)
    truth = {tap: np.ones((7, 3, 2)) for tap in ("a", "b", "c")} | {LOGITS: np.ones((7, 2))}

    def run(record) -> None:
        for tap, output in truth.items():
            record(tap, output + (tap in ("b", "c")))

    report = judge(
        NamedAxes(logits="batch label", **dict.fromkeys("abc", STATES)),
        case_of(inputs),
        ("x", "y"),
        Recorded(truth, dict.fromkeys(truth, EPSILON)),
        list(truth),
        run,
    )
    assert not report.passed and report.blame is not None
    assert report.blame.module == "b" and report.blame.evidence is Evidence.CHAINED
    assert report.verdict().startswith("b: the first wrong output of the run; off by 1.00e+00")
    assert report.agreement == (7, 7)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 3), "batch label"),
        ((2, 3, 4), STATES),
        ((1, 3, 4), "one position channel"),
        ((2, 5, 3, 3), "batch heads time memory"),
        ((2, 5, 3, 7), "batch heads time memory"),
        ((5, 3, 2, 7), "heads time batch memory"),
    ],
)
def test_the_worst_element_has_its_own_index(shape: tuple[int, ...], axes: str) -> None:
    """Of states, logits, positions and attention weights: not that among the frames that count."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=shape)
    seen = 0
    for at in np.ndindex(shape):
        got = truth.copy()
        got[at] += 1
        wrong = row(got, truth, axes=axes)
        if not wrong.passed:
            seen += 1
            assert wrong.worst == at and wrong.expected == truth[at] and wrong.got == got[at]
    assert seen == counting(axes).select("tap", truth).size
