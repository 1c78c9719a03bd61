"""Build the documentation site: `make docs`.

    python tools/docs_site.py

Stages the pages of `docs/`, those of the repository's own files, and what `docs_reference.py` makes
of the program, with links that hold in the site; then builds them with Zensical, strictly, into
`site/`. A broken link or anchor, a page that is not in the navigation, and a public name without a
docstring end the build with a line and exit code 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import click

import docs_reference
import notebook_page
from docs_links import relink, without_options

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "zensical.toml"
DOCS = PurePosixPath("docs")
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "samples/README.md": "samples.md",
}
"""Files of the repository that are pages, beside those in `docs/`."""
UNSEARCHED = "---\nsearch: {exclude: true}\n---\n\n"
NOT_FOUND = ("changelog.md",)
"""Pages that the search leaves out: the words of every other page are in them too."""
MADE = {
    "notebook.md": notebook_page.page,
    "reference/commands.md": docs_reference.commands,
    "reference/api.md": docs_reference.api,
    "reference/schemas.md": docs_reference.schemas,
}
COPIES = PurePosixPath("source")
"""The folder of copies of files that pages link to and that are no pages: not in the navigation."""
SHIM, SHIM_ELSEWHERE = "assets/iframe-worker.js", "https://unpkg.com/iframe-worker/shim"
"""What Zensical's pages load for the search in a page of file://, and where from."""
LANGUAGES = {".py": "python", ".yaml": "yaml", ".json": "json", ".toml": "toml"}


class Stage:
    """The pages of the site in a folder, as Zensical reads them."""

    def __init__(self, folder: Path, repository: str) -> None:
        self.folder = folder
        self._repository = repository.rstrip("/")
        self._pages = {PurePosixPath(source): page for source, page in OUTSIDE.items()}
        for path in sorted((ROOT / DOCS).rglob("*")):
            if path.is_file():
                source = PurePosixPath(path.relative_to(ROOT).as_posix())
                self._pages[source] = str(source.relative_to(DOCS))

    def fill(self) -> None:
        """Write every page and what they show."""
        for source, page in self._pages.items():
            target = self._target(page)
            if target.suffix == ".md":
                text = without_options((ROOT / source).read_text("utf-8"))
                text = relink(text, source, PurePosixPath(page), self.find)
                target.write_text(UNSEARCHED + text if page in NOT_FOUND else text, "utf-8")
            else:
                shutil.copyfile(ROOT / source, target)
        for page, make in MADE.items():
            self._target(page).write_text(make(), "utf-8")

    def pages(self) -> set[str]:
        """Return the pages that belong in the navigation."""
        every = {path.relative_to(self.folder) for path in self.folder.rglob("*.md")}
        return {page.as_posix() for page in every if page.parts[0] != str(COPIES)}

    def find(self, source: PurePosixPath) -> str | None:
        """Return where a link to a file of the repository leads; None: nowhere.

        Raises ValueError for a file that does not exist.
        """
        if source in self._pages:
            return self._pages[source]
        path = ROOT / source
        if not path.exists():
            raise ValueError(f"{source}: is linked to, and does not exist")
        if self._repository:
            return f"{self._repository}/{source}"
        return self._copy(source) if path.is_file() else None

    def _copy(self, source: PurePosixPath) -> str:
        page = f"{COPIES / source}.md"
        language = LANGUAGES.get(source.suffix, "text")
        text = (ROOT / source).read_text("utf-8")
        fence = "~" * 8
        self._target(page).write_text(
            f"{UNSEARCHED}# {source}\n\n{fence} {language}\n{text}\n{fence}\n", "utf-8"
        )
        return page

    def _target(self, page: str) -> Path:
        target = self.folder / page
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def build(out: Path) -> None:
    """Build the site into `out`, which does not exist yet. Raises ValueError for a faulty page."""
    config = tomllib.loads(CONFIG.read_text("utf-8"))["project"]
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        stage = Stage(work / "docs", config["extra"]["repository"])
        stage.fill()
        check_nav(stage.pages(), [*_listed(config["nav"])])
        shutil.copyfile(CONFIG, work / CONFIG.name)
        render(work)
        _localize(work / "site")
        shutil.move(work / "site", out)


def render(folder: Path) -> None:
    """Build `site/` of the project in `folder`. Raises ValueError for a broken link or anchor."""
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ValueError(f"zensical: {click.unstyle(done.stdout + done.stderr)}")


def _localize(site: Path) -> None:
    """Have every page load the shim of its search from the site, and not from another host."""
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        missing = path.name == "404.html"  # a server shows it at any address
        local = f"/{SHIM}" if missing else os.path.relpath(site / SHIM, path.parent)
        if text.count(SHIM_ELSEWHERE) != 1:
            raise ValueError(f"{path.name}: does not load {SHIM_ELSEWHERE} once, as expected")
        path.write_text(text.replace(SHIM_ELSEWHERE, local), "utf-8")


def check_nav(pages: set[str], listed: list[str]) -> None:
    """Raise ValueError unless the navigation lists each page once, and no other."""
    wrong = {
        "is not in nav": pages - {*listed},
        "is in nav and does not exist": {*listed} - pages,
        "is in nav twice": {page for page in listed if listed.count(page) > 1},
    }
    if any(wrong.values()):
        said = [f"{page} {what}" for what, some in wrong.items() for page in sorted(some)]
        raise ValueError(f"{CONFIG.name}: {', '.join(said)}")


def _listed(nav: list[dict[str, Any]]) -> Iterator[str]:
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from _listed(value)


def main() -> None:
    out = ROOT / "site"
    with TemporaryDirectory() as scratch:
        built = Path(scratch) / "site"
        try:
            build(built)
        except ValueError as error:
            raise SystemExit(f"{error}") from None
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(built, out)
    print(out / "index.html")


if __name__ == "__main__":
    main()
