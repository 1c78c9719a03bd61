"""The command `verify`."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signbart_port.cli import _implementations, _many, _options, _pair, _show
from signbart_port.cli._report_file import ReportFile
from signbart_port.errors import PortError, ProofError, printable
from signbart_port.hub.address import is_address
from signbart_port.system.progress import ProgressCallback
from signbart_port.untrusted.absent import absent
from signbart_port.untrusted.model_kind import ModelKind, stem_of
from signbart_port.untrusted.refusal import naming

if TYPE_CHECKING:
    from signbart_port.parity.report import Report


def verify(
    context: typer.Context,
    a: Annotated[
        Path | None,
        typer.Argument(
            metavar="A",
            help="A .pth, .safetensors, .h5, .keras or .tflite, or a folder of them. With --perturb"
            " or --vary: a checkpoint whose config is used, or nothing.",
            show_default=False,
        ),
    ] = None,
    b: Annotated[
        Path | None,
        typer.Argument(
            metavar="B",
            help="Another, of any of these kinds; or a folder of models, each of which is compared"
            " with the one of the same name in A.",
            show_default=False,
        ),
    ] = None,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    mapping: _options.Mapping = None,
    pair: _options.Pair = None,
    perturb: Annotated[
        bool,
        typer.Option(
            "--perturb",
            help="Compare the two implementations, in PyTorch and in Keras, of --pair or of"
            " SignBART: built from their config alone, with perturbed weights. No file is needed.",
        ),
    ] = False,
    vary: Annotated[
        bool,
        typer.Option(
            "--vary",
            help="The same on other configs as well, one by one: those that the pair names, with"
            " other heads, layers, activations ...",
        ),
    ] = False,
    node_data: Annotated[
        Path | None,
        typer.Option(
            "--node-data",
            metavar="OUT.json",
            help="Of a .tflite with rounded numbers: write the error of each operator, for Google's"
            " Model Explorer to lay over its graphs.",
        ),
    ] = None,
    report: _options.Report = None,
    force: _options.Force = False,
    every_module: _options.EveryModule = False,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Compare two models, those of two folders, or two implementations, on the same inputs.

    Exit code 0: equal; 1: not.
    """
    if vary:
        _implementations.check_options(context, "--vary", b)
        _implementations.vary(a, pair, config, weights, json=json, quiet=quiet)
        return
    if perturb:
        _implementations.check_options(context, "--perturb", b, "report", "every_module")
        shown = {"every_module": every_module, "json": json, "quiet": quiet}
        _implementations.perturb(a, pair, config, weights, report=report, force=force, **shown)
        return
    if a is None or b is None:
        what = "verify compares two models, A and B"
        raise PortError(None, what, "Give both; or --perturb, which needs none")
    if pair is not None:
        _pair.check_options(context)
        shown = {"every_module": every_module, "json": json, "quiet": quiet}
        _pair.verify(a, b, pair, config, weights, report=report, force=force, **shown)
        return
    from signbart_port.verbs.verify import verify as run

    chosen = _options.resolve_options(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )

    def compared(one: Path, other: Path, progress: ProgressCallback) -> Report:
        return run(
            one,
            other,
            chosen,
            mapping=mapping,
            node_data=node_data,
            force=force,
            progress=progress,
        )

    def in_a_line(one: Path, other: Path, progress: ProgressCallback) -> _many.Done:
        found = compared(one, other, progress)
        if not found.passed:
            raise ProofError(f"{_names(found)}: NOT EQUAL, {found.verdict()}", found)
        line = f"{_names(found)}: {found.verdict()}"
        return _many.Done(line, found.as_dict(), found.cautions, "equal")

    for path in (a, b):  # else a folder is blamed for having several models
        if not (path.exists() or is_address(path)):
            with naming(path):
                raise absent(path)
    if a.is_dir() and b.is_dir() and (pairs := _pairs(a, b)) is not None:
        _many.check_options(report=report, every_module=every_module, node_data=node_data)
        _many.Batch(json, quiet, "pairs").run(
            [_many.Task(str(one), partial(in_a_line, one, other)) for one, other in pairs]
        )
        return
    file = ReportFile(report, force, (a, b, config, mapping), silent=quiet or json)
    file.check()
    with _show.steps(quiet or json) as progress:
        found = compared(a, b, progress)
    _show.compared(found, file, every_module=every_module, json=json, quiet=quiet)


def _names(found: Report) -> str:
    return f"{found.candidate} against {found.reference}"


def _pairs(a: Path, b: Path) -> list[tuple[Path, Path]] | None:
    """Return the models of two folders that have one name; None where each holds one model, whose
    names may differ.

    Raises PortError for a model without a partner, or with two.
    """
    from signbart_port.untrusted.model_folder import models_in

    folders = {folder: models_in(folder, list(ModelKind)) for folder in (a, b)}
    if all(len(models) < 2 for models in folders.values()):
        return None
    named: dict[Path, dict[str, list[Path]]] = {}
    for folder, models in folders.items():
        named[folder] = defaultdict(list)
        for model in models:
            name = str(model.relative_to(folder).with_name(stem_of(model)))
            named[folder][name].append(model)
    for folder, other in ((a, b), (b, a)):
        for name, models in named[folder].items():
            partners = named[other].get(name, [])
            if len(models) != 1 or len(partners) != 1:
                found = ", ".join(str(one) for one in (*models[1:], *partners)) or "none"
                what = f"needs one model named {printable(name)} in {printable(other)}"
                raise PortError(models[0], f"{what}, found: {printable(found)}")
    return [(named[a][name][0], named[b][name][0]) for name in named[a]]
