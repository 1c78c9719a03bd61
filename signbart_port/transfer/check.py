"""All findings about a transfer, before (`check`) and after (`compare`) data moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from signbart_port.errors import printable
from signbart_port.transfer.apply import by_target, joined, part_of
from signbart_port.transfer.folding import Template, folded, template
from signbart_port.transfer.mapping import Join
from signbart_port.transfer.ops import Array, Direction, run
from signbart_port.transfer.plan import Constant, Plan, Transfer
from signbart_port.transfer.sizes import Shape


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
    FILL = "holds other values than the mapping fills in, and the other side has no place for them"
    TIED = "holds other values than the tensor that it is tied to"


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
    for transfer in _one_for_each(plan.transfers, direction):
        name, shape = transfer.source(direction)
        if name in source:
            findings += _check_tensor(name, source[name], shape, plan.mapping.at(transfer.line))
    findings += _check_constants(plan, direction, source)
    findings += _check_tied(plan, direction, source)
    if target is not None:
        findings += _check_target(plan, direction, target)
    return findings


def compare(
    plan: Plan, direction: Direction, source: Mapping[str, Array], written: Mapping[str, Array]
) -> list[Finding]:
    """Compare the written tensors bit for bit with their sources: through the inverse operation,
    and where that does not give them back, with what should have been written."""
    findings = []
    for after, transfers in by_target(plan.transfers, direction):
        names = dict.fromkeys(transfer.source(direction)[0] for transfer in transfers)
        if after not in written:
            findings.append(Finding(Code.MISSING, after, "it was not written"))
        elif not _as_it_was(transfers, direction, source, written[after]):
            findings.append(Finding(Code.VALUE, after, f"from {' and '.join(names)}"))
    for constant in plan.constants:
        if constant.written(direction) and not _is_filled(written.get(constant.name), constant):
            findings.append(Finding(Code.VALUE, constant.name, f"it is {constant.value:g}"))
    return findings


def _as_it_was(
    transfers: Sequence[Transfer],
    direction: Direction,
    source: Mapping[str, Array],
    written: Array,
) -> bool:
    if any(transfer.lossy for transfer in transfers):
        return same_bits(joined(list(transfers), direction, source), written)
    for transfer in transfers:
        name, (read, write) = transfer.source(direction)[0], transfer.parts(direction)
        if name not in source:
            continue  # another name of a tensor that is tied
        before = part_of(source[name], read)
        back = run(transfer.op, part_of(written, write), direction.back)
        if not same_bits(before, back):
            return False
    return True


def same_bits(a: Array, b: Array) -> bool:
    """Return whether shape, type and every bit are equal (-0.0 is not 0.0, a NaN equals itself)."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return bool(
        np.array_equal(np.ascontiguousarray(a).view(bits), np.ascontiguousarray(b).view(bits))
    )


def _one_for_each(transfers: Iterable[Transfer], direction: Direction) -> Iterator[Transfer]:
    """Yield one transfer for every tensor that is read, of those that share it."""
    head = None
    for transfer in transfers:
        shared = head is not None and head.source(direction)[0] == transfer.source(direction)[0]
        if transfer.first or not shared:
            yield transfer
        if transfer.first:
            head = transfer


def _check_names(plan: Plan, direction: Direction, source: Iterable[str]) -> Iterator[Finding]:
    reading = list(_one_for_each(plan.transfers, direction))
    writing = list(_one_for_each(plan.transfers, direction.back))
    readers = Counter(transfer.source(direction)[0] for transfer in reading)
    writers = Counter(transfer.target(direction)[0] for transfer in writing)
    for constant in plan.constants:
        (writers if constant.written(direction) else readers)[constant.name] += 1
    tied = {t.source(direction)[0] for t in reading if t.join is Join.TIE}
    lines = _lines(plan, direction)
    present = set(source)
    for name, count in readers.items():
        if count > 1:
            yield Finding(Code.DOUBLE_SOURCE, name, " and ".join(lines[name]))
        if name not in present and name not in tied:
            yield Finding(Code.MISSING, name, lines[name][0])
    for name, count in writers.items():
        if count > 1:
            yield Finding(Code.DOUBLE_TARGET, name, " and ".join(lines[name]))
    ignored = plan.ignored_torch if direction is Direction.TORCH_TO_KERAS else plan.ignored_keras
    for name in source:
        if name not in readers and name not in ignored:
            yield Finding(Code.UNMAPPED, name)


def _lines(plan: Plan, direction: Direction) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for side in (direction, direction.back):
        for transfer in _one_for_each(plan.transfers, side):
            name = transfer.source(side)[0]
            lines.setdefault(name, []).append(plan.mapping.at(transfer.line))
    for constant in plan.constants:
        lines.setdefault(constant.name, []).append(plan.mapping.at(constant.line))
    return lines


def _check_constants(
    plan: Plan, direction: Direction, source: Mapping[str, Array]
) -> Iterator[Finding]:
    for constant in plan.constants:
        if constant.written(direction) or constant.name not in source:
            continue
        array, rule = source[constant.name], plan.mapping.at(constant.line)
        yield from _check_tensor(constant.name, array, constant.shape, rule)
        if array.shape == constant.shape and not _is_filled(array, constant):
            yield Finding(Code.FILL, constant.name, f"{constant.value:g}, {rule}")


def _is_filled(array: Array | None, constant: Constant) -> bool:
    if array is None or array.shape != constant.shape:
        return False
    return bool(np.all(array == np.asarray(constant.value, array.dtype)))


def _check_tied(plan: Plan, direction: Direction, source: Mapping[str, Array]) -> Iterator[Finding]:
    """Check the tensors of the source that are one tensor of the target."""
    for _, transfers in by_target(plan.transfers, direction):
        names = [transfer.source(direction)[0] for transfer in transfers]
        if transfers[0].join is not Join.TIE:
            continue
        present = [name for name in names if name in source]
        if not present:
            yield Finding(Code.MISSING, names[0], plan.mapping.at(transfers[0].line))
        for name in present[1:]:
            if not same_bits(source[present[0]], source[name]):
                yield Finding(Code.TIED, name, present[0])


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
    places = [(*t.target(direction), t.line) for t in _one_for_each(plan.transfers, direction.back)]
    places += [(c.name, c.shape, c.line) for c in plan.constants if c.written(direction)]
    left = plan.ignored_keras if direction is Direction.TORCH_TO_KERAS else plan.ignored_torch
    written = {}
    for name, shape, line in places:
        written[name] = shape
        rule = plan.mapping.at(line)
        if name not in target:
            yield Finding(Code.MISSING, name, f"the target has no such tensor, {rule}")
        elif target[name] != shape:
            what = f"expected {shape}, the target has {target[name]}, {rule}"
            yield Finding(Code.SHAPE, name, what)
    for name in target:
        if name not in written and name not in left:
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
