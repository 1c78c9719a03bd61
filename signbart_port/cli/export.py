"""The command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _many, _options, _pair, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.hub.address import named_for_outputs
from signbart_port.system.progress import ProgressCallback
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from signbart_port.verbs.export import Exported

_WITHOUT_CONFIG = (
    "not in the checkpoint: no tensor tells heads and joints",
    "whoever reads it must say them, as with convert --config FILE|NAME;"
    " signbart-port inspect shows those of the .h5",
    "--container training and .safetensors keep the config with the weights",
)


def export(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A model.h5, model.keras or model.weights.h5; several, or a folder of them.",
            metavar="MODEL.h5...",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write: a .pth, .pt or .safetensors."
            " Default: the model's name with .pth.",
            metavar="MODEL.pth",
        ),
    ] = None,
    out_dir: _many.OutDir = None,
    container: Annotated[
        str,
        typer.Option(
            "--container",
            metavar="state-dict|training",
            help="state-dict: the weights alone, as torch.save writes a state dict."
            " training: the weights under model, the config beside them.",
        ),
    ] = "state-dict",
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            metavar="README.md",
            help="Write a model card of the .safetensors too: its classes, proof and provenance,"
            " and how to load it.",
        ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            "--license",
            metavar="ID",
            help="The license that the card states, such as apache-2.0. Default: none.",
        ),
    ] = None,
    no_verify: Annotated[
        bool,
        typer.Option(
            "--no-verify", help="Skip the run in PyTorch; every weight is compared all the same."
        ),
    ] = False,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    pair: _options.Pair = None,
    report: _options.Report = None,
    force: _options.Force = False,
    every_module: _options.EveryModule = False,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Carry a Keras model.h5 back into a PyTorch checkpoint, and prove the two equal.

    Nothing is written unless the proof holds.
    """
    if pair is not None:
        _pair.check_options(context)
        shown = {"every_module": every_module, "json": json, "quiet": quiet}
        _pair.export(_pair.only(files), pair, out, config, report=report, force=force, **shown)
        return
    from signbart_port.verbs.export import default_name
    from signbart_port.verbs.export import export as run

    options = _options.resolve_options(config, heads, joints, layout, sizes_from_checkpoint)

    def exported(path: Path, to: Path | None, progress: ProgressCallback) -> Exported:
        return run(
            path,
            to,
            container=container,
            card=card,
            license=license,
            verify=not no_verify,
            force=force,
            options=options,
            progress=progress,
        )

    models = _many.models_of(files, [ModelKind.KERAS])
    if _many.are_several(models, out, out_dir):
        _many.check_options(report=report, every_module=every_module, card=card)

        def output(path: Path) -> _many.Output:
            to = _many.folder_of(path, files, out_dir) / default_name(named_for_outputs(path))
            return _many.Output(path, to, lambda progress: _in_a_line(exported(path, to, progress)))

        _many.Batch(json, quiet).write([output(path) for path in models], out_dir)
        return
    (model,) = models
    file = ReportFile(report, force, (model, config), silent=quiet or json)
    file.check(proof=not no_verify)
    with file.of_failure(), _show.steps(quiet or json) as progress:
        done = exported(model, out, progress)
    if json:
        _show.as_json(_as_dict(done))
    elif not quiet:
        _print(done, every_module)
    _show.cautions(_cautions(done))
    if done.report:
        file.write(done.report)


def _in_a_line(done: Exported) -> _many.Done:
    verdict, word = (done.report.verdict(), "equal") if done.report else ("not proven",) * 2
    line = f"{done.source.path} -> {_show.written(done.out)}: {verdict}"
    return _many.Done(line, _as_dict(done), _cautions(done), word)


def _cautions(done: Exported) -> list[str]:
    unproven = f"NOT PROVEN: {done.out} was not run in PyTorch (--no-verify)"
    if done.report is None:
        return [*done.source.cautions, unproven]
    undecided = [f"{done.out}: {done.report.verdict()}"] if done.report.undecided else []
    return [*done.source.cautions, *undecided]


def _as_dict(done: Any) -> dict[str, Any]:
    return {
        "out": str(done.out),
        "card": str(done.card) if done.card else None,
        "source": {"path": str(done.source.path), "sha256": done.source.sha256},
        "notes": done.source.notes,
        "config": done.config.model_dump(),
        "config_in_checkpoint": done.holds_config,
        "parameters": done.parameters,
        "transfers": [
            {"keras": t.keras, "torch": t.torch, "op": t.op.name, "shape": t.torch_shape}
            for t in done.plan.transfers
        ],
        "proven": done.report is not None,
        "report": done.report.as_dict() if done.report else None,
    }


def _print(done: Any, every_module: bool) -> None:
    if done.report:
        _show.parity(done.report, every_module)
    config, *more = ["in the checkpoint"] if done.holds_config else _WITHOUT_CONFIG
    _show.facts(
        [
            ("source", str(done.source.path)),
            *(("", note) for note in done.source.notes),
            ("config", config),
            *(("", line) for line in more),
            (
                "weights",
                f"{len(done.plan.transfers)} tensors, {done.parameters:,} parameters,"
                " read back equal in every bit",
            ),
            ("written", _show.written(done.out)),
            *([("card", _show.written(done.card))] if done.card else []),
        ],
    )
