"""Runs of right-to-left text."""

from __future__ import annotations

import pytest

from signbart_port.system.bidi import RIGHT_TO_LEFT


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("wave taken for circle: 2 of 6", []),
        ("2 of مرحبا بكم, 3 of שלום.h5", ["مرحبا بكم", "שלום"]),
        ("بيانات/مرحبا_1.pkl", ["بيانات/مرحبا"]),
        ("السَّلامُ عَلَيْكُم!", ["السَّلامُ عَلَيْكُم"]),
        ("手 नमस्ते ขอบคุณ", []),
    ],
)
def test_a_run_is_words_without_what_stands_beside_them(text: str, runs: list[str]) -> None:
    assert RIGHT_TO_LEFT.findall(text) == runs
