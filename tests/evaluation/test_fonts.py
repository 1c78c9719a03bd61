"""Which font draws which character."""

from __future__ import annotations

from signbart_port.evaluation import fonts


def test_a_font_is_used_where_it_is_needed() -> None:
    assert fonts.families(["wave", "cảm ơn"]) == ["DejaVu Sans"]
    assert fonts.families(["wave", "手"]) == ["DejaVu Sans", "Noto Sans CJK JP"]
    assert fonts.families(["नमस्ते", "นะ"]) == [
        "DejaVu Sans",
        "Noto Sans Devanagari",
        "Noto Sans Thai",
    ]


def test_a_character_without_a_font_is_its_code() -> None:
    assert fonts.drawable("手 wave") == "手 wave" and fonts.is_covered("手 wave")
    assert fonts.drawable("བ\n") == r"\u0f56\n" and not fonts.is_covered("བ\n")
    assert fonts.drawable("\U00013000") == r"\U00013000"
