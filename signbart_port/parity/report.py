"""The result of a proof, as plain data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from signbart_port.parity.compare import LOGITS, Row


@dataclass(frozen=True)
class Report:
    """What was compared, and how it went.

    `rows` are in the order of the run, the logits last. `agreement` counts the clips whose
    predicted class is the same, of how many. `findings` are what else is wrong; `notes` say where a
    config comes from.
    """

    reference: str
    candidate: str
    clips: tuple[str, ...]
    frames: int
    rows: tuple[Row, ...]
    agreement: tuple[int, int]
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return bool(self.rows) and all(row.passed for row in self.rows) and not self.findings

    @property
    def first_failure(self) -> Row | None:
        """The first module of the run whose output is wrong: what comes after it follows from
        it."""
        return next((row for row in self.rows if not row.passed), None)

    @property
    def logits(self) -> Row:
        return next(row for row in self.rows if row.tap == LOGITS)

    def verdict(self) -> str:
        """One line: equal, or what is wrong first."""
        if self.passed:
            return f"equal: {len(self.rows)} outputs within their limits"
        row = self.first_failure
        parts = list(self.findings)
        if row is not None:
            parts.insert(
                0,
                f"first wrong output: {row.tap}: off by {row.error:.2e}, limit {row.limit:.2e}"
                f" (at {list(row.worst)}: expected {row.expected:.7g}, got {row.got:.7g})"
                if row.elements
                else f"first wrong output: {row.tap}: nothing to compare, or another shape",
            )
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the verdict."""
        data = dataclasses.asdict(self)
        for row, plain in zip(self.rows, data["rows"], strict=True):
            plain["passed"] = row.passed
        return data | {"passed": self.passed, "verdict": self.verdict()}

    def summary(self) -> dict[str, Any]:
        """The few figures that go into a file's provenance."""
        return {
            "passed": self.passed,
            "outputs": len(self.rows),
            "clips": list(self.clips),
            "frames": self.frames,
            "logits": {"error": self.logits.error, "reference_error": self.logits.noise},
            "same_class": list(self.agreement),
        }
