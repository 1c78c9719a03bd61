"""An evaluation as a page: its figures, none of it taken for markup, nothing from elsewhere."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from signbart_port import report as files
from signbart_port.evaluation.result import Evaluation, WrongClip
from signbart_port.report.document import Origin
from signbart_port.report.evaluation_page import page
from tests.support.browser import Browser
from tests.support.report_pages import (
    isolated,
    named,
    page_extent,
    parsed,
    poisoned,
    right_to_left,
    tag,
    text_of,
)


def test_its_figures(evaluation: Evaluation) -> None:
    root = parsed(page(evaluation, Origin.now()))
    text = text_of(root)
    for part in (
        "2 models on 6 clips",
        "sets/signs, split test, 4 classes, signed by ann, bob",
        "a.h5 66.7% 4 of 6 right",
        "30.0% to 90.3%",
        "742,922 9.02 MB 52.1 M, 36 frames –, 61 frames",
        "runs/a.h5 b.tflite 50.0% 3 of 6",
        "wave taken for circle 2 of 3",
        "circle taken for wave 1 of 2",
        "sets/signs/x.pkl is damaged",
        "runs/a.h5: a note",
    ):
        assert part in text, part
    rows = [text_of(row) for row in root.iter("tr")]
    assert "wave 1.000 0.333 0.500 3" in rows  # of the first model
    assert "wave 0.750 1.000 0.857 3" in rows  # and of the second
    assert rows.count("rest – – – 0") == 2
    assert "bob 3 66.7% 2 right 66.7% 2 right" in rows
    assert "unknown 1 100.0% 1 right 100.0% 1 right" in rows
    dots = [e for e in root.iter() if "error" in str(e.get("class"))]
    assert [dot.get("cx") for dot in dots] == ["66.67%", "83.33%"]


def test_wrong_clips_are_folded_and_bounded(evaluation: Evaluation) -> None:
    root = parsed(page(evaluation, Origin.now()))
    (fold,) = (one for one in root.iter("details") if "taken for" in text_of(one))
    assert fold.get("open") is None
    assert text_of(next(fold.iter("summary"))) == "runs/a.h5 2 of 6"
    rows = [text_of(row) for row in fold.iter("tr")]
    assert rows[1:] == [
        "sets/signs/test/wave/bob_1.pkl wave circle 95.0%",
        "sets/signs/test/wave/ann_2.pkl wave circle 50.0%",
    ]
    first, second = evaluation.models
    many = replace(evaluation, models=(replace(first, wrong=first.wrong * 700), second))
    text = page(many, Origin.now())
    assert text.count("bob_<wbr>1.") == 100 and "1,200 more" in text
    none = replace(evaluation, models=(second,))
    assert "Wrong clips" not in page(none, Origin.now())


def test_one_model_has_no_other_to_agree_with(evaluation: Evaluation) -> None:
    one = replace(evaluation, models=evaluation.models[:1], agreement=(), signers=(), left_out=())
    root = parsed(page(one, Origin.now()))
    text = text_of(root)
    assert "1 model on 6 clips" in text and "signed by" not in text
    assert "Agreement" not in text and "Left out" not in text
    assert [fold.get("open") is not None for fold in root.iter("details")] == [False, True]


def test_it_needs_nothing_from_elsewhere(evaluation: Evaluation) -> None:
    text = page(evaluation, Origin.now())
    linked = set()
    for element in parsed(text).iter():
        assert tag(element) not in {"script", "iframe", "object", "embed", "base", "form"}
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            if name.rpartition("}")[2] in {"href", "src", "srcset", "action", "data"}:
                linked.add(value)
    pictures = linked - {"data:,"}
    titles = []
    for picture in pictures:
        kind, _, data = picture.partition(",")
        assert kind == "data:image/svg+xml;base64"
        titles += re.findall("<!-- \u200e(.*: .*%) -->", base64.b64decode(data).decode())
        text = text.replace(picture, "")
    assert sorted(titles) == ["a.h5: 66.7%", "b.tflite: 83.3%"]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert "default-src 'none'" in text


def test_what_a_file_says_is_never_markup(evaluation: Evaluation) -> None:
    evil, benign = (
        parsed(page(one, Origin.now())) for one in (poisoned(evaluation, set()), evaluation)
    )
    shapes = [
        [(tag(e), sorted(e.keys())) for e in root.iter() if tag(e) != "wbr"]
        for root in (evil, benign)
    ]
    assert shapes[0] == shapes[1]
    assert text_of(evil).count('<script>alert("1")</script>') > 20
    assert "{{ 7 * 7 }}" in text_of(evil)
    assert "49" not in {text_of(cell) for cell in evil.iter("td")}


def test_control_characters_are_shown(evaluation: Evaluation) -> None:
    text = page(replace(evaluation, data="a\x1b\u202e\udcff\0"), Origin.now())
    text.encode()
    assert r"a\x1b\u202e\udcff\x00" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", text)


def test_right_to_left_names_stay_apart(evaluation: Evaluation) -> None:
    """Each is isolated from what stands beside it, in an element of its own."""
    mixed = right_to_left(evaluation, set())
    text = page(mixed, Origin.now())
    isolated(parsed(text))
    assert text.count("<bdi>") > 30
    first, second = evaluation.models
    path = WrongClip("signs/بله 2/علي_40.pkl", "a", "b", 0.9)
    text = page(replace(evaluation, models=(replace(first, wrong=(path,)), second)), Origin.now())
    parts = "signs/<wbr><bdi>بله 2</bdi>/<wbr><bdi>علي_<wbr>40.<wbr>pkl</bdi>"
    assert f"<code><bdi>{parts}</bdi></code>" in text


@pytest.mark.parametrize("width", [320, 768, 1200])
@pytest.mark.on_commit("320")
def test_it_fits_its_window_in_silence(
    tmp_path: Path, browser: Browser, evaluation: Evaluation, width: int
) -> None:
    long = "w" * 150
    first, second = evaluation.models
    wide = replace(evaluation, data=long, models=(replace(first, model=f"{long}.h5"), second))
    path = tmp_path / "report.html"
    files.write(path, wide)
    inner, widest = page_extent(browser, path, width)
    assert inner == width
    assert width * 0.8 < widest <= width
    assert browser.said() == []


def test_every_cell_says_what_it_is_on_a_phone(evaluation: Evaluation) -> None:
    root = parsed(page(evaluation, Origin.now()))
    for table in named(root, "table"):
        heads = [text_of(head) for head in table.find("thead").iter("th")]  # type: ignore[union-attr]
        for row in table.find("tbody").iter("tr"):  # type: ignore[union-attr]
            assert [cell.get("data-label") for cell in row.iter("td")] == heads[1:]
