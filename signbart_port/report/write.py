"""Write a report in the format that its file name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from signbart_port.parity.report import Report
from signbart_port.report.document import EVALUATING, Origin, document, strict_json
from signbart_port.system import atomic_output

if TYPE_CHECKING:
    from signbart_port.evaluation.result import Evaluation


def check(path: str | Path, *, force: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse, before any work, a report that `write` would refuse.

    Raises PortError for a name that ends in neither .html nor .json, itself or where it links to,
    and as `atomic_output.check` does.
    """
    atomic_output.check_suffix(path, _FORMATS, "a report")
    atomic_output.check(path, force=force, inputs=inputs)


def write(
    path: str | Path,
    report: Report | Evaluation,
    *,
    force: bool = False,
    inputs: Iterable[str | Path] = (),
) -> None:
    """Write `report` to `path`: a self-contained page (.html), or a document (.json), which for a
    proof is described by schema.json.

    `inputs` are files that it must not replace. Raises PortError as `check` does, and if the disk
    refuses the write.
    """
    check(path, force=force, inputs=inputs)
    text = _FORMATS[Path(path).suffix](report)
    with atomic_output.replacing(path, force=force, inputs=inputs) as temp:
        temp.write_text(text, encoding="utf-8")


def _page(report: Report | Evaluation) -> str:
    # Both import jinja2, and the second matplotlib.
    if isinstance(report, Report):
        from signbart_port.report.proof_page import page

        return page(report, Origin.now())
    from signbart_port.report import evaluation_page

    return evaluation_page.page(report, Origin.now(EVALUATING))


def _document(report: Report | Evaluation) -> str:
    packages = () if isinstance(report, Report) else EVALUATING
    return strict_json(document(report, Origin.now(packages))) + "\n"


_FORMATS: dict[str, Callable[[Report | Evaluation], str]] = {".html": _page, ".json": _document}
