"""The page: all of the report, none of it taken for markup, and nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from xml.etree.ElementTree import Element

from signbart_port.parity.report import Report
from signbart_port.report.document import Origin
from signbart_port.report.proof_page import page
from tests.support.report_pages import (
    isolated,
    named,
    parsed,
    poisoned,
    right_to_left,
    tag,
    text_of,
)
from tests.support.small_models import LSA_64


def of(report: Report) -> Element:
    return parsed(page(report, Origin.now()))


def pictures(root: Element) -> list[list[Element]]:
    """The rows of each picture, without those that sum up a block."""
    return [
        [row for row in named(picture, "row") if tag(row) == "div" and not named(row, "axis")]
        for picture in named(root, "picture")
    ]


def test_it_is_well_formed(report: Report) -> None:
    root = of(report)
    assert root.get("lang") == "en"
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


def test_it_needs_nothing_from_elsewhere(report: Report) -> None:
    text = page(report, Origin.now())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    linked = set()
    for element in parsed(text).iter():
        assert tag(element) not in {"script", "iframe", "object", "embed", "img", "base", "form"}
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            if name.rpartition("}")[2] in {"href", "src", "srcset", "action", "data"}:
                linked.add(value)
    assert linked == {"#grid", "#wrong", "data:,"}
    assert "default-src 'none'" in text


def test_what_a_file_says_is_never_markup(reports: dict[str, Report]) -> None:
    report = reports["wrong"]
    assert report.blame and report.rows and report.clips and report.notes
    evil = poisoned(report, kept={"masks", "sha256"})
    root, benign = of(evil), of(report)
    shapes = [[tag(e) for e in r.iter() if tag(e) != "wbr"] for r in (root, benign)]
    assert shapes[0] == shapes[1]
    assert text_of(root).count('<script>alert("1")</script>') > 200
    assert "{{ 7 * 7 }}" in text_of(root)
    attributes = [sorted(e.keys()) for e in root.iter() if tag(e) != "wbr"]
    assert attributes == [sorted(e.keys()) for e in benign.iter() if tag(e) != "wbr"]


def test_control_characters_are_shown(reports: dict[str, Report]) -> None:
    text = page(replace(reports["equal"], candidate="a\x1b\u202e\udcff\0.h5"), Origin.now())
    text.encode()
    assert "\\x1b\\u202e\\udcff\\x00.<wbr>h5" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", text)


def test_right_to_left_names_stay_apart(reports: dict[str, Report]) -> None:
    for report in reports.values():
        isolated(of(right_to_left(report, kept={"masks", "sha256"})))


def test_the_verdict(report: Report) -> None:
    root = of(report)
    headings = [text_of(e) for e in root.iter("h1")]
    assert headings == ["Equal" if report.passed else "Not equal"]
    text = text_of(root)
    assert " ".join(report.verdict().split()) in text
    assert f"{report.candidate} against {report.reference}" in text
    same, of_all = report.agreement
    assert f"Same class {same} of {of_all} clips" in text


def test_every_output_is_in_its_picture(report: Report) -> None:
    found = pictures(of(report))
    runs = [rows for rows in (report.rows, report.isolated) if rows]
    assert len(found) == len(runs)
    for rows, drawn in zip(runs, found, strict=True):
        names = [text_of(named(row, "name")[0]).removesuffix(" to blame") for row in drawn]
        assert sorted(names) == sorted(row.tap for row in rows)
        says = {n: text_of(named(r, "says")[0]) for n, r in zip(names, drawn, strict=True)}
        assert says == {r.tap: "✓ equal" if r.passed else "✕ wrong" for r in rows}


def test_folded_is_what_passes(report: Report) -> None:
    for picture in named(of(report), "picture"):
        for block in named(picture, "block"):
            rows = [row for row in named(block, "row") if tag(row) == "div"]
            wrong = sum("✕ wrong" in text_of(row) for row in rows)
            assert (block.get("open") is not None) == (wrong > 0)
            summary = text_of(next(block.iter("summary")))
            assert f"worst of {len(rows)}" in summary
            assert (f"✕ {wrong} wrong" if wrong else "✓ equal") in summary


def place(mark: Element, of: str) -> float:
    value = str(mark.get(of))
    assert value.endswith("%")
    return float(value.removesuffix("%"))


def test_a_mark_is_beyond_its_limit_just_where_a_row_is_wrong(report: Report) -> None:
    for rows, drawn in zip((report.rows, report.isolated), pictures(of(report)), strict=False):
        by_tap = {row.tap: row for row in rows}
        for element in drawn:
            row = by_tap[text_of(named(element, "name")[0]).removesuffix(" to blame")]
            if not row.elements:
                assert not named(element, "limit") and "nothing to compare" in text_of(element)
                continue
            limit = place(named(element, "limit")[0], "x1")
            assert place(named(element, "rail")[0], "x2") == limit
            assert place(named(element, "reference")[0], "cx") < limit
            if row.passed:
                assert place(named(element, "error")[0], "cx") < limit
                assert not named(element, "wrong")
            else:
                assert place(named(element, "wrong")[0], "x") > limit
                assert not named(element, "error")


def test_the_blame(reports: dict[str, Report]) -> None:
    root = of(reports["wrong"])
    text = text_of(named(root, "blame")[0])
    for part in (
        "wrong for the reference's own inputs",
        "its kernel was not transposed",
        "3.1e-01",
    ):
        assert part in text
    blamed = [row for picture in pictures(root) for row in picture if named(row, "blamed")]
    assert len(blamed) == 2
    assert {"✕ wrong" in text_of(row) for row in blamed} == {True}
    assert not named(of(reports["equal"]), "blame")


def test_the_weights(reports: dict[str, Report]) -> None:
    text = text_of(of(reports["wrong"]))
    for part in (
        "not all are equal in every bit",
        "1 missing a place for more/kernel",
        "9 of 4,096 values, by at most 5.0e-01; the worst at [5, 6]: expected 0.25, got 0.75",
        "1 of 64 values, by at most NaN; the worst at [5]: expected 0.25, got nan",
    ):
        assert part in text, part
    assert "1 rounded to float32" in text_of(of(reports["equal"]))


def test_every_transfer_is_listed(reports: dict[str, Report]) -> None:
    report = reports["equal"]
    root = of(report)
    text = text_of(root)
    for tensor in report.placed:
        assert f"{tensor.torch}{tensor.sha256}" in text.replace(" ", "")
        assert tensor.rule in text
    without_layer = {re.sub(r"layers\.\d", "layers", t.torch) for t in report.placed}
    assert len(named(root, "way")) == len(without_layer)
    row = text_of(
        next(e for e in root.iter("li") if "encoder.layers.{0..1}.fc1.weight" in text_of(e))
    )
    for part in (
        "→ encoder/layers.{0..1}/fc1/kernel",
        f"{LSA_64.encoder_ffn_dim} × {LSA_64.d_model}",
        "transpose",
        "2 hashes",
    ):
        assert part in row, part


def test_the_masks_are_drawn(reports: dict[str, Report]) -> None:
    report = reports["equal"]
    drawn = named(of(report), "mask")
    for mask, picture in zip(report.masks, drawn, strict=True):
        runs = [r for r in picture if not named(r, "track")]
        frames = [(place(r, "x"), place(r, "width")) for r in runs]
        seen = "".join(
            "1" if any(x <= (i + 0.5) * 100 / 32 < x + w for x, w in frames) else "0"
            for i in range(32)
        )
        assert seen == mask
        assert all(x + w < nearest for (x, w), (nearest, _) in pairwise(frames))


def test_versions_and_notes(report: Report) -> None:
    origin = Origin.now()
    text = text_of(parsed(page(report, origin)))
    for package, version in origin.packages.items():
        assert f"{package} {version}" in text
    assert all(note in text for note in report.notes)


def colors(theme: str) -> dict[str, tuple[float, float, float]]:
    found = {}
    for name, value in re.findall(r"--([a-z]+): #([0-9a-f]{3,6});", theme):
        full = value if len(value) == 6 else "".join(2 * c for c in value)
        found[name] = tuple(int(full[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return found


def luminance(color: tuple[float, float, float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return sum(c * w for c, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def themes(reports: dict[str, Report]) -> Iterator[dict[str, tuple[float, float, float]]]:
    style = text_of(next(of(reports["equal"]).iter("style")))
    light, dark, *_ = re.findall(r":root \{(.*?)\}", style)
    yield colors(light)
    yield colors(light) | colors(dark)


def test_every_text_is_legible_in_light_and_dark(reports: dict[str, Report]) -> None:
    """The contrast that WCAG asks of text (4.5) and of marks (3)."""
    for theme in themes(reports):
        for least, inks, grounds in (
            (4.5, ("ink", "dim"), ("card", "ground", "wash")),
            (4.5, ("good",), ("card",)),
            (4.5, ("bad",), ("card", "wash")),
            (3, ("mark", "ring"), ("card", "rail")),
        ):
            for ink in inks:
                for ground in grounds:
                    pair = sorted((luminance(theme[ink]), luminance(theme[ground])))
                    ratio = (pair[1] + 0.05) / (pair[0] + 0.05)
                    assert ratio >= least, (ink, ground, ratio)
