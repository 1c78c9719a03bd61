"""Outputs by block, and which of them is the worst."""

from __future__ import annotations

from math import inf, nan

import pytest

from signbart_port.parity.blocks import UNMATCHED, by_block, strain, table
from signbart_port.parity.compare import Row, absent
from signbart_port.parity.report import Report


def row(error: float, limit: float = 2.0, tap: str = "a") -> Row:
    return Row(tap, error, 1.0, 1.0, limit, 5, (0,), 0.0, 0.0)


def test_blocks_in_the_order_of_the_run() -> None:
    taps = [
        "projection[0]",
        "encoder.embed_positions",
        "encoder.layers.0.fc1",
        "encoder.layers.0.dropout:2",
        "encoder.layers.0",
        "encoder.layers.1.self_attn.q_proj",
        "encoder",
        "h.11.mlp",
        "logits",
    ]
    blocks = by_block(row(1.0, tap=tap) for tap in taps)
    assert {name: [r.tap for r in rows] for name, rows in blocks.items()} == {
        "projection": taps[:1],
        "encoder": [taps[1], taps[6]],
        "encoder.layers.0": taps[2:5],
        "encoder.layers.1": taps[5:6],
        "h.11": taps[7:8],
        "logits": taps[8:],
    }


def test_strain_is_the_share_of_the_limit() -> None:
    assert strain(row(0.5)) == 0.25 and strain(row(6.0)) == 3.0
    assert strain(row(0.0, limit=0.0)) == 0.0


def test_what_cannot_be_compared_has_no_figures() -> None:
    report = Report("a", "b", (row(0.5), absent("b")))
    assert [*table(report)] == [
        ("a", "5.0e-01", "1.0e+00", "2.0e+00", "equal"),
        ("b", UNMATCHED, "", "", "WRONG"),
    ]


@pytest.mark.parametrize(
    "worst",
    [
        row(nan),
        row(inf),
        row(1.0, limit=0.0),
        row(1.0, limit=nan),
        row(1.0, limit=inf),
        absent("a"),
    ],
)
def test_what_is_no_number_or_not_there_is_the_worst(worst: Row) -> None:
    assert not worst.passed and strain(worst) == inf
