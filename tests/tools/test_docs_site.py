"""The documentation site: strictly built, whole, and of one host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import griffe
import pytest
from typer.main import get_command

import docs_reference
import docs_site
from docs_links import relink, without_options
from signbart_port.cli._help import ALIASES
from signbart_port.cli.main import app
from tests.support.sites import serving

if TYPE_CHECKING:
    from tests.support.browser import Browser

LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
QUESTIONS = {
    "how do I get labels into the file?": "questions.html#how-do-i-get-labels-into-the-file",
    "labels": "how-to/labels.html",
    "my checkpoint has no config": "questions.html#my-checkpoint-has-no-config-what-now",
    "checkpoint without config": "how-to/checkpoint-without-config.html",
    "exit code 1": "questions.html#what-does-exit-code-1-mean",
    "joints": "how-to/joints.html",
    "which extra do I need": "questions.html#which-extra-do-i-need",
    "make the file smaller": "how-to/quantize.html",
    "run it on android": "questions.html#how-do-i-run-it-on-android-ios-or-in-a-browser",
    "renamed modules": "how-to/fork.html",
    "fine-tune": "how-to/fine-tune.html",
    "what does equal mean": "questions.html#what-does-equal-mean",
    "wrong on the phone": "how-to/app.html#prove-it-on-the-phone",
    "golden vectors": "golden.html",
    "my own model": "questions.html#can-i-use-it-for-my-own-model",
}
"""What a newcomer types, and the first hit that answers it."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    out = tmp_path_factory.mktemp("docs") / "site"
    docs_site.build(out)
    return out


class Page(HTMLParser):
    """What a page defines, links to and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = dict(attrs)
        self.ids |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif LOADED.get(tag) in given:
            self.loaded.append(given[LOADED[tag]])


def pages(site: Path) -> dict[Path, Page]:
    """Parse every page but that of a missing one, whose links are those of a server's root."""
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def broken(parsed: dict[Path, Page]) -> Iterator[str]:
    """Yield each link to a page, a file or an anchor that is not there."""
    for path, page in parsed.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = parsed[target].ids if target in parsed else set()
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                yield f"{path.name}: {link}"


def test_every_link_leads_somewhere(site: Path) -> None:
    parsed = pages(site)
    assert sum(len(page.links) for page in parsed.values()) > 1000
    assert [*broken(parsed)] == []
    some = parsed[site / "tutorial.html"]
    some.links = ["nowhere.html", "tutorial.html#nowhere", "#nowhere", "tutorial.html"]
    assert len([*broken(parsed)]) == 3


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    loaded = {link for page in pages(site).values() for link in page.loaded}
    assert loaded and not [link for link in loaded if urlsplit(link).netloc]
    assert "iframe-worker.js" in {PurePosixPath(link).name for link in loaded}


def test_the_page_of_commands_has_every_option(site: Path) -> None:
    page = (site / "reference/commands.html").read_text("utf-8")
    text = re.sub(r"<[^>]*>", "", page)
    for name, command in docs_reference.commands_of(get_command(app)):
        assert f"<code>signbart-port {name}</code>" in page
        for param in command.params:
            shown = {option for option in param.opts if option.startswith("-")} - {*ALIASES}
            assert param.hidden or all(option in text for option in shown)
    assert not [alias for alias in ALIASES if re.search(rf"{alias}\b", text)]
    assert text.count("prove the two equal, module by module") == 2  # in the list, and by itself
    assert "signbart-port convert model.pth --config lsa-64 --report proof.html" in text


def test_a_broken_anchor_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "small"\n')
    index = tmp_path / "docs" / "index.md"
    index.write_text("# Here\n\n[there](#here)\n")
    docs_site.render(tmp_path)
    index.write_text("# Here\n\n[there](#there)\n")
    with pytest.raises(ValueError, match="anchor does not exist"):
        docs_site.render(tmp_path)


@pytest.mark.parametrize(
    ("pages", "listed", "expected"),
    [
        ({"a.md", "b.md"}, ["a.md"], "b.md is not in nav"),
        ({"a.md"}, ["a.md", "b.md"], "b.md is in nav and does not exist"),
        ({"a.md"}, ["a.md", "a.md"], "a.md is in nav twice"),
    ],
)
def test_the_navigation_has_each_page_once(
    pages: set[str], listed: list[str], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        docs_site.check_nav(pages, listed)


def test_public_names_without_a_docstring_are_found() -> None:
    code = """
class Bare:
    first: int
    second: int
    'The second.'

    def run(self): ...

    def _hidden(self): ...
"""
    with griffe.temporary_visited_module(code) as module:
        assert [*docs_reference.undocumented(module["Bare"])] == ["", ".first", ".run"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](docs/a.md#b)", "[a](a.md#b)"),
        ("![a\nb](docs/a.svg)", "![a\nb](a.svg)"),
        (
            "[`m.yaml`](m.yaml), [it](https://x.y)",
            "[`m.yaml`](source/m.yaml.md), [it](https://x.y)",
        ),
        ("`[a](docs/a.md)` [b](folder)", "`[a](docs/a.md)` b"),
        ("```\n[a](docs/a.md)\n```\n", "```\n[a](docs/a.md)\n```\n"),
        ("[a](#b)", "[a](#b)"),
    ],
)
def test_links_become_those_of_the_site(text: str, expected: str) -> None:
    found = {"m.yaml": "source/m.yaml.md", "folder": None}

    def find(path: PurePosixPath) -> str | None:
        return found.get(str(path), path.name)

    page = PurePosixPath("index.md")
    assert relink(text, PurePosixPath("README.md"), page, find) == expected


