"""The part of `tflite` that takes a pair of the user's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.cli import _many, _show
from signbart_port.errors import first_of
from signbart_port.system.progress import ProgressCallback
from signbart_port.tflite.modes import Quantization, parse_quantization

if TYPE_CHECKING:
    from signbart_port.verbs._pair_tflite_files import PairEmitted
    from signbart_port.verbs._pair_tflite_process import Emit


def tflite(
    model: Path,
    pair: str,
    out: Path | None,
    modes: list[str],
    config: str | None,
    weights: str | None,
    *,
    max_error: float | None,
    not_proven: bool,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Write a pair's model as a .tflite, or one for each of several modes, and print the result."""
    from signbart_port.verbs._pair_tflite_files import PairTFLiteRequest
    from signbart_port.verbs._pair_tflite_process import tflite_files
    from signbart_port.verbs._tflite_files import outputs

    paths = outputs(model, out, modes)
    parsed = [parse_quantization(mode) for mode in modes]
    request = PairTFLiteRequest(
        model, config, weights, tuple(parsed), max_error, not_proven=not_proven, force=force
    )
    with tflite_files(pair, request) as emit:
        if len(modes) > 1:
            made = [
                _many.Output(model, path, partial(_in_a_line, emit, mode, path))
                for mode, path in zip(parsed, paths, strict=True)
            ]
            _many.Batch(json, quiet, "files").write(made, None)
            return
        with _show.steps(quiet or json) as progress:
            done = emit(parsed[0], paths[0], progress)
    if json:
        _show.as_json(_as_dict(done))
    elif not quiet:
        _print(done)
    _show.cautions(_cautions(done))


def _in_a_line(
    emit: Emit, mode: Quantization, path: Path, progress: ProgressCallback
) -> _many.Done:
    done = emit(mode, path, progress)
    line = f"{done.source} -> {_show.written(done.out)}: {mode.value}, {_verdict(done)}"
    return _many.Done(line, _as_dict(done), _cautions(done), "proven")


def _verdict(done: PairEmitted) -> str:
    if not done.correspondences:
        return done.reports[0].verdict()
    return f"{next(iter(done.correspondences.values())).sentence()}; {', '.join(_errors(done))}"


def _errors(done: PairEmitted) -> list[str]:
    """Return how far each output of a file with rounded weights is off."""
    several = len(done.errors) > 1
    return [
        f"{f'{name}: ' if several else ''}{output} off by {error:.2%} of its spread"
        for name, outputs in done.errors.items()
        for output, error in outputs.items()
    ]


def _cautions(done: PairEmitted) -> list[str]:
    said = list(done.cautions)
    if not done.source_proven:
        said.append(
            f"NOT PROVEN against PyTorch: {done.source} says nothing of a proven conversion;"
            f" {done.out} was compared with it alone"
        )
    if not done.proven:
        said.append(f"NOT PROVEN: {done.out} was written all the same (--not-proven)")
    return said


def _print(done: PairEmitted) -> None:
    folded = len(done.folded)
    found = f"{done.weights - folded} of {done.weights} are constants of the float32 file"
    ops = next(iter(done.signatures.values())).ops
    names = ", ".join(f"{count} {name}" for name, count in ops.most_common())
    figures = [row for report in done.reports for row in report.rows]
    worst = max(figures, key=lambda row: row.error / row.limit)
    rows = [
        *((("converted", done.conversion.verdict()),) if done.conversion else ()),
        ("float32", f"{worst.tap} off by {worst.error:.1e}, limit {worst.limit:.1e}, in"),
        ("", first_of([report.inputs for report in done.reports], 6)),
    ]
    if done.correspondences:
        rows += [(done.quantization.value, one.sentence()) for one in done.correspondences.values()]
        rows += [("", line) for line in _errors(done)]
        rows.append(("", f"its outputs are off by {done.drift:.2%} of the largest value"))
    if done.in_float:
        kept = ", ".join(f"{count} {kind}" for kind, count in done.in_float.items())
        rows.append(("in float32", kept))
    rows.append(("weights", f"{found}, in every value"))
    if folded:
        rows.append(("", f"in others, compared by outputs alone: {first_of(done.folded, 4)}"))
    for name, signature in done.signatures.items():
        inputs, gives = (
            ", ".join(f"{key} {list(one.shape)}" for key, one in edge.items())
            for edge in (signature.inputs, signature.outputs)
        )
        rows.append(("signature", f"{name}: {inputs} -> {gives}"))
        rows += [
            ("", f"{key}: {one['type']}, step {one['scale']:.6g}, zero {one['zero_point']}")
            for key, one in signature.integers.items()
        ]
        if milliseconds := done.milliseconds[name]:
            rows.append(("latency", f"{milliseconds:.2f} ms, one thread, this machine"))
    rows += [("", note) for note in done.notes]
    rows.append(("operators", f"{ops.total()}, all builtin: {names}"))
    rows.append(("pair", done.pair))
    _show.facts([*rows, ("written", _show.written(done.out))])


def _as_dict(done: PairEmitted) -> dict[str, Any]:
    return {
        "out": str(done.out),
        "source": str(done.source),
        "pair": done.pair,
        "quantization": done.quantization.value,
        "bytes": done.size,
        "proven": done.proven,
        "source_proven": done.source_proven,
        "conversion": done.conversion.summary() if done.conversion else None,
        "signatures": {
            name: {
                "inputs": {key: list(tensor.shape) for key, tensor in one.inputs.items()},
                "outputs": {key: list(tensor.shape) for key, tensor in one.outputs.items()},
                "integers": dict(one.integers),
                "operators": dict(one.ops),
                "milliseconds": done.milliseconds[name],
            }
            for name, one in done.signatures.items()
        },
        "graph": {name: one.sentence() for name, one in done.correspondences.items()},
        "drift": done.drift,
        "errors": {name: dict(one) for name, one in done.errors.items()},
        "in_float": dict(done.in_float),
        "folded": list(done.folded),
        "weights": done.weights,
        "notes": list(done.notes),
        "cautions": list(done.cautions),
        "reports": [report.as_dict() for report in done.reports],
    }
