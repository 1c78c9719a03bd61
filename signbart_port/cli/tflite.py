"""The verb `tflite`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from signbart_port.cli import app, options


@app.command()
def tflite(
    model: Annotated[Path, typer.Argument(help="A model.h5.", metavar="MODEL.h5")],
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
            metavar="none|float16|dynamic",
            help="none: float32. float16: half the size, for GPUs."
            " dynamic: int8 weights, a quarter of the size, the fastest on CPUs.",
        ),
    ] = "none",
    frames: Annotated[
        int | None,
        typer.Option(
            "--frames",
            min=1,
            help="Frames of a clip, padded and masked. Default: 64, or all the model can.",
        ),
    ] = None,
    dynamic_frames: Annotated[
        bool,
        typer.Option("--dynamic-frames", help="Let the app set the number of frames at run time."),
    ] = False,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Emit a TFLite file from a Keras model.h5: builtin operators only, checked against Keras."""
    from signbart_port.cli import show
    from signbart_port.tflite.emit import to_tflite

    with show.steps(quiet or json) as progress:
        done = to_tflite(
            model,
            out,
            quantization=quantization,
            frames=frames,
            dynamic_frames=dynamic_frames,
            force=force,
            progress=progress,
        )
    if json:
        show.as_json(_as_dict(done))
    elif not quiet:
        show.logits(done.reports)
        file, proven = done.file, done.reports[0].weights
        share = ", ".join(f"{s:.1%} {t.lower()}" for t, s in file.share_of_types().items())
        ops = ", ".join(f"{count} {name}" for name, count in file.ops.most_common())
        labels = list(file.outputs["logits"].shape)
        inputs = ", ".join(f"{name} {list(t.shape)}" for name, t in file.inputs.items())
        show.facts(
            [
                ("weights", share),
                ("", proven.sentence() if proven else ""),
                ("signature", f"serving_default: {inputs} -> logits {labels}"),
                ("operators", f"{file.ops.total()}, all builtin: {ops}"),
                (
                    "latency",
                    f"{done.milliseconds:.2f} ms a clip of {done.frames} frames,"
                    " one thread, this machine",
                ),
                ("written", f"{done.out} ({show.bytes_of(file.size)})"),
            ],
        )
    if not done.source_proven:
        show.warn(
            f"NOT PROVEN against PyTorch: {model} does not come straight from a proven conversion;"
            f" {done.out} was compared with it alone"
        )


def _as_dict(done: Any) -> dict[str, Any]:
    return {
        "out": str(done.out),
        "source_proven": done.source_proven,
        "quantization": done.quantization.value,
        "bytes": done.file.size,
        "sha256": done.file.sha256,
        "operators": dict(done.file.ops),
        "weights_by_type": done.file.share_of_types(),
        "frames": done.file.frames,
        "milliseconds": done.milliseconds,
        "reports": [report.as_dict() for report in done.reports],
    }
