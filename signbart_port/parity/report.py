"""The result of a proof, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from signbart_port.parity.compare import Row
from signbart_port.parity.taps import LOGITS
from signbart_port.system.presentable import Presentable
from signbart_port.transfer.plan import Placed


class Evidence(Enum):
    """The evidence for a blame, the strongest first."""

    ISOLATED = "wrong for the reference's own inputs"
    WEIGHTS = "other weights than the reference's"
    STRUCTURE = "the first wrong output in float64"
    CHAINED = "the first wrong output of the run"


@dataclass(frozen=True)
class Blame:
    """The module that is wrong, and what its numbers say.

    `row` is the comparison that shows it (None where only the weights do). `cause` is what such an
    error usually means: one that was tried and gives the numbers that were found, else empty. If
    `row` is right alone, what is wrong lies between it and `after`, the last right output.
    """

    module: str
    evidence: Evidence
    row: Row | None = None
    cause: str = ""
    after: str = ""

    def sentence(self) -> str:
        """Return one line: the module, its worst element, the cause where one is known."""
        parts = [f"{self.module}: {self.evidence.value}"]
        if self.row is not None:
            of_other = "" if self.row.module == self.module else f"{self.row.tap} is "
            parts.append(of_other + self.row.sentence())
        if self.after:
            parts.append(f"{self.after} before it is right")
        if self.cause:
            parts.append(self.cause)
        return "; ".join(parts)


@dataclass(frozen=True)
class Differing:
    """A tensor that is not what it should be: how many of its values, and the worst of them.

    `name` is the candidate's name of it. `largest` is NaN where values cannot be subtracted.
    """

    name: str
    module: str
    values: int
    of: int
    largest: float
    worst: tuple[int, ...]
    expected: float
    got: float


@dataclass(frozen=True)
class Rounded:
    """A tensor whose source had more precision than a float32: how many values that changed."""

    name: str
    dtype: str
    values: int
    of: int
    largest: float


@dataclass(frozen=True)
class WeightComparison:
    """Every tensor of the candidate against the reference's, through the mapping.

    `rule` says what was asked of them: every bit, or the rounding that the file's type implies;
    `unread` how many values of the reference the candidate lacks because it never reads them.
    """

    rule: str
    tensors: int
    values: int
    differing: tuple[Differing, ...] = ()
    rounded: tuple[Rounded, ...] = ()
    missing: tuple[str, ...] = ()
    unread: int = 0

    @property
    def passed(self) -> bool:
        return self.tensors > 0 and not self.differing and not self.missing

    def sentence(self) -> str:
        """Return one line: how many are equal, or what differs first."""
        if self.passed:
            left = f"; {self.unread:,} that nothing reads are left out" if self.unread else ""
            return f"{self.tensors} tensors, {self.values:,} values: {self.rule}{left}"
        parts = [f"{name} is missing" for name in self.missing[:2]]
        parts += [
            f"{d.name}: {d.values:,} of {d.of:,} values differ, the worst at {list(d.worst)}:"
            f" expected {d.expected:.9g}, got {d.got:.9g}"
            for d in self.differing[:2]
        ]
        more = len(self.missing) + len(self.differing) - len(parts)
        return "weights: " + "; ".join([*parts, *([f"and {more} more"] if more else [])])


@dataclass(frozen=True, repr=False)
class Report(Presentable):
    """The result of a comparison."""

    reference: str
    """The file that was compared with."""
    candidate: str
    """The file that was judged."""
    rows: tuple[Row, ...]
    """The outputs of the whole run, in its order, the logits last."""
    isolated: tuple[Row, ...] = ()
    """The outputs of each module alone, fed the reference's own inputs; empty where a side shows no
    modules."""
    structure: tuple[Row, ...] = ()
    """The outputs of the whole run of the candidate in float64; empty where a side does not run in
    it."""
    weights: WeightComparison | None = None
    blame: Blame | None = None
    placed: tuple[Placed, ...] = ()
    notes: tuple[str, ...] = ()
    """The source of a config, and what else the user must know."""
    cautions: tuple[str, ...] = ()
    """The notes to be said however quiet the program is."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The pair's facts on the inputs and the logits, by the key of the JSON."""

    def __repr__(self) -> str:
        return f"<Report {self.candidate} against {self.reference}: {self.verdict()}>"

    @property
    def clips(self) -> tuple[str, ...]:
        """The names of the examples of the batch."""
        return tuple(self.facts.get("clips", ()))

    @property
    def masks(self) -> tuple[str, ...]:
        """The attention mask of each example, a character a frame."""
        return tuple(self.facts.get("masks", ()))

    @property
    def frames(self) -> int:
        """The length of the examples."""
        return int(self.facts.get("frames", 0))

    @property
    def agreement(self) -> tuple[int, int]:
        """The number of examples with the same predicted class, and of all."""
        same, of = self.facts.get("agreement", (0, 0))
        return same, of

    @property
    def inputs(self) -> str:
        """The inputs that both ran, in a few words."""
        if self.clips:
            return f"{len(self.clips)} synthetic clips of {self.frames} frames"
        return f"case {self.facts.get('case', '')}".strip()

    @property
    def passed(self) -> bool:
        failed = [row for row in (*self.rows, *self.isolated) if not row.passed]
        weights = self.weights is None or self.weights.passed
        decided = len(failed) == len(self.undecided)
        return bool(self.rows) and decided and self.same_structure is not False and weights

    @property
    def same_structure(self) -> bool | None:
        """Whether both compute the same in float64; None where that was not compared."""
        return all(row.passed for row in self.structure) if self.structure else None

    @property
    def undecided(self) -> tuple[Row, ...]:
        """The outputs that float32 is too coarse to judge, where float64 has judged the model."""
        if not self.same_structure:
            return ()
        return tuple(row for row in (*self.rows, *self.isolated) if row.undecided)

    @property
    def logits(self) -> Row:
        return next(row for row in self.rows if row.tap == LOGITS)

    def word(self, rows: Sequence[Row]) -> str:
        """Return the verdict on some of the outputs in a word or two: the worst of them."""
        undecided = self.undecided
        if any(not row.passed and row not in undecided for row in rows):
            return "WRONG"
        return "not judged" if any(row in undecided for row in rows) else "equal"

    def verdict(self) -> str:
        """Return one line: equal, or which module is wrong and how."""
        if self.passed:
            alone = f", {len(self.isolated)} of them also alone" if self.isolated else ""
            outputs = "output within its limit"
            if len(self.rows) > 1:
                outputs = "outputs within their limits"
            if self.undecided:
                return f"equal in float64; {self.not_judged()}"
            return f"equal: {len(self.rows)} {outputs}{alone}"
        parts = [self.blame.sentence()] if self.blame else []
        if self.weights is not None and not self.weights.passed:
            parts.append(self.weights.sentence())
        return "; ".join(parts)

    def not_judged(self) -> str:
        """Return one line on the outputs that float32 is too coarse to judge."""
        worst = max(self.undecided, key=lambda row: row.error / row.limit)
        return (
            f"float32 is too coarse for {len(self.undecided)} of its outputs: {worst.tap} is off by"
            f" {worst.error:.1e}, {worst.error / worst.limit:.1f} times its limit"
        )

    @property
    def structure_error(self) -> float | None:
        """How far the outputs in float64 are at most, relative to the largest value of each; None
        where they were not compared."""
        off = [row.error / row.scale if row.scale else 0.0 for row in self.structure]
        return max(off, default=None)

    def structure_sentence(self) -> str:
        """Return one line: how far the outputs in float64 are, or which is wrong first."""
        if not self.structure:
            return "not compared in float64"
        wrong = next((row for row in self.structure if not row.passed), None)
        if wrong is not None:
            return f"{wrong.tap}: {wrong.sentence()}"
        off = f"off by at most {self.structure_error:.1e} of their largest value"
        return f"{len(self.structure)} outputs, {off}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON, with the verdict."""
        data = dataclasses.asdict(self)
        data |= data.pop("facts")
        del data["cautions"]  # they are among the notes
        for rows in ("rows", "isolated", "structure"):
            for row, plain in zip(getattr(self, rows), data[rows], strict=True):
                plain["passed"] = row.passed
        if self.blame is not None:
            data["blame"] |= {"evidence": self.blame.evidence.name.lower()}
        return data | {"passed": self.passed, "verdict": self.verdict()}

    def summary(self) -> dict[str, Any]:
        """Return the few figures that go into the provenance of a file."""
        return {
            "passed": self.passed,
            "outputs": len(self.rows),
            "alone": len(self.isolated),
            "float64": len(self.structure),
            "undecided": [row.tap for row in self.undecided],
            "clips": list(self.clips),
            "frames": self.frames,
            "logits": {"error": self.logits.error, "reference_error": self.logits.noise},
            "same_class": list(self.agreement),
        }
