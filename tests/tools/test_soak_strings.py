"""The part of the harness that puts hostile strings everywhere finds one that is obeyed."""

from __future__ import annotations

import html
import os
import random
from pathlib import Path

import h5py
import pytest

import soak_command
import soak_outputs
import soak_places
import soak_strings
from signbart_port.errors import printable


@pytest.mark.parametrize(
    ("string", "shown", "defects"),
    [
        ("clear", "a\\x1b[2Jforged", []),
        ("clear", "a\x1b[2Jforged", [r"stdout has ['\x1b']"]),
        ("override", "\u202eforged", [r"stdout has ['\u202e']"]),
        ("line", "a\nforged: equal", ["stdout has the line 'forged: equal'"]),
        ("carriage return", "a\rforged", [r"stdout has ['\r']"]),
        ("surrogate", "a\udcff", ["stdout is no UTF-8"]),
        ("emoji code", "a⚠forged", ["an emoji for its code"]),
        ("Rich, style", "[bold red on white]forged[/]", []),
        ("Rich, style", "forged", ["stdout has the line 'forged'"]),
    ],
)
def test_what_a_string_does_to_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, string: str, shown: str, defects: list[str]
) -> None:
    (good := tmp_path / "good").mkdir()
    said = shown.encode(errors="surrogateescape")
    monkeypatch.setattr(soak_command, "command_line", lambda: os.write(1, said))
    number = list(soak_strings.STRINGS).index(string)
    word, found = soak_strings.trial(
        lambda work, text: iter([["inspect", text]]),
        good,
        tmp_path / "work",
        number,
        random.Random(),
    )
    assert word == "shown" and all(one in found for one in defects), found
    assert bool(found) == bool(defects), found


@pytest.mark.parametrize(
    ("page", "defects"),
    [
        ("<title>{escaped}</title><script>go()</script><p title='{escaped}'>{escaped}", []),
        ("<p>{text}</p>", ["the page has the element forged"]),
        ('<p title="{text}">', ["the page has the attribute forged in p"]),
        ('<p title="{text}">', ["the page has the attribute onerror in img"]),
        ("<p>{text}</p>", ["the page has forged in a script"]),
        ("<p>{text}</p>", [r"the page has ['\x1b']"]),
    ],
)
def test_what_a_string_does_to_a_page(page: str, defects: list[str]) -> None:
    found = [
        defect
        for text in soak_strings.STRINGS.values()
        for defect in soak_strings.in_page(
            page.format(text=text, escaped=html.escape(printable(text)))
        )
    ]
    assert {*defects} <= {*found} and bool(found) == bool(defects), found


@pytest.mark.parametrize(
    ("code", "out", "defect"),
    [
        (0, '{"a": 1}\n{"a": 2}\n', ""),
        (0, '{\n"a": 1}\n', ""),
        (0, '{"a": 1}\nand text', "prints no JSON"),
        (1, "{}", "exit code 1"),
        (70, "{}", "exit code 70"),
    ],
)
def test_how_a_command_ends_on_a_string(code: int, out: str, defect: str) -> None:
    ended = soak_command.Ended(code, out, "", 0.1)
    found = "; ".join(soak_strings.ended_badly(["inspect", "--json"], ended))
    assert defect in found and bool(found) == bool(defect)


def test_a_place_that_cannot_hold_a_string(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    with h5py.File(tmp_path / "good" / "good.h5", "w") as file:
        file.attrs["signbart_port"], file.attrs["model_config"] = '{"source": {}}', "{}"
    for name, place in (("NUL", "file names"), ("nothing", ".h5")):
        number = list(soak_strings.STRINGS).index(name)
        work = tmp_path / "work"
        word, defect = soak_strings.trial(
            soak_places.PLACES[place], tmp_path / "good", work, number, random.Random()
        )
        assert "not possible" in word and not defect


@pytest.mark.release
def test_strings_in_a_place(ported: Path, tmp_path: Path) -> None:
    """One of the real ones."""
    soak_command.write_good(good := tmp_path / "good", {"zip.pth": ported / "model.pth"})
    word, defect = soak_strings.trial(
        soak_places.PLACES[".safetensors"], good, tmp_path / "work", 0, random.Random()
    )
    assert "not possible" not in word and not defect, defect


@pytest.mark.parametrize(
    ("place", "verbs"),
    [
        ("proofs", {"convert", "verify"}),
        ("exports", {"export", "inspect"}),
        (".tflite files", {"tflite", "inspect", "predict"}),
        ("trainings", {"train", "inspect"}),
        ("classes of trainings", {"train", "inspect", "evaluate", "predict"}),
    ],
)
def test_what_the_program_writes(
    place: str, verbs: set[str], ported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places of what it writes itself, without running it."""
    (good := tmp_path / "good").mkdir()
    for name in ("model.pth", "model.h5"):
        (good / name.replace("model", "good")).symlink_to(ported / name)
    found: list[str] = []

    def forked(line: list[str], work: Path) -> soak_command.Ended:
        found.append(line[0])
        assert all(isinstance(word, str) for word in line)
        return soak_command.Ended(0, "{}", "", 0.1)

    monkeypatch.setattr(soak_command, "forked", forked)
    number = list(soak_strings.STRINGS).index("scripts")
    word, defect = soak_strings.trial(
        soak_outputs.PLACES[place], good, tmp_path / "work", number, random.Random()
    )
    assert (word, defect) == ("shown", "") and set(found) == verbs
