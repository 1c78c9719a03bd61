"""The axis: larger is further right, and what has no logarithm has its own place."""

from __future__ import annotations

from math import inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signbart_port.report.axis import LogAxis

Figures = st.lists(st.floats(min_value=0), min_size=1, max_size=30)


@given(Figures)
def test_the_order_of_the_figures_is_that_of_their_places(figures: list[float]) -> None:
    axis = LogAxis.of(figures)
    places = [axis.at(figure) for figure in sorted(figures)]
    assert places == sorted(places)
    assert all(0 < place < 100 for place in places)


@given(Figures)
def test_ticks_are_where_their_powers_are_and_do_not_crowd(figures: list[float]) -> None:
    ticks = list(LogAxis.of(figures).ticks())
    places = [tick.at for tick in ticks]
    assert places == sorted(set(places)) and len(ticks) >= 2
    assert 1 <= sum(bool(tick.label) for tick in ticks) <= 7


def test_a_decade_is_as_wide_as_the_next() -> None:
    axis = LogAxis.of([3e-8, 2e-5])
    assert (axis.low, axis.high, axis.zero, axis.beyond) == (-8, -4, False, False)
    places = [axis.at(10.0**exponent) for exponent in range(-8, -3)]
    assert places == pytest.approx([2, 26, 50, 74, 98])
    assert [tick.label for tick in axis.ticks()] == ["10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴"]


@pytest.mark.parametrize("figure", [0.0, nan, inf])
def test_what_has_no_logarithm_stands_apart(figure: float) -> None:
    axis = LogAxis.of([figure, 1e-7, 1e-3])
    finite = [axis.at(1e-7), axis.at(1e-3)]
    gap = finite[0] - axis.at(figure) if isfinite(figure) else axis.at(figure) - finite[1]
    assert gap > 5
    assert (axis.zero, axis.beyond) == (figure == 0, not isfinite(figure))


def test_one_absurd_figure_does_not_squeeze_the_others() -> None:
    axis = LogAxis.of([1e-300, 1e-7, 1e-6, 1e300])
    assert axis.at(1e-6) - axis.at(1e-7) > 5


def test_of_nothing() -> None:
    assert LogAxis.of([nan]).low < LogAxis.of([0.0]).high
