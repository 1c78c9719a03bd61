"""Run the commands of README.md and docs/ as a reader would.

    python tools/run_pages.py                    # run every page, and say what differs
    python tools/run_pages.py docs/tflite.md     # run one
    python tools/run_pages.py --list             # every command, where it stands, whether it is run
    python tools/run_pages.py --write            # run, and write the outputs into the pages

A `...` in an output stays where the lines around it are printed as shown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from page_commands import reason_not_run
from page_comparison import ANYTHING, aligned
from page_session import Ran, run_page
from pages import ROOT, Fence, only_parsed, pages, steps


def commands(page: str) -> list[str]:
    """Return a line for each command of a page."""
    run = [step for step in steps(page) if not isinstance(step, Fence)]
    return [
        *(
            f"{step.where}  {'compared' if step.shown else 'run'}  {_first_line(step.text)}"
            for step in run
        ),
        *(
            f"{where}  parsed  {_first_line(text)}  ({reason_not_run(text) or 'NO REASON'})"
            for where, text in only_parsed(page)
        ),
    ]


def _first_line(text: str) -> str:
    first, *more = text.splitlines()
    return f"{first} ..." if more else first


def rewritten(page: str, ran: list[Ran]) -> tuple[str, list[str]]:
    """Return a page with the outputs of a run, and where a person has to look: at a step that
    failed, and at an output with `...` whose other lines are no longer printed."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    by_hand = []
    for one in reversed(ran):  # from below: the lines above keep their numbers
        step = one.step
        new = aligned(step.shown, one.printed)
        if new is None and not one.code and ANYTHING not in map(str.strip, step.shown):
            new = list(one.printed)
        if new is None or (one.code and not step.shown):
            by_hand.append(step.where)
        elif step.shown:
            first, margin = step.shown_at - 1, " " * step.indent
            lines[first : first + len(step.shown)] = [f"{margin}{line}".rstrip() for line in new]
    return "".join(f"{line}\n" for line in lines), by_hand[::-1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="Default: all.")
    parser.add_argument("--list", action="store_true", help="Print the commands, run nothing.")
    parser.add_argument("--write", action="store_true", help="Write the outputs into the pages.")
    options = parser.parse_args(arguments)
    faults = 0
    for page in options.pages or pages():
        if options.list:
            print(*commands(page), sep="\n", end="\n" if commands(page) else "")
            continue
        with tempfile.TemporaryDirectory() as scratch:
            ran = list(run_page(page, Path(scratch)))
        wrong = [fault for one in ran if (fault := one.fault)]
        if options.write:
            text, by_hand = rewritten(page, ran)
            (ROOT / page).write_text(text, "utf-8")
            wrong = [f"{where}: by hand" for where in by_hand]
        print(f"{page}: {len(ran)} commands, {len(wrong)} differ", *wrong, sep="\n", flush=True)
        faults += len(wrong)
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
