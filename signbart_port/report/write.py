"""Write a report, in the format that its name asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from signbart_port import output
from signbart_port.errors import PortError
from signbart_port.parity.report import Report
from signbart_port.report.document import Origin, document, strict_json


def check(path: str | Path, *, force: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, a report that `write` would refuse.

    Raises PortError for a name that ends in neither .html nor .json, itself or where it links to,
    and as `output.check` does.
    """
    # A link is followed, so that a report never takes the place of a model.
    for name in (path, os.path.realpath(path)):
        if Path(name).suffix not in _FORMATS:
            raise PortError(path, f"a report is written as {' or '.join(_FORMATS)}")
    output.check(path, force=force, inputs=inputs)


def write(
    path: str | Path, report: Report, *, force: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Write `report` to `path`: a self-contained page (.html), or the document that schema.json
    describes (.json).

    `inputs` are files that it must not replace. Raises PortError as `check` does, and when the disk
    refuses it.
    """
    check(path, force=force, inputs=inputs)
    text = _FORMATS[Path(path).suffix](report)
    with output.replacing(path, force=force, inputs=inputs) as temp:
        temp.write_text(text, encoding="utf-8")


def _page(report: Report) -> str:
    from signbart_port.report.page import page  # imports jinja2

    return page(report, Origin.now())


def _document(report: Report) -> str:
    return strict_json(document(report, Origin.now())) + "\n"


_FORMATS: dict[str, Callable[[Report], str]] = {".html": _page, ".json": _document}
