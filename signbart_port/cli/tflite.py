"""The command `tflite`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _options, _show
from signbart_port.config.skeletons import KNOWN
from signbart_port.errors import PortError, printable
from signbart_port.tflite.modes import MODES, Quantization, describe_gates, describe_modes

if TYPE_CHECKING:
    from signbart_port.metrics.accuracy import Accuracy
    from signbart_port.verbs.to_tflite import Emitted

_CLIPS = "Real clips"
_EDGES = "What goes in and out"


def tflite(
    model: Annotated[
        Path,
        typer.Argument(help="A model.h5, model.keras or model.weights.h5.", metavar="MODEL.h5"),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write. Default: the model's name with .tflite.",
            metavar="MODEL.tflite",
        ),
    ] = None,
    quantization: Annotated[
        str,
        typer.Option(
            "--quantization",
            "--quantize",
            metavar="|".join(mode.value for mode in MODES),
            help=describe_modes(),
        ),
    ] = Quantization.NONE.value,
    frames: Annotated[
        str | None,
        typer.Option(
            "--frames",
            metavar="N[,N...]",
            help="Frames of a clip, padded and masked; several, such as 16,32,64, for a signature"
            " each that share the weights. Default: 64, or all the model can.",
        ),
    ] = None,
    dynamic_frames: Annotated[
        bool,
        typer.Option("--dynamic-frames", help="Let the app set the number of frames at run time."),
    ] = False,
    preprocessing: Annotated[
        bool,
        typer.Option(
            "--preprocessing",
            help="Take raw keypoints as MediaPipe gives them: the file prepares them itself.",
            rich_help_panel=_EDGES,
        ),
    ] = False,
    skeleton: Annotated[
        str | None,
        typer.Option(
            "--skeleton",
            metavar="NAME",
            help="What the points of raw clips are, of those in --data and --calibration and of"
            " those that a file with --preprocessing takes: "
            f"{', '.join(KNOWN)}; 75 and 100 are MediaPipe's. Default: the model's.",
            rich_help_panel=_EDGES,
        ),
    ] = None,
    softmax: Annotated[
        bool,
        typer.Option("--softmax", help="Give probabilities, not logits.", rich_help_panel=_EDGES),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="label2id.json|labels.txt",
            help="Names of the classes, to be kept in the file: JSON, or one a line. Default: those"
            " of --data.",
            rich_help_panel=_EDGES,
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            metavar="DIR",
            help="A dataset whose training clips show the ranges of activations.",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    clips: Annotated[
        int,
        typer.Option("--clips", help="Calibration clips to use.", rich_help_panel=_CLIPS),
    ] = 128,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", min=0, help="Seed for choosing calibration clips.", rich_help_panel=_CLIPS
        ),
    ] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="A dataset on whose test clips the file is measured. Default: that of"
            " --calibration.",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            "--min-agreement",
            metavar="SHARE",
            help="Share of these clips for which the file must predict what the model does."
            f" Default: {describe_gates(lambda gate: gate.min_agreement)}.",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            help="Largest loss of top-1 accuracy on them, in percentage points. Default:"
            f" {describe_gates(lambda gate: gate.max_drop)}.",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    pytorch: Annotated[
        Path | None,
        typer.Option(
            "--pytorch",
            metavar="MODEL.pth",
            help="A checkpoint to measure beside the file, which is then held against it.",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    frame_size: _options.FrameSize = None,
    skip_bad: _options.SkipBad = False,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    force: _options.Force = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Emit a TFLite file from a Keras model.h5: builtin operators only, checked against Keras."""
    from signbart_port.verbs.to_tflite import to_tflite

    options = _options.resolve_options(config, heads, joints, layout, sizes_from_checkpoint)
    with _show.steps(quiet or json) as progress:
        done = to_tflite(
            model,
            out,
            quantization=quantization,
            frames=_lengths(frames),
            dynamic_frames=dynamic_frames,
            preprocessing=preprocessing,
            skeleton=skeleton,
            frame_size=frame_size,
            softmax=softmax,
            labels=labels,
            calibration=calibration,
            clips=clips,
            seed=seed,
            data=data,
            min_agreement=min_agreement,
            max_drop=max_drop,
            pytorch=pytorch,
            skip_bad=skip_bad,
            force=force,
            options=options,
            progress=progress,
        )
    if json:
        _show.as_json(_as_dict(done))
    elif not quiet:
        _print(done)
    _show.cautions((*done.notes, *done.cautions))
    if not done.source_proven:
        _show.warn(
            f"NOT PROVEN against PyTorch: {model} does not come straight from a proven conversion;"
            f" {done.out} was compared with it alone"
        )


def _lengths(frames: str | None) -> list[int] | None:
    if frames is None:
        return None
    try:
        return [int(length) for length in frames.split(",")]
    except ValueError:
        raise PortError(
            None, f"--frames {frames}: not a number, nor several", "Such as 64, or 16,32,64"
        ) from None


def _print(done: Emitted) -> None:
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
        ("weights", _shares(file.share_of_types())),
        ("", proven.sentence() if proven else ""),
        ("computes in", computed),
        ("signature", f"{file.signature}: {inputs} -> {result}"),
        *((("", f"and {', '.join(others)}"),) if others else ()),
        ("operators", f"{file.ops.total()}, all builtin: {ops}"),
        ("latency", f"{times} frames, one thread, this machine"),
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


def _as_dict(done: Emitted) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "out": str(done.out),
        "source_proven": done.source_proven,
        "quantization": done.quantization.value,
        "bytes": done.file.size,
        "sha256": done.file.sha256,
        "signatures": dict(done.file.lengths),
        "operators": dict(done.file.ops),
        "weights_by_type": done.file.share_of_types(),
        "operators_by_type": done.file.share_of_computation(),
        "frames": done.file.frames,
        "milliseconds": list(done.milliseconds),
        "accuracy": done.accuracy.as_dict() if done.accuracy else None,
        "calibrated_on": list(done.calibrated_on),
        "notes": list(done.notes),
        "skipped": sorted(map(str, done.skipped)),
        "kept_in_float": asdict(done.kept),
        "reports": [report.as_dict() for report in done.reports],
    }