def test_a_fence_keeps_its_language_alone() -> None:
    assert without_options("```python no-run\nx\n```\n") == "```python\nx\n```\n"
    assert without_options("  ```python no-run\n") == "  ```python\n"
    kept = '```text title="Output"\n```\na `python no-run` fence\n'
    assert without_options(kept) == kept


def test_a_link_to_nothing_in_the_repository_is_refused(tmp_path: Path) -> None:
    stage = docs_site.Stage(tmp_path, "")
    assert stage.find(PurePosixPath("samples")) is None
    with pytest.raises(ValueError, match=r"docs/nowhere\.md: is linked to, and does not exist"):
        stage.find(PurePosixPath("docs/nowhere.md"))


def test_links_out_of_the_site_go_to_the_repository_where_that_is_known(tmp_path: Path) -> None:
    stage = docs_site.Stage(tmp_path, "https://example.org/blob/main/")
    stage.fill()
    assert "](https://example.org/blob/main/mappings/signbart.yaml)" in (
        tmp_path / "mapping.md"
    ).read_text("utf-8")
    assert not (tmp_path / "source").exists()


@pytest.mark.release
def test_a_browser_is_content(site: Path, browser: Browser) -> None:
    """With every page on a phone, dark, from the disk and from a server."""
    with serving(site) as server:
        for path in pages(site):
            for url in (path.as_uri(), f"{server.url}{path.relative_to(site).as_posix()}"):
                browser.open(url, width=390, height=800, dark=True)
                assert browser.text("h1")
                assert browser.said() == [], url
                hosts = {urlsplit(one).netloc for one in browser.requests()}
                assert hosts <= {"", urlsplit(server.url).netloc}, url
                assert browser.evaluate("document.documentElement.scrollWidth") == 390, url
                color = browser.evaluate("getComputedStyle(document.body).backgroundColor")
                assert max(map(int, re.findall(r"\d+", color)[:3])) < 64, url


@pytest.mark.release
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_first_hit_answers_a_newcomer(site: Path, browser: Browser, question: str) -> None:
    browser.open((site / "index.html").as_uri())
    assert first_hit(browser, question) == f"{site.as_uri()}/{QUESTIONS[question]}"


@pytest.mark.release
def test_what_is_copied_is_the_commands(site: Path, browser: Browser) -> None:
    """Neither prompts nor output. A long command goes on in the next line."""
    browser.open((site / "how-to/app.html").as_uri(), width=390)
    browser.wait_for("document.querySelector('.highlight button')")
    browser.execute_script(
        "document.execCommand = () => window.copied = document.activeElement.value"
    )
    block = browser.find_elements("css selector", ".highlight:has(.go)")[-1]
    assert block.text.startswith("$ signbart-port predict ") and "PASS" in block.text
    browser.execute_script("arguments[0].querySelector('button').click()", block)
    assert browser.evaluate("copied") == (
        "signbart-port predict phone.tflite clip.npy --golden golden.json --quiet\n"
        "signbart-port predict --check golden.json"
    )
    assert browser.evaluate(
        "(code => code.scrollWidth === code.clientWidth)(document.querySelector('code:has(.gp)'))"
    )


@pytest.mark.release
def test_a_served_site_is_searched_too(site: Path, browser: Browser) -> None:
    with serving(site) as server:
        browser.open(f"{server.url}tflite.html")
        assert first_hit(browser, "labels") == f"{server.url}how-to/labels.html"


def first_hit(browser: Browser, question: str) -> str:
    """Type a question into the search; return the address of the first hit."""
    browser.find_element("css selector", ".md-search__button").click()
    search = "[...document.body.children].map((one) => one.shadowRoot).find((one) => one)"
    browser.wait_for(f"{search}?.querySelector('input')")
    browser.switch_to.active_element.send_keys(question)
    # The hits follow each letter: those of the whole question have it in their addresses.
    typed = f"new URLSearchParams({search}?.querySelector('a[href]')?.search).get('h')"
    browser.wait_for(f"{typed} === {question!r}")
    address: str = browser.evaluate(f"{search}.querySelector('a[href]').href")
    return re.sub(r"\?[^#]*", "", address)
