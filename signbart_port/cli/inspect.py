"""The command `inspect`."""

from __future__ import annotations

import dataclasses
import json as json_module
from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _many, _options, _pair, _show
from signbart_port.config import joints as named_joints
from signbart_port.errors import first_of, printable
from signbart_port.hub.address import shown
from signbart_port.system.progress import ProgressCallback
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from signbart_port.tflite.card import Card
    from signbart_port.verbs.inspect_file import Inspection

_MOST_NAMES = 10


def inspect(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="A .pth, .safetensors, .h5, .keras or .tflite, or its address hf://OWNER/NAME;"
            " several, or a folder of them.",
        ),
    ],
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    config_out: Annotated[
        Path | None,
        typer.Option(
            "--config-out",
            metavar="FILE.yaml",
            help="Write the config of a checkpoint or a model.h5 to a file, for --config.",
        ),
    ] = None,
    pair: _options.Pair = None,
    force: _options.Force = False,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Say what a file is: its tensors, its config, where it comes from.

    Imports no framework.
    """
    from signbart_port.verbs.inspect_file import inspect_file as run
    from signbart_port.verbs.inspect_file import write_config

    if pair is not None:
        _pair.check_options(context, "tensors")
        run = partial(run, pair=pair, config=config)
        config = None
    chosen = _options.options_if_any(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )
    models = _many.models_of(files, list(ModelKind))
    if _many.are_several(models, config_out, None):
        _many.check_options(tensors=tensors)
        _many.Batch(json, quiet, "files").run(
            [
                _many.Task(shown(path), partial(_in_a_line, partial(run, path, options=chosen)))
                for path in models
            ]
        )
        return
    found = run(models[0], options=chosen)
    if config_out is not None:
        write_config(found, config_out, force=force)
    if json:
        _show.as_json(_as_dict(found))
        return
    if quiet:
        return
    values = sum(prod(t.shape) for t in found.tensors)
    rows = [
        ("file", str(found.path)),
        ("kind", f"{found.kind.value}, {_show.bytes_of(found.size)}"),
        ("sha256", found.sha256),
        ("tensors", f"{len(found.tensors)}, {values:,} values"),
        *(("note", note) for note in found.notes),
        *_facts(found),
        *(_said(found.card) if found.card else ()),
        ("config", found.config_note),
    ]
    if found.config:
        said = dict(found.config)
        if "joint_idx" in said:
            said["joint_idx"] = named_joints.short(said["joint_idx"])
        training, names = said.pop("training", None), said.pop("class_names", None)
        rows.append(("", ", ".join(f"{key} {value}" for key, value in said.items())))
        if names:
            rows.append(("class names", first_of(names, _MOST_NAMES)))
        if training:
            rows.append(
                ("training", ", ".join(f"{key} {value}" for key, value in training.items()))
            )
    if config_out is not None:
        rows.append(("written", str(config_out)))
    if found.provenance:
        rows += _origin(found)
    elif found.provenance is None and found.kind.value == "Keras model":
        rows.append(("provenance", "none: not written by signbart-port convert"))
    _show.facts(rows)
    if tensors:
        from rich.markup import escape
        from rich.table import Table

        table = Table("name", "shape", "type")
        for tensor in found.tensors:
            shape = "×".join(map(str, tensor.shape)) or "scalar"
            table.add_row(escape(printable(tensor.name)), shape, tensor.dtype)
        _show.out().print(table)


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    for name, fact in found.facts.items():
        if name == "weights by type":  # a share of each
            yield name, ", ".join(f"{share:.1%} {kind}" for kind, share in fact.items())
        else:
            yield "keypoints" if name == "joints" else name, _plain(fact)


def _in_a_line(run: Callable[[], Inspection], _: ProgressCallback) -> _many.Done:
    found = run()
    values = sum(prod(tensor.shape) for tensor in found.tensors)
    line = (
        f"{found.path}: {found.kind.value}, {_show.bytes_of(found.size)},"
        f" {len(found.tensors)} tensors, {values:,} values; config: {found.config_note}"
    )
    return _many.Done(line, _as_dict(found), word="read")


def _as_dict(found: Inspection) -> dict[str, Any]:
    return dataclasses.asdict(found) | {"kind": found.kind.value}


def _said(card: Card) -> Iterator[tuple[str, str]]:
    from signbart_port.tflite.card_facts import card_facts

    return card_facts(card)


def _origin(found: Inspection) -> Iterator[tuple[str, str]]:
    """Yield the provenance: a line for each of its facts, without the config that the file has."""
    config = json_module.loads(json_module.dumps(found.config))
    for key, value in (found.provenance or {}).items():
        if (key, value) != ("config", config) and (lines := list(_lines(value))):
            yield from _show.labeled(key, lines)


def _lines(fact: object, depth: int = 2) -> Iterator[str]:
    """Yield plain data as lines: the entries of a dict, the texts of a list."""
    match fact:
        case None:
            return
        case dict() if depth:
            for key, value in fact.items():
                if said := ", ".join(_lines(value, depth - 1)):
                    yield f"{key} {said}"
        case list() if depth and all(isinstance(one, str) for one in fact):
            yield from fact
        case list() if depth:
            yield ", ".join(said for one in fact for said in _lines(one, depth - 1))
        case str():
            yield fact
        case bool():
            yield "yes" if fact else "no"
        case float():
            yield f"{fact:.3g}"
        case _:
            yield json_module.dumps(fact)


def _plain(fact: object) -> str:
    return ", ".join(_lines(fact))
