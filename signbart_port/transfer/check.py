"""All findings about a transfer, before (`check`) and after (`compare`) data moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from signbart_port.errors import printable
from signbart_port.transfer.folding import Template, folded, template
from signbart_port.transfer.ops import Array, Direction
from signbart_port.transfer.plan import Plan, Shape, Transfer


class Code(Enum):
    """Stable codes for what can be wrong with a tensor."""

    MISSING = "the mapping asks for it, and it is not there"
    UNMAPPED = "no rule of the mapping uses it"
    DOUBLE_SOURCE = "two rules read it"
    DOUBLE_TARGET = "two rules write it"
    UNFILLED = "no rule of the mapping writes it"
    SHAPE = "has another shape"
    DTYPE = "is not floating point"
    NONFINITE = "holds NaN or infinity"
    VALUE = "holds other values than its source"


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one tensor."""

    code: Code
    name: str
    detail: str = ""

    def sentence(self) -> str:
        """Return the finding for the user: `MISSING fc1.weight: the mapping asks for it ...`."""
        more = f" ({self.detail})" if self.detail else ""
        return f"{self.code.name} {printable(self.name)}: {self.code.value}{more}"


def check(
    plan: Plan,
    direction: Direction,
    source: Mapping[str, Array],
    target: Mapping[str, Shape] | None = None,
) -> list[Finding]:
    """Compare both sides with the plan and collect every finding; an empty list means no problem.

    `source` holds the tensors that will be read, `target` the shapes that will be written (None:
    the target does not exist yet and is not checked).
    """
    findings = list(_check_names(plan, direction, source))
    for transfer in plan.transfers:
        name, shape = transfer.source(direction)
        if name in source:
            findings += _check_tensor(name, source[name], shape, plan.mapping.at(transfer.line))
    if target is not None:
        findings += _check_target(plan, direction, target)
    return findings


def compare(
    plan: Plan, direction: Direction, source: Mapping[str, Array], written: Mapping[str, Array]
) -> list[Finding]:
    """Compare the written tensors bit for bit with their sources, through the inverse operation."""
    back = (
        Direction.KERAS_TO_TORCH
        if direction is Direction.TORCH_TO_KERAS
        else Direction.TORCH_TO_KERAS
    )
    findings = []
    for transfer in plan.transfers:
        before, after = source[transfer.source(direction)[0]], transfer.target(direction)[0]
        if after not in written:
            findings.append(Finding(Code.MISSING, after, "it was not written"))
            continue
        returned = transfer.op.run(written[after], back)
        if not same_bits(before, returned):
            findings.append(Finding(Code.VALUE, after, f"from {transfer.source(direction)[0]}"))
    return findings


def same_bits(a: Array, b: Array) -> bool:
    """Return whether shape, type and every bit are equal (-0.0 is not 0.0, a NaN equals itself)."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return bool(
        np.array_equal(np.ascontiguousarray(a).view(bits), np.ascontiguousarray(b).view(bits))
    )


def _check_names(plan: Plan, direction: Direction, source: Iterable[str]) -> Iterator[Finding]:
    readers = Counter(transfer.source(direction)[0] for transfer in plan.transfers)
    writers = Counter(transfer.target(direction)[0] for transfer in plan.transfers)
    lines = _lines(plan.transfers, direction, plan)
    present = set(source)
    for name, count in readers.items():
        if count > 1:
            yield Finding(Code.DOUBLE_SOURCE, name, " and ".join(lines[name]))
        if name not in present:
            yield Finding(Code.MISSING, name, lines[name][0])
    for name, count in writers.items():
        if count > 1:
            yield Finding(Code.DOUBLE_TARGET, name, " and ".join(lines[name]))
    ignored = plan.ignored_torch if direction is Direction.TORCH_TO_KERAS else plan.ignored_keras
    for name in source:
        if name not in readers and name not in ignored:
            yield Finding(Code.UNMAPPED, name)


def _lines(transfers: Sequence[Transfer], direction: Direction, plan: Plan) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for transfer in transfers:
        for name in (transfer.source(direction)[0], transfer.target(direction)[0]):
            lines.setdefault(name, []).append(plan.mapping.at(transfer.line))
    return lines


def _check_tensor(name: str, array: Array, shape: Shape, rule: str) -> Iterator[Finding]:
    if array.shape != shape:
        yield Finding(Code.SHAPE, name, f"expected {shape}, got {array.shape}, {rule}")
    if not np.issubdtype(array.dtype, np.floating):
        yield Finding(Code.DTYPE, name, str(array.dtype))
    elif not np.isfinite(array).all():
        count = int(np.count_nonzero(~np.isfinite(array)))
        yield Finding(Code.NONFINITE, name, f"{count:,} of {array.size:,} values")


def _check_target(
    plan: Plan, direction: Direction, target: Mapping[str, Shape]
) -> Iterator[Finding]:
    written = {}
    for transfer in plan.transfers:
        name, shape = transfer.target(direction)
        written[name] = shape
        if name not in target:
            yield Finding(
                Code.MISSING,
                name,
                f"the target has no such tensor, {plan.mapping.at(transfer.line)}",
            )
        elif target[name] != shape:
            yield Finding(Code.SHAPE, name, f"expected {shape}, the target has {target[name]}")
    for name in target:
        if name not in written:
            yield Finding(Code.UNFILLED, name)


def gathered(findings: Sequence[Finding]) -> list[Finding]:
    """Merge findings that differ only in their layer: `encoder.layers.{0..1}.fc1.weight`."""
    alike: dict[tuple[Code, Template, str], list[int | None]] = {}
    for finding in findings:
        shared, number = template(finding.name)
        alike.setdefault((finding.code, shared, finding.detail), []).append(number)
    return [
        Finding(code, folded(shared, numbers), detail)
        for (code, shared, detail), numbers in alike.items()
    ]


def summary(findings: Sequence[Finding], most: int = 4) -> str:
    """Return findings on one line: repeated layers folded (`encoder.layers.{0..1}`), the rest
    counted."""
    alike = gathered(findings)
    parts = [finding.sentence() for finding in alike[:most]]
    if len(alike) > most:
        parts.append(f"and {len(alike) - most} more")
    return "; ".join(parts)
