"""The page in a real browser: what it says of a file, of its own clips, and of what is dropped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import signbart_port
from signbart_port.config.skeletons import KNOWN
from signbart_port.system import digest
from signbart_port.tflite import golden, metadata
from tests.support.browser import Browser
from tests.support.cards import a_card, bare
from tests.support.datasets import a_clip, a_sign
from tests.support.modified_tflite import weights_in
from tests.support.sites import serving
from tests.support.small_models import small_config

READY = "document.documentElement?.dataset.ready"
EVIL = """<img src=x onerror="document.title='run'"><script>document.title='run'</script>"""
Open = Callable[..., Browser]


@pytest.fixture
def open_site(browser: Browser) -> Iterator[Open]:
    """Opens the page of a folder, and waits until it has done what it does by itself."""
    with ExitStack() as stack:

        def opened(folder: Path, **window: int | bool) -> Browser:
            server = stack.enter_context(serving(folder))
            browser.open(server.url, **window)
            browser.wait_for(READY)
            requests = browser.requests()
            assert len(requests) > 15
            assert all(url.startswith(server.url) for url in requests), requests
            return browser

        yield opened


def test_the_page_of_a_file(open_site: Open, small_site: Path) -> None:
    page = open_site(small_site)
    assert page.errors() == []
    clips = json.loads((small_site / "golden.json").read_text())["clips"]
    assert {clip["signature"] for clip in clips} == {"serving_default", "frames_4"}
    assert page.text("#verdict").startswith(f"PASS {len(clips)} of {len(clips)} clips")
    assert page.text("#proof").count("PASS") == len(clips)
    facts = page.text("#facts")
    for said in ("model.tflite", "sign 0, sign 1", "4, 16 frames", "equal to Keras"):
        assert said in facts
    assert clips[0]["clip"] in page.text("#result") and "serving_default" in page.text("#result")
    assert page.evaluate("document.querySelectorAll('#result li').length") == 5
    assert page.evaluate("performance.getEntriesByName('classified').length") == 1


def labels_of(page: Browser) -> list[tuple[str, float]]:
    """Return the labels that the page shows, with their percentages."""
    shown = "[...document.querySelectorAll('#result li')].map((one) => one.innerText)"
    lines = [one.split("\n") for one in page.evaluate(shown)]
    return [(label, float(percent.removesuffix(" %"))) for label, percent in lines]


def give(page: Browser, file: Path) -> str:
    """Drop a file, and return what the page says of it."""
    page.evaluate("performance.clearMarks()")
    page.drop("#drop", [file])
    page.wait_for("performance.getEntriesByName('classified').length")
    return page.text("#result")


def test_a_dropped_clip_is_classified_as_predict_does(
    open_site: Open, small_site: Path, small_tflite: Callable[..., Path], tmp_path: Path
) -> None:
    model, path = small_tflite(4, 16), tmp_path / "clip.npy"
    np.save(path, a_clip(3, 20).astype(np.float64))
    expected = signbart_port.predict(model, path)
    page = open_site(small_site)
    said = give(page, path)
    assert "20 frames, of which the model reads 16, by the signature serving_default" in said
    guesses = [(one.label, 100 * one.probability) for one in expected.best(expected.clips[0], 5)]
    got = labels_of(page)
    assert [label for label, _ in got] == [label for label, _ in guesses]
    for (_, shown), (_, percent) in zip(got, guesses, strict=True):
        assert shown == pytest.approx(percent, abs=0.06)
    np.save(path, 640 * np.load(path))
    sides = "document.querySelectorAll('#try details input').forEach((one) => (one.value = 640))"
    page.evaluate(sides)
    assert give(page, path).split("\n")[1:-1] == said.split("\n")[1:-1]  # all but the time


def test_what_is_no_clip_of_the_model_is_refused_in_words(
    open_site: Open, small_site: Path, small_tflite: Callable[..., Path], tmp_path: Path
) -> None:
    """In the words of the commands."""
    model, wrong = small_tflite(4, 16), tmp_path / "wrong.npy"
    page = open_site(small_site)
    for clip in (
        1000 * a_clip(0, 4),
        a_sign(KNOWN["holistic-543"], 3)[..., :2].clip(0, 1),
        a_clip(0, 4, 7),
        a_clip(0, 4)[0],
    ):
        np.save(wrong, np.nan_to_num(clip))
        with pytest.raises(signbart_port.PortError) as refused:
            signbart_port.predict(model, wrong)
        words = refused.value.what
        assert words.split(". ")[0] in give(page, wrong)
        assert page.evaluate("document.querySelectorAll('#result li').length") == 0
    pickle = tmp_path / "it's; a.pkl"
    pickle.write_bytes(b"\x80\x04K\x01.")
    said = give(page, pickle)
    assert "signbart-port predict model.tflite 'it'\\''s; a.pkl' --golden clip.json" in said
    np.save(wrong, a_clip(1, 3))
    assert "frames_4" in give(page, wrong)  # and goes on


@pytest.mark.release
def test_a_json_that_predict_made_is_a_clip(
    open_site: Open, small_site: Path, small_tflite: Callable[..., Path], tmp_path: Path
) -> None:
    """The way for a pickle, which the page names."""
    clip = tmp_path / "clip.npy"
    np.save(clip, a_clip(3, 5))
    found = signbart_port.predict(small_tflite(4, 16), clip)
    golden.write(tmp_path / "clip.json", found, force=False)
    page = open_site(small_site)
    first = give(page, clip)
    assert first.split("\n")[1:4] == give(page, tmp_path / "clip.json").split("\n")[1:4]


def test_damaged_weights_fail(open_site: Open, small_site: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(small_site, site)
    data = bytearray((site / "model.tflite").read_bytes())
    for array, _ in weights_in(data).values():
        if array.ndim == 2:
            array[...] = -array
    (site / "model.tflite").write_bytes(data)
    page = open_site(site)
    assert page.text("#verdict").startswith("FAIL The file is not the one")
    assert page.text("#proof").count("FAIL") == 8
    vectors = json.loads((site / "golden.json").read_text())
    vectors["model"]["sha256"] = digest.of_file(site / "model.tflite")
    (site / "golden.json").write_text(json.dumps(vectors))
    page = open_site(site)  # where only the scores tell
    assert page.text("#verdict").startswith("FAIL 0 of 8 clips")


@pytest.mark.release
def test_what_is_no_model_is_said(open_site: Open, small_site: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(small_site, site)
    (site / "model.tflite").write_bytes(b"no model" * 1000)
    page = open_site(site)
    assert page.text("#verdict").startswith("FAIL The model cannot be run here: ")


def test_text_of_files_is_text(
    open_site: Open, small_tflite: Callable[..., Path], tmp_path: Path
) -> None:
    """Labels, the names of files, golden vectors and metadata, each with markup and without end."""
    long = EVIL + "w" * 5000
    model, clip = tmp_path / f"{EVIL.replace('/', '')}.tflite", tmp_path / "<b>it.npz"
    labels = tuple(f"{number}\u202e{long}" for number in range(5))
    source = {long: long}
    card = a_card(small_config(), (4, 16), labels=labels, source=source, version=long)
    model.write_bytes(metadata.attach(bare(small_tflite(4, 16)), card))
    np.savez(clip, keypoints=a_clip(0, 9), label=np.array(EVIL))
    page = open_site(signbart_port.write_site(model, tmp_path / "site", clip).folder, width=375)
    assert page.text("#verdict").startswith("PASS 1 of 1")
    assert "<img src=x" in page.text("#result") and "<img src=x" in page.text("#facts")
    assert "\\u202e<img" in page.text("#result") and "\u202e" not in page.text("body")
    assert "<img src=x" in page.text("h1") and "<b>it.npz" in page.text("#proof")
    other = tmp_path / f"{EVIL.replace('/', '')}.npy"
    np.save(other, a_clip(0, 9))
    assert "<img src=x" in give(page, other)
    other.write_bytes(b"\x80")
    assert "<img src=x" in give(page, other)
    assert page.evaluate("document.querySelectorAll('img, script:not([src]), b').length") == 0
    assert page.evaluate("document.title") != "run"
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.errors() == []


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
@pytest.mark.on_commit("320")
def test_nothing_is_wider_than_the_window(open_site: Open, small_site: Path, width: int) -> None:
    page = open_site(small_site, width=width)
    extent = (
        "[innerWidth, document.documentElement.clientWidth, document.documentElement.scrollWidth]"
    )
    inner, visible, widest = page.evaluate(extent)
    assert inner == width and widest <= visible


@pytest.mark.release
def test_it_is_dark_where_the_system_is(open_site: Open, small_site: Path) -> None:
    """With text that stays apart from its ground."""
    shown = "getComputedStyle(document.body)"
    colors = (
        f"[{shown}.backgroundColor, {shown}.color].map((one) => one.match(/\\d+/g).map(Number))"
    )
    for dark in (False, True):
        ground, ink = open_site(small_site, dark=dark).evaluate(colors)
        assert (sum(ground) < sum(ink)) is dark
        assert abs(sum(ground) - sum(ink)) > 500


@pytest.mark.release
def test_it_works_by_keyboard(open_site: Open, small_site: Path) -> None:
    """Every control has a name; a button takes the focus, is seen to have it, and is pressed."""
    page = open_site(small_site)
    controls = "[...document.querySelectorAll('button, input, select, summary, a')]"
    assert page.evaluate(f"{controls}.length") >= 15
    named = "one.innerText || one.ariaLabel || one.labels?.[0]?.textContent"
    assert page.evaluate(f"{controls}.filter((one) => !({named})).length") == 0
    second = page.find_elements(By.CSS_SELECTOR, ".clips button")[1]
    second.send_keys(Keys.ENTER)
    page.wait_for(
        f"document.getElementById('result').innerText.startsWith({json.dumps(second.text)})"
    )
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
