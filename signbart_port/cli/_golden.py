"""The part of `predict` that replays golden vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from signbart_port.cli import _options, _show
from signbart_port.errors import ExitCode, PortError, printable

if TYPE_CHECKING:
    from signbart_port.tflite.golden import Replayed

_TAKEN = {"check", "json", "quiet"}


def check_options(context: typer.Context, clips: Sequence[Path]) -> None:
    """Raise PortError for what `--check` does not take beside it."""
    if clips:
        raise PortError(clips[0], "--check replays the clips in its own file", "Leave it out")
    for one in _options.others(context, _TAKEN):
        raise PortError(None, f"{one.opts[0]} cannot be combined with --check")


def replay(golden: Path, model: Path | None, *, json: bool, quiet: bool) -> None:
    """Replay golden vectors, print a line a clip, and end with exit code 1 where one fails."""
    from signbart_port.verbs.replay_golden import replay_golden

    found = replay_golden(golden, model)
    if json:
        _show.as_json(found.as_dict())
    elif not quiet:
        _print(found)
    if not found.passed:
        if quiet:
            failed = sum(not one.passed for one in found.results)
            _show.warn(printable(f"{golden}: {failed} of {found.clips} clips FAIL", 1000))
        raise typer.Exit(ExitCode.PROOF_FAILED)


def _print(found: Replayed) -> None:
    for one in found.results:
        verdict = "PASS" if one.passed else "FAIL"
        line = f"{verdict} {one.clip}, {one.signature}: keypoints {one.keypoints:.1e} apart"
        print(printable(f"{line}, scores {one.scores:.1e}", 1000))
    passed = sum(one.passed for one in found.results)
    print(
        f"{passed} of {found.clips} clips pass: keypoints within {found.keypoints_tolerance:.1e},"
        f" {found.output} within {found.scores_tolerance:.1e}"
    )
