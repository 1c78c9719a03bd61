"""The callback by which a verb tells its caller what it is doing."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str], None]
"""Called with the name of each step as it begins, such as "Reading the checkpoint"."""


def no_progress(step: str) -> None:
    """Ignore the step: the default of every verb."""
