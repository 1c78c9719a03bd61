"""README.md and docs/: every command in them is run, or has a reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

import page_commands
import pages
import run_pages
from page_comparison import matches
from page_session import run_page
from pages import Fence, Step

PAGES = pages.pages()
ON_COMMIT = {"README.md", "docs/config.md", "docs/migration.md"}
"""What most people read, and pages that start no framework: the others are for a release."""


def has_steps(page: str) -> bool:
    return any(isinstance(step, Step) for step in pages.steps(page))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page in ON_COMMIT else pytest.mark.release)
        for page in filter(has_steps, PAGES)
    ],
)
def test_a_page_does_what_it_shows(page: str, tmp_path: Path) -> None:
    faults = [fault for ran in run_page(page, tmp_path) if (fault := ran.fault)]
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize("page", PAGES)
def test_no_command_escapes(page: str) -> None:
    found = {one.where: wrong for one in pages.fences(page) if (wrong := pages.problem(one))}
    assert not found


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_has_a_reason_and_could_be(page: str) -> None:
    for where, command in pages.only_parsed(page):
        assert page_commands.reason_not_run(command), f"{where}: {command}: not run; say why"
        assert not page_commands.problem(command), where


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_prose_exist(page: str) -> None:
    for where, command in pages.inline_commands(page):
        arguments = command.split()[1:]
        assert not page_commands.usage_problem(arguments, complete=False), where


def test_every_reason_is_needed() -> None:
    commands = [command for page in PAGES for _, command in pages.only_parsed(page)]
    needed = {page_commands.reason_not_run(command) for command in commands}
    assert needed == {*page_commands.NOT_RUN.values()}


def test_the_list_has_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    run_pages.main(["--list"])
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == sum(
        len(pages.only_parsed(page)) + sum(isinstance(one, Step) for one in pages.steps(page))
        for page in PAGES
    )
    assert not [line for line in listed if "NO REASON" in line]


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ("", "signbart-port convert model.pth\n"),
        ("bash", "make demo\n"),
        ("text", "$ signbart-port convert model.pth\n"),
        ("yaml", "pip install .\n"),
        ("python norun", "import signbart_port\n"),
        ("console", "signbart-port convert model.pth\n"),
        ("console no-run", "$ signbart-port convert model.pth\n"),
    ],
)
def test_a_fence_in_which_a_command_would_escape(info: str, text: str) -> None:
    (fence,) = pages.fences("page.md", f"```{info}\n{text}```\n")
    assert pages.problem(fence)


def test_a_fence_of_tildes_is_one() -> None:
    (fence,) = pages.fences("page.md", "~~~\nmake demo\n~~~\n")
    assert pages.problem(fence)


def test_a_fence_that_never_ends() -> None:
    with pytest.raises(ValueError, match=r"page\.md:2: this fence never ends"):
        pages.fences("page.md", "text\n```console\n$ true\n")


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("signbart-port convert model.pth --outt model.h5", "No such option: --outt"),
        ("A=1 signbart-port convert model.pth && signbart-port konvert", "No such command"),
        ("signbart-port convert", "Missing parameter: checkpoints"),
        ("torchrun -m pt_reference.train --confg signs.yaml", "No such option: --confg"),
        ("echo 'quoted", "unexpected EOF"),
    ],
)
def test_a_command_that_could_not_be_run(command: str, wrong: str) -> None:
    assert wrong in str(page_commands.problem(command))


def test_a_command_without_a_reason() -> None:
    assert page_commands.reason_not_run("signbart-port web model.tflite --out site") is None
    assert page_commands.reason_not_run("signbart-port web model.tflite --serve  # now")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("│ logits │ 1.5e-06 │ equal │", "│ logits │ 2.4e-06 │ equal │"),
        ("latency  0.57 ms a clip", "latency  11.25 ms a clip"),
        ("4 models in 18.4 s: 3 equal", "4 models in 7.1 s: 3 equal"),
        ("first\n...\nlast", "first\nlast"),
        ("...\nlast", "first\nsecond\nlast"),
        ("at 2026-11-29", "at 2027-01-02"),
    ],
)
def test_what_is_the_same(shown: str, printed: str) -> None:
    assert matches(shown.splitlines(), printed.splitlines())


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("│ logits │ 1.5e-06 │ equal │", "│ logits │ 1.5e-06 │ wrong │"),
        ("│ logits │ 1.5e-06 │ equal │", "│ logits │ 1.5e-04 │ equal │"),
        ("expected -2.154125", "expected 2.154125"),
        ("keypoints 0.0e+00 apart", "keypoints 1.2e-07 apart"),
        ("operators    252, all builtin", "operators    260, all builtin"),
        ("written  model.h5 (0.85 MB)", "written  model.h5 (0.86 MB)"),
        ("first\n...\nlast", "first\nlast\nmore"),
        ("first", "first\nsecond"),
        ("first\nsecond", "first"),
    ],
)
def test_what_is_not_the_same(shown: str, printed: str) -> None:
    assert not matches(shown.splitlines(), printed.splitlines())


def test_a_command_that_ends_the_shell_fails_with_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text("```console\n$ echo one; exit 0\n$ echo two\n```\n")
    first, second = run_page("page.md", tmp_path / "run")
    assert first.printed == ("one", "the session has ended") and first.fault
    assert second.printed == ("the session has ended",) and second.fault


PAGE = """
Text.

```console
$ cd signs
$ printf 'one\\ntwo 0.5 s\\n'
one
two 0.7 s
$ false
$ echo wrong
right
```

1. In a list:

   ```python title="made.py"
   print("three")
   ```

   ```python
   number = 4
   ```

   ```python
   import made

   print(number)
   ```

   ```text title="Output"
   three
   ...
   five
   ```
"""


def test_a_page_is_run_in_one_shell_and_one_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (pages, run_pages):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(PAGE)
    ran = list(run_page("page.md", tmp_path / "run"))
    assert [one.code for one in ran] == [0, 0, 1, 0, 0, 0]
    assert [one.fault is None for one in ran] == [True, True, False, False, True, False]
    assert ran[-1].printed == ("three", "4")
    assert (tmp_path / "run/page/model.pth").stat().st_size == 768_243
    (saved,) = (one for one in pages.steps("page.md") if isinstance(one, Fence))
    assert saved.file == "made.py"

    assert run_pages.main(["page.md", "--write"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == ["page.md: 6 commands, 2 differ", "page.md:9: by hand", "page.md:25: by hand"]
    new = PAGE.replace("right", "wrong")
    assert (tmp_path / "page.md").read_text() == new
