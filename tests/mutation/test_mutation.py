"""`verify` catches every seeded fault and blames the right module: a part of what
`tools/mutate.py` makes, of every group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from mutate import SAMPLE, Chain, Outcome

# Every sixteenth fault, or fourth; `python tools/mutate.py` makes them all.
pytestmark = pytest.mark.release
PARTS = [16, 4]


@pytest.fixture(scope="module")
def chain(converter_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    chain = Chain(SAMPLE, tmp_path_factory.mktemp("mutation"))
    with chain.pytorch():
        yield chain


@pytest.fixture(scope="module", params=PARTS)
def part(request: pytest.FixtureRequest) -> int:
    assert isinstance(request.param, int)
    return request.param


@pytest.fixture(scope="module")
def outcomes(chain: Chain, part: int) -> list[Outcome]:
    return [chain.judge(fault) for fault in chain.faults(seed=1)[::part]]


def test_every_fault_is_caught(outcomes: list[Outcome], part: int) -> None:
    missed = [o.fault.name for o in outcomes if not o.caught]
    assert not missed and len(outcomes) >= 200 / part
    assert min(Counter(o.fault.group for o in outcomes).values()) >= 16 / part


def test_the_right_module_is_blamed(outcomes: list[Outcome]) -> None:
    wrong = {o.fault.name: o.blamed for o in outcomes if not o.right}
    assert len(wrong) <= len(outcomes) * 0.05, wrong


def test_causes_are_right_where_one_is_said(outcomes: list[Outcome], part: int) -> None:
    """A cause is a claim: each that is made is looked at here, by the words of the fault."""
    said = {o.fault.name: o.report.blame.cause for o in outcomes if o.report and o.report.blame}
    words = {
        "epsilon 0.001": "epsilon is 0.001",
        "epsilon 1e-": "epsilon is 1e-06 or less",
        "tanh form": "tanh form",
        "sigmoid form": "sigmoid form",
        "ReLU": "ReLU",
        "not transposed": "not transposed",
        "missed": "bias is missing",
        " of layer 0": ".layers.0.",
        "unscaled": "not scaled",
        "positions from row": "positions start at row",
        "padding masked by": "padding is",
        "swap": "it",
        "rotated": "it",
        "bit": "",
        "stale": "",
        "residual doubled": "",
        "joints reversed": "",
    }
    checked = 0
    for name, cause in said.items():
        for word, expected in words.items():
            if word in name and cause:
                assert expected and expected in cause, (name, cause)
                checked += 1
    assert checked >= 60 / part


def test_a_right_model_passes(chain: Chain) -> None:
    """Else every fault would be caught."""
    from faults import Fault

    outcome = chain.judge(Fault("none", "nothing", frozenset()))
    assert outcome.report is not None and outcome.report.passed, outcome.report
