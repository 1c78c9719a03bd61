"""The verb `inspect`."""

from __future__ import annotations

import dataclasses
import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from signbart_port.cli import app, options


@app.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pth, .safetensors, .h5 or .tflite.")
    ],
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    json: options.Json = False,
) -> None:
    """Say what a file is: its tensors, its config, where it comes from.

    Imports no framework.
    """
    from math import prod

    from signbart_port import joints
    from signbart_port.cli import show
    from signbart_port.inspect import inspect as run

    found = run(file)
    if json:
        show.as_json(dataclasses.asdict(found) | {"kind": found.kind.value})
        return
    values = sum(prod(t.shape) for t in found.tensors)
    rows = [
        ("file", str(found.path)),
        ("kind", f"{found.kind.value}, {show.bytes_of(found.size)}"),
        ("sha256", found.sha256),
        ("tensors", f"{len(found.tensors)}, {values:,} values"),
        *(("note", note) for note in found.notes),
        *((name, _plain(fact)) for name, fact in found.facts.items()),
        ("config", found.config_note),
    ]
    if found.config:
        config = found.config | {"joint_idx": joints.short(found.config["joint_idx"])}
        training = config.pop("training")
        rows.append(("", ", ".join(f"{key} {value}" for key, value in config.items())))
        if training:
            rows.append(
                ("training", ", ".join(f"{key} {value}" for key, value in training.items()))
            )
    if found.provenance:
        rows += [(key, _plain(value)) for key, value in found.provenance.items()]
    elif found.provenance is None and found.kind.value == "Keras model":
        rows.append(("provenance", "none: not written by signbart-port convert"))
    show.facts(rows)
    if tensors:
        from rich.markup import escape
        from rich.table import Table

        from signbart_port.errors import printable

        table = Table("name", "shape", "type")
        for tensor in found.tensors:
            shape = "×".join(map(str, tensor.shape)) or "scalar"
            table.add_row(escape(printable(tensor.name)), shape, tensor.dtype)
        show.out.print(table)


def _plain(fact: object) -> str:
    return fact if isinstance(fact, str) else json_module.dumps(fact)
