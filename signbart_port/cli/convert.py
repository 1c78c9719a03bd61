"""The command `convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _many, _options, _pair, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.errors import PortError
from signbart_port.hub.address import named_for_outputs
from signbart_port.system.progress import ProgressCallback
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from signbart_port.verbs.convert import Converted


def convert(
    context: typer.Context,
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            help="A .pth, .pt or .safetensors checkpoint, or its address hf://OWNER/NAME on a hub;"
            " several, or a folder of them.",
            metavar="MODEL.pth...",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write. Default: the checkpoint's name with .h5.",
            metavar="MODEL.h5",
        ),
    ] = None,
    out_dir: _many.OutDir = None,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    mapping: _options.Mapping = None,
    pair: _options.Pair = None,
    no_verify: Annotated[
        bool,
        typer.Option("--no-verify", help="Skip the proof; the file records that it is unproven."),
    ] = False,
    report: _options.Report = None,
    force: _options.Force = False,
    every_module: _options.EveryModule = False,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Carry a PyTorch checkpoint into a Keras model.h5, and prove the two equal, module by module.

    Nothing is written unless the proof holds.
    """
    if pair is not None:
        _pair.check_options(context, "no_verify")
        _pair.convert(
            _pair.only(checkpoints),
            pair,
            out,
            config,
            weights,
            verify=not no_verify,
            report=report,
            force=force,
            every_module=every_module,
            json=json,
            quiet=quiet,
        )
        return
    from signbart_port.verbs.convert import convert as run
    from signbart_port.verbs.convert import default_name

    chosen = _options.resolve_options(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )

    def converted(path: Path, to: Path | None, progress: ProgressCallback) -> Converted:
        return run(
            path,
            to,
            chosen,
            mapping=mapping,
            verify=not no_verify,
            force=force,
            progress=progress,
        )

    for path in checkpoints[1:]:
        if path.suffix == ".h5":
            raise PortError(path, "is no checkpoint", f"To write to it, give --out {path}")
    models = _many.models_of(checkpoints, [ModelKind.CHECKPOINT])
    if _many.are_several(models, out, out_dir):
        _many.check_options(report=report, every_module=every_module)

        def output(path: Path) -> _many.Output:
            to = _many.folder_of(path, checkpoints, out_dir) / default_name(named_for_outputs(path))
            return _many.Output(
                path, to, lambda progress: _in_a_line(converted(path, to, progress))
            )

        _many.Batch(json, quiet).write([output(path) for path in models], out_dir)
        return
    (checkpoint,) = models
    file = ReportFile(report, force, (checkpoint, config, mapping), silent=quiet or json)
    file.check(proof=not no_verify)
    with file.of_failure(), _show.steps(quiet or json) as progress:
        done = converted(checkpoint, out, progress)
    if json:
        _show.as_json(_as_dict(done))
    elif not quiet:
        _print(done, every_module)
    _show.cautions(_cautions(done))
    if done.report:
        file.write(done.report)


def _in_a_line(done: Converted) -> _many.Done:
    path = done.source.checkpoint.path
    verdict, word = (done.report.verdict(), "equal") if done.report else ("not proven",) * 2
    line = f"{path} -> {_show.written(done.out)}: {verdict}"
    return _many.Done(line, _as_dict(done), _cautions(done), word)


def _cautions(done: Converted) -> list[str]:
    if done.report:
        return list(done.cautions)
    unproven = f"NOT PROVEN: {done.out} was not compared with PyTorch (--no-verify)"
    return [*done.cautions, f"{unproven}; the file says so too"]


def _as_dict(done: Any) -> dict[str, Any]:
    checkpoint = done.source.checkpoint
    return {
        "out": str(done.out),
        "source": {
            "path": str(checkpoint.path),
            "sha256": checkpoint.sha256,
            "container": checkpoint.container,
            "notes": checkpoint.notes,
        },
        "config": done.source.resolved.config.model_dump(),
        "config_origin": done.source.resolved.origin,
        "config_notes": done.source.resolved.notes,
        "parameters": done.parameters,
        "transfers": [
            {"torch": t.torch, "keras": t.keras, "op": t.op.name, "shape": t.keras_shape}
            for t in done.source.plan.transfers
        ],
        "proven": done.report is not None,
        "report": done.report.as_dict() if done.report else None,
    }


def _print(done: Any, every_module: bool) -> None:
    checkpoint, resolved = done.source.checkpoint, done.source.resolved
    if done.report:
        _show.parity(done.report, every_module, notes=False)
    _show.facts(
        [
            ("source", f"{checkpoint.path} ({checkpoint.container})"),
            *(("", note) for note in checkpoint.notes),
            ("config", resolved.origin),
            *(("", note) for note in resolved.notes if note not in resolved.cautions),
            (
                "weights",
                f"{len(done.source.plan.transfers)} tensors, {done.parameters:,} parameters,"
                " each placed once",
            ),
            ("written", _show.written(done.out)),
        ],
    )
