"""Confusion matrices as pictures: a panel a model, whatever the classes are called."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.font_manager import fontManager

from signbart_port.errors import PortError
from signbart_port.evaluation import picture
from signbart_port.evaluation.figures import scores
from signbart_port.evaluation.result import Evaluation

Make = Callable[..., Evaluation]
LABELS = ("a", "b", "c")


def said(svg: bytes) -> list[str]:
    """The texts of a picture, which are outlines with a comment each."""
    return [text.strip(" \n\u200e") for text in re.findall("<!--(.*?)-->", svg.decode(), re.S)]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(image.imread(io.BytesIO(png), format="png"))


def test_the_matrix() -> None:
    given = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 0]]
    found = scores(given, np.array([0, 0, 0, 1, 2, 2]), LABELS, (None,) * 6)
    assert picture.matrix(found).tolist() == [[2, 1, 0], [0, 0, 1], [1, 0, 1]]


def test_a_panel_a_model(make: Make) -> None:
    one, three = make(LABELS), make(LABELS, models=3)
    texts = said(picture.draw(three, ".svg"))
    for number, model in enumerate(three.models):
        assert f"{number}.h5: {model.scores.top1:.1%}" in texts
    assert sorted(set(texts) & set(LABELS)) == list(LABELS)
    counts = [n for m in three.models for n in picture.matrix(m.scores).flat if n]
    assert sorted(text for text in texts if text.isdigit()) == sorted(map(str, counts))
    small, large = (pixels(picture.draw(e, ".png")) for e in (one, three))
    assert large.shape[0] > 1.5 * small.shape[0] and large.shape[1] > 1.5 * small.shape[1]
    assert small[..., :3].std() > 0.1  # not blank


def test_the_same_picture_twice(make: Make) -> None:
    for suffix in picture.FORMATS:
        assert picture.draw(make(LABELS), suffix) == picture.draw(make(LABELS), suffix)


def test_names_are_no_markup(make: Make) -> None:
    """Neither mathematics nor XML nor control characters."""
    names = (r"$\frac{", "<b>&", "a\x1b[2J", "w" * 300, "-->")
    svg = picture.draw(make(names), ".svg")
    texts = said(svg)
    assert r"a\x1b[2J" in texts and "w" * 23 + "…" in texts and r"$\frac{" in texts
    assert b"\x1b" not in svg and b"<b>" not in svg
    assert pixels(picture.draw(make(names), ".png")).size


SCRIPTS = (
    "cảm ơn",
    "شكرا لك",
    "תודה",
    "谢谢",
    "謝謝",
    "手話 ありがとう",
    "고맙습니다",
    "धन्यवाद",
    "ধন্যবাদ",
    "நன்றி",
    "ขอบคุณ",
    "ขอบใจ 👋",
    "ትግርኛ",
    "მადლობა",
    "ευχαριστώ",
    "спасибо",
)


def test_names_of_every_script_are_drawn(make: Make) -> None:
    """Warnings are errors here, and matplotlib warns of a box."""
    evaluation = make(SCRIPTS)
    assert set(SCRIPTS) <= set(said(picture.draw(evaluation, ".svg")))
    assert picture.notes(evaluation) == ()


@pytest.mark.release
def test_no_font_of_this_machine_is_needed(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    before = picture.draw(make(SCRIPTS), ".png")
    own = [font for font in fontManager.ttflist if "site-packages" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    fontManager._findfont_cached.cache_clear()
    assert picture.draw(make(SCRIPTS), ".png") == before


@pytest.mark.release
def test_letters_are_joined_and_turned(make: Make) -> None:
    """A word of Arabic or Hindi is not its letters, one after the other: it has other glyphs."""
    for word in ("سلام", "हिन्दी"):
        glyphs = re.findall(
            r'<use xlink:href="#([^"]+)"', picture.draw(make([word]), ".svg").decode()
        )
        letters = [
            re.findall(r'<use xlink:href="#([^"]+)"', picture.draw(make([one]), ".svg").decode())
            for one in word
        ]
        assert not {name for found in letters for name in found} >= set(glyphs)


def test_what_no_font_has_is_a_code_and_said(make: Make) -> None:
    evaluation = make(("བོད", "a", "b\ue000"))
    texts = said(picture.draw(evaluation, ".svg"))
    assert r"\u0f56\u0f7c\u0f51" in texts and r"b\ue000" in texts
    assert picture.notes(evaluation) == (
        "no font has every character of བོད: the picture shows their codes",
    )
    assert picture.notes(make([f"བོད {n}" for n in range(101)], clips=1)) == (), "not shown"


@pytest.mark.parametrize(("classes", "named", "counted"), [(30, 1, 1), (100, 1, 0), (101, 0, 0)])
@pytest.mark.on_commit("30-1-1")
def test_what_has_no_room_is_left_out(make: Make, classes: int, named: bool, counted: bool) -> None:
    labels = [f"sign {n}" for n in range(classes)]
    texts = said(picture.draw(make(labels, clips=1), ".svg"))
    assert (labels[-1] in texts) == named
    assert any(text in ("1", "4") for text in texts) == counted


@pytest.mark.release
def test_up_to_a_hundred_names_can_be_read(make: Make) -> None:
    """Of a .png at its own size: a line of text has eight pixels or more."""
    evaluation = make([f"sign {n}" for n in range(100)], clips=1)
    height = pixels(picture.draw(evaluation, ".png")).shape[0]
    assert height / 100 > 8 / 0.8


def test_the_file(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "confusion.png"
    picture.write(path, make(LABELS), force=False)
    assert path.read_bytes() == picture.draw(make(LABELS), ".png")
    with pytest.raises(PortError, match=r"confusion\.png: exists; give --force"):
        picture.write(path, make(LABELS), force=False)
    for name in ("confusion.jpg", "confusion", "model.h5"):
        with pytest.raises(PortError, match=r"a picture is written as \.png or \.svg"):
            picture.check(tmp_path / name, force=True)
    assert list(tmp_path.iterdir()) == [path]
