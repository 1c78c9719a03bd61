"""A .tflite that was written, as the command `tflite` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signbart_port.cli import _show
from signbart_port.errors import printable

if TYPE_CHECKING:
    from signbart_port.metrics.accuracy import Accuracy
    from signbart_port.verbs.to_tflite import Emitted


def show(done: Emitted) -> None:
    """Print it for a person."""
    _show.logits(done.reports)
    if done.accuracy:
        _print_accuracy(done.accuracy)
    file, proven = done.file, done.reports[0].weights
    computed = _shares(file.share_of_computation())
    ops = ", ".join(f"{count} {name}" for name, count in file.ops.most_common())
    inputs = ", ".join(f"{name} {list(t.shape)}" for name, t in file.inputs.items())
    result = f"{file.output} {list(file.outputs[file.output].shape)}"
    others = [name for name in file.lengths if name != file.signature]
    times = ", ".join(
        f"{milliseconds:.2f} ms a clip of {report.frames}"
        for report, milliseconds in zip(done.reports, done.milliseconds, strict=True)
    )
    rows = [
        *((("converted", done.conversion.verdict()),) if done.conversion else ()),
        ("weights", _shares(file.share_of_types())),
        ("", proven.sentence() if proven else ""),
        ("computes in", computed),
        ("signature", f"{file.signature}: {inputs} -> {result}"),
        *((("", f"and {', '.join(others)}"),) if others else ()),
        ("operators", f"{file.ops.total()}, all builtin: {ops}"),
        ("latency", f"{times} frames, one thread, this machine"),
        *((("runtime", f"TensorFlow Lite {file.runtime} or later"),) if file.runtime else ()),
        *((("contract", _limits(done)),) if file.contract else ()),
    ]
    if done.calibrated_on:
        rows.append(("calibrated", f"on {len(done.calibrated_on)} clips"))
    if done.kept.modules:
        rows.append(
            ("in float", f"{', '.join(done.kept.modules)}: +{_show.bytes_of(done.kept.bytes)}")
        )
    if done.skipped:
        rows.append(("left out", f"{len(done.skipped)} samples that cannot be read"))
    _show.facts([*rows, ("written", f"{done.out} ({_show.bytes_of(file.size)})")])


def _limits(done: Emitted) -> str:
    """Say whether a file keeps to the limits of its contract."""
    from signbart_port.tflite import gislr

    slowest = max(done.milliseconds)
    size = f"{_show.bytes_of(done.file.size)} of {_show.bytes_of(gislr.MOST_BYTES)}"
    kept = done.file.size <= gislr.MOST_BYTES and slowest <= gislr.MOST_MILLISECONDS
    return (
        f"{done.file.contract}: {'keeps' if kept else 'DOES NOT KEEP'} to its limits, {size} and,"
        f" on this machine, {slowest:.1f} ms of {gislr.MOST_MILLISECONDS:.0f} a clip"
    )


def _print_accuracy(accuracy: Accuracy) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"accuracy on {accuracy.clips} clips", title_justify="left")
    for name in ("model", "top-1", "top-5", "same prediction"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for score in accuracy.scores:
        shares = (f"{share:.1%}" for share in (score.top1, score.top5, score.agreement))
        table.add_row(escape(printable(score.model)), *shares)
    _show.out().print(table)
    for worst in accuracy.worst:
        if worst.expected != worst.got:
            _show.out().print(
                escape(
                    printable(
                        f"{worst.clip}, a {worst.label}: {worst.got} instead of {worst.expected}"
                    )
                )
            )


def _shares(shares: dict[str, float]) -> str:
    return ", ".join(f"{share:.1%} {name.lower()}" for name, share in shares.items())


def as_dict(done: Emitted) -> dict[str, Any]:
    """Return it as plain data for --json."""
    from dataclasses import asdict

    return {
        "out": str(done.out),
        "source_proven": done.source_proven,
        "conversion": done.conversion.summary() if done.conversion else None,
        "quantization": done.quantization.value,
        "bytes": done.file.size,
        "sha256": done.file.sha256,
        "signatures": dict(done.file.lengths),
        "operators": dict(done.file.ops),
        "weights_by_type": done.file.share_of_types(),
        "operators_by_type": done.file.share_of_computation(),
        "frames": done.file.frames,
        "contract": done.file.contract,
        "runtime": done.file.runtime,
        "milliseconds": list(done.milliseconds),
        "accuracy": done.accuracy.as_dict() if done.accuracy else None,
        "calibrated_on": list(done.calibrated_on),
        "notes": list(done.notes),
        "skipped": sorted(map(str, done.skipped)),
        "kept_in_float": asdict(done.kept),
        "reports": [report.as_dict() for report in done.reports],
    }
