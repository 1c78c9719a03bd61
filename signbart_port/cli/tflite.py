"""The command `tflite`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbart_port.cli import _emitted, _many, _options, _pair, _pair_tflite, _show
from signbart_port.config.skeletons import KNOWN
from signbart_port.errors import PortError
from signbart_port.hub.address import named_for_outputs, shown
from signbart_port.system.progress import ProgressCallback
from signbart_port.tflite.modes import Quantization, describe_gates, describe_modes
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from signbart_port.verbs.to_tflite import Emitted

_CLIPS = "Real clips"
_EDGES = "What goes in and out"


def tflite(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A model.h5, model.keras or model.weights.h5, or a checkpoint, which is converted"
            " first; several, or a folder of them.",
            metavar="MODEL...",
        ),
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
    out_dir: _many.OutDir = None,
    quantization: Annotated[
        str,
        typer.Option(
            "--quantization",
            "--quantize",
            metavar="MODE[,MODE...]",
            help=f"{describe_modes()} Several, such as none,dynamic, for a file each.",
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
    contract: Annotated[
        str | None,
        typer.Option(
            "--contract",
            metavar="gislr",
            help="Have the interface of Kaggle's competitions of isolated signs: whole clips of"
            " Holistic's 543 points, NaN where missing, prepared in the file.",
            rich_help_panel=_EDGES,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="LABELS",
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
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    mapping: _options.Mapping = None,
    pair: _options.Pair = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            "--max-error",
            metavar="SHARE",
            help="With --pair: the largest error of an output of a rounded file on the cases, as a"
            " share of its spread. Default: any.",
        ),
    ] = None,
    not_proven: Annotated[
        bool,
        typer.Option(
            "--not-proven",
            help="With --pair: write a rounded file also where its graph cannot be proven.",
        ),
    ] = False,
    force: _options.Force = False,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Emit a TFLite file from a Keras model.h5 or a checkpoint: builtin operators only, checked
    against Keras."""
    if pair is not None:
        _pair.check_options(context, "quantization", "max_error", "not_proven")
        _pair_tflite.tflite(
            _pair.only(files),
            pair,
            out,
            quantization.split(","),
            config,
            weights,
            max_error=max_error,
            not_proven=not_proven,
            force=force,
            json=json,
            quiet=quiet,
        )
        return
    if not_proven or max_error is not None:
        what = "--not-proven and --max-error are for --pair: a SignBART's file is always proven"
        raise PortError(None, what, "It has --min-agreement and --max-drop")
    from signbart_port.tflite_export.request import TFLiteOptions
    from signbart_port.verbs.to_tflite import TFLiteFiles, default_name, outputs

    options = _options.resolve_options(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )
    asked = TFLiteOptions(
        frames=_lengths(frames),
        dynamic_frames=dynamic_frames,
        preprocessing=preprocessing,
        skeleton=skeleton,
        frame_size=frame_size,
        softmax=softmax,
        contract=contract,
        labels=labels,
        calibration=calibration,
        clips=clips,
        seed=seed,
        data=data,
        min_agreement=min_agreement,
        max_drop=max_drop,
        pytorch=pytorch,
        skip_bad=skip_bad,
    )
    modes, models = quantization.split(","), _models(files)
    several = _many.are_several(models, out, out_dir)

    def outputs_of(model: Path) -> list[_many.Output]:
        opened = TFLiteFiles(model, asked, options, mapping, force=force)
        to = out
        if out_dir is not None:
            to = _many.folder_of(model, files, out_dir) / default_name(named_for_outputs(model))

        def make(mode: str, path: Path, progress: ProgressCallback) -> _many.Done:
            with ExitStack() as stack:
                if mode == modes[-1]:
                    stack.enter_context(opened)  # which ends here
                return _in_a_line(opened.emit(mode, path, progress), model)

        return [
            _many.Output(model, path, partial(make, mode, path))
            for mode, path in zip(modes, outputs(model, to, modes), strict=True)
        ]

    if several or len(modes) > 1:
        made = [output for model in models for output in outputs_of(model)]
        _many.Batch(json, quiet, "files").write(made, out_dir)
        return
    (model,) = models
    (to,) = outputs(model, out, modes)
    with (
        _show.steps(quiet or json) as progress,
        TFLiteFiles(model, asked, options, mapping, force=force) as opened,
    ):
        done = opened.emit(modes[0], to, progress)
    if json:
        _show.as_json(_emitted.as_dict(done))
    elif not quiet:
        _emitted.show(done)
    _show.cautions(_cautions(done, model))


def _models(paths: Sequence[Path]) -> list[Path]:
    """Return the models of the command: in a folder, what Keras saved, or else its checkpoints."""
    models = list[Path]()
    for path in paths:
        for kind in (ModelKind.KERAS, ModelKind.CHECKPOINT):
            found = _many.models_of([path], [kind])
            if found != [path]:
                break
        models += found
    return models


def _in_a_line(done: Emitted, model: Path) -> _many.Done:
    worst = max(done.reports, key=lambda report: report.logits.error / report.logits.limit)
    line = (
        f"{shown(model)} -> {done.out} ({_show.bytes_of(done.file.size)}):"
        f" {done.quantization.value}, {worst.verdict()}, {done.milliseconds[-1]:.2f} ms a clip"
    )
    if done.accuracy:
        line += f", {done.accuracy.candidate.agreement:.1%} of {done.accuracy.clips} clips the same"
    return _many.Done(line, _emitted.as_dict(done), _cautions(done, model), "equal")


def _cautions(done: Emitted, model: Path) -> list[str]:
    unproven = (
        f"NOT PROVEN against PyTorch: {shown(model)} does not come straight from a proven"
        f" conversion; {done.out} was compared with it alone"
    )
    return [*done.notes, *done.cautions, *([] if done.source_proven else [unproven])]


def _lengths(frames: str | None) -> list[int] | None:
    if frames is None:
        return None
    try:
        return [int(length) for length in frames.split(",")]
    except ValueError:
        raise PortError(
            None, f"--frames {frames}: not a number, nor several", "Such as 64, or 16,32,64"
        ) from None
