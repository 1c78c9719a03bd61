"""Messages: one line, safe for a terminal, with the file, what is wrong, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from signbart_port.errors import ExitCode, PortError, ProofError, printable


def test_a_message_names_the_file_then_what_is_wrong_then_what_to_do():
    error = PortError(Path("a/model.pth"), "is empty", "Copy it again")
    assert str(error) == "a/model.pth: is empty. Copy it again"
    assert (error.path, error.what, error.hint) == (
        Path("a/model.pth"),
        "is empty",
        "Copy it again",
    )
    assert str(PortError("model.pth", "is empty")) == "model.pth: is empty"
    assert str(PortError(None, "--heads 0: too few")) == "--heads 0: too few"
    assert str(PortError(None, "no config", "Give --config")) == "no config. Give --config"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("bell\x07 nul\x00 del\x7f", r"bell\x07 nul\x00 del\x7f"),
        ("\x9b31m", r"\x9b31m"),  # the one-character form of the escape sequence
        ("right\u202eto left \u200bno width", r"right\u202eto left \u200bno width"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("half \ud800 a character", r"half \ud800 a character"),
        ("naïve 手 ✋", "naïve 手 ✋"),
        (r"a\b", r"a\b"),
        (12, "12"),
        (["\n"], r"['\n']"),
    ],
)
def test_control_characters_are_spelled_out(text, line):
    assert printable(text) == line
    assert printable(text).isprintable()
    assert str(PortError("\n", f"{text}", f"{text}")) == rf"\n: {line}. {line}"


def test_a_failed_proof_is_said_in_a_line_that_is_safe_for_a_terminal():
    error = ProofError("a\nsignbart-port: \x1b[2Jequal.pth: NOT EQUAL")
    assert str(error) == r"a\nsignbart-port: \x1b[2Jequal.pth: NOT EQUAL"
    assert len(str(ProofError("w" * 10**5))) < 2100


def test_long_text_keeps_both_ends_and_says_its_length():
    assert printable("x" * 200) == "x" * 200
    cut = printable("a" * 5000 + "b" * 5000)
    assert cut == "a" * 100 + "…" + "b" * 100 + " (10,000 characters)"
    assert printable("abcdefgh", 4) == "ab…gh (8 characters)"
    assert len(printable("\0" * 10**6)) < 250


def test_a_message_is_bounded_whatever_is_put_into_it():
    error = PortError("p" * 10**5, "w" * 10**5, "h" * 10**5)
    assert len(str(error)) < 2100
    assert str(error).startswith("p" * 100 + "…")
    assert "h" * 100 in str(error)


def test_exit_codes_are_stable():
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "PROOF_FAILED": 1,
        "BAD_INPUT": 2,
        "DEFECT": 70,
    }
    assert not issubclass(ProofError, PortError), "a failed proof is no bad input"


def test_a_notebook_shows_the_line_alone():
    error = PortError("model.pth", "is empty", "Copy it again")
    assert error._render_traceback_() == ["PortError: model.pth: is empty. Copy it again"]
    assert ProofError("not equal")._render_traceback_() == ["ProofError: not equal"]
