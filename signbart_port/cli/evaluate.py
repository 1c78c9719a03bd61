"""The command `evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbart_port.cli import _options, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.errors import printable

if TYPE_CHECKING:
    from signbart_port.evaluation.result import ClassScore, Evaluation, Load, ModelScore

_MOST = 5  # confusions of a model
_MOST_SIGNERS = 20
_COLUMNS = ("right", "top-1", "95 %", "top-5", "macro F1")


def evaluate(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL...", help="A .pth, .safetensors, .h5, .keras or .tflite each."
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            metavar="DIR",
            help="A dataset: label2id.json, and clips in test/<class>/: .pkl, .npz, .npy or .json.",
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="NAME",
            help="The clips to run: test, val, train or all. Default: test; a dataset without it"
            " needs this option.",
        ),
    ] = None,
    signers: Annotated[
        list[str] | None,
        typer.Option(
            "--signer",
            metavar="NAME",
            help="The clips of this signer alone, by what stands before the first underscore of"
            " their names; may be repeated.",
        ),
    ] = None,
    skeleton: _options.Skeleton = None,
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
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="HTML|JSON",
            help="Write the result to a file as well: a page to read, or JSON.",
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(
            "--confusion",
            metavar="PNG|SVG",
            help="Draw the confusion matrices, a panel a model.",
        ),
    ] = None,
    force: _options.Force = False,
    every_class: Annotated[
        bool, typer.Option("--every-class", help="List the figures of every class.")
    ] = False,
    pair: _options.NoPair = None,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Say how well models do on a dataset, side by side.

    Each model is fed the clips as it was trained on them, in its own framework.
    """
    from signbart_port.data.labels import ID2LABEL, LABEL2ID

    chosen = _options.resolve_options(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )
    kept = (*models, config, mapping, data / LABEL2ID, data / ID2LABEL)
    inputs = [path for path in kept if path is not None]
    file = ReportFile(report, force, kept, silent=quiet or json)
    file.check()
    pictured = confusion is not None or (report is not None and report.suffix == ".html")
    if pictured:
        from signbart_port.evaluation import picture
    if confusion is not None:
        picture.check(confusion, force=force, inputs=inputs)
    from signbart_port.verbs.evaluate import evaluate as run

    with _show.steps(quiet or json) as progress:
        found = run(
            models,
            data,
            split=split,
            signers=signers or (),
            skeleton=skeleton,
            frame_size=frame_size,
            skip_bad=skip_bad,
            options=chosen,
            mapping=mapping,
            progress=progress,
        )
    if json:
        _show.as_json(found.as_dict())
    elif not quiet:
        _print(found, every_class)
    else:
        _show.cautions(found.notes)
    _show.cautions([f"{one.model}: {said}" for one in found.models for said in one.cautions])
    file.write(found)
    if pictured:
        _show.cautions(picture.notes(found))
    if confusion is not None:
        picture.write(confusion, found, force=force, inputs=inputs)
        if not (quiet or json):
            _show.facts([("picture", _show.written(confusion))])


def _print(found: Evaluation, every_class: bool) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    signers = f" of {', '.join(found.signers)}" if found.signers else ""
    title = f"{found.data}, split {found.split}: {found.clips:,} clips{signers}"
    table = Table(
        title=escape(printable(title, 1000)),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("model", overflow="fold")
    for name in ("format", *_COLUMNS):
        table.add_column(name, no_wrap=True, justify="left" if name == "format" else "right")
    for model in found.models:
        scores = model.scores
        low, high = scores.interval
        table.add_row(
            escape(printable(model.model)),
            model.format,
            str(scores.right),
            f"{scores.top1:.1%}",
            f"{100 * low:.1f}–{100 * high:.1f}",
            f"{scores.top5:.1%}",
            f"{scores.macro_f1:.3f}",
        )
    _show.whole(table)
    _show.facts(list(_rows(found)))
    if every_class:
        for model in found.models:
            _list_classes(model)


def _rows(found: Evaluation) -> Iterator[tuple[str, str]]:
    sizes = [
        f"{model.model}: {model.parameters:,} parameters, {_show.bytes_of(model.size)}"
        for model in found.models
    ]
    yield from _show.labeled("size", sizes)
    yield from _show.labeled("FLOPs", [_costs(model) for model in found.models])
    if found.agreement:
        lines = [
            f"{one.first} and {one.second}: the same class for {one.same} of {found.clips} clips"
            f" ({one.share:.1%})"
            for one in found.agreement
        ]
        yield from _show.labeled("agreement", lines)
    confused = [line for model in found.models for line in _confused(model)]
    yield from _show.labeled("confused", confused)
    if signers := list(_of_signers(found)):
        yield from _show.labeled("signers", signers)
    yield from _show.labeled("clips" if found.notes else "", found.notes)
    for model in found.models:
        yield from (("note", f"{model.model}: {note}") for note in model.notes)
    if found.left_out:
        yield from _show.labeled("left out", [f"{bad.path}: {bad.why}" for bad in found.left_out])


def _confused(model: ModelScore) -> Iterator[str]:
    found = model.scores.confusions
    yield model.model if found else f"{model.model}: nothing"
    for one in found[:_MOST]:
        yield f"  {one.clips} of {one.of}: {one.label} taken for {one.taken_for}"
    if len(found) > _MOST:
        yield f"  {len(found) - _MOST} more: --json has them"


def _of_signers(found: Evaluation) -> Iterator[str]:
    """Yield a line per signer, if there are several: the top-1 of each model on their clips."""
    signers = found.models[0].scores.signers
    if len(signers) < 2:
        return
    for row, signer in enumerate(signers[:_MOST_SIGNERS]):
        shares = ", ".join(f"{model.scores.signers[row].top1:.1%}" for model in found.models)
        yield f"{shares} of {signer.of}: {signer.signer or 'unknown'}"
    if len(signers) > _MOST_SIGNERS:
        yield f"{len(signers) - _MOST_SIGNERS} more: --json has them"


def _costs(model: ModelScore) -> str:
    return (
        f"{model.model}: {_flops(model.median)} for {model.median.frames} frames, the median;"
        f" {_flops(model.longest)} for {model.longest.frames}, the most"
    )


def _flops(load: Load) -> str:
    return "–" if load.flops is None else f"{load.flops / 1e6:,.1f} M"


def _list_classes(model: ModelScore) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(printable(model.model)), title_justify="left")
    table.add_column("class")
    for name in ("precision", "recall", "F1", "clips"):
        table.add_column(name, justify="right")
    for one in model.scores.classes:
        table.add_row(_show.cell(one.label), *_figures(one), str(one.support))
    _show.out().print(table)


def _figures(one: ClassScore) -> Iterator[str]:
    for figure in (one.precision, one.recall, one.f1):
        yield "–" if figure is None else f"{figure:.3f}"
