"""The facts on an exported .safetensors for its model card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from signbart_port.config import joints
from signbart_port.hub.address import is_repository
from signbart_port.hub.fetch import Origin
from signbart_port.hub.model_card import ModelCard
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.parity.report import Report
from signbart_port.system import digest
from signbart_port.system.version import __version__
from signbart_port.transfer import Plan
from signbart_port.untrusted.model_kind import stem_of


def card_of(
    written: Path,
    out: Path,
    source: KerasModel,
    plan: Plan,
    report: Report | None,
    license: str | None,
) -> ModelCard:
    """Return the card of the file `out`, which is still called `written`."""
    made_of = _dict(source.provenance, "source")
    hub = _dict(made_of, "hub")
    repository = str(hub.get("repository", ""))
    return ModelCard(
        title=stem_of(source.path),
        file=out.name,
        sizes=_sizes(source, plan),
        labels=source.class_names,
        proof=tuple(_proof(source, plan, report)),
        provenance=dict(_origin(written, out, source, made_of, hub)),
        license=license,
        base_model=repository if is_repository(repository) else None,
    )


def _sizes(source: KerasModel, plan: Plan) -> dict[str, object]:
    config = source.config.explicit.model_dump(mode="json", exclude={"training", "class_names"})
    config["joint_idx"] = joints.short(config["joint_idx"])
    said = {
        key: value if isinstance(value, str | int | float) else json.dumps(value)
        for key, value in config.items()
    }
    return {"parameters": f"{plan.parameters:,}", **said}


def _proof(source: KerasModel, plan: Plan, report: Report | None) -> Iterator[str]:
    yield f"{len(plan.transfers)} tensors, read back equal in every bit to those of the Keras model"
    if report is None:
        yield "not run in PyTorch (--no-verify)"
    else:
        row = report.logits
        yield f"PyTorch and Keras on {report.inputs}: {report.verdict()}"
        yield f"in float64: {report.structure_sentence()}"
        yield f"logits: off by at most {row.error:.1e}, with a limit of {row.limit:.1e}"
    if source.proven:
        yield "the Keras model was proven equal to the PyTorch checkpoint that it was made of"


def _origin(
    written: Path,
    out: Path,
    source: KerasModel,
    made_of: Mapping[str, Any],
    hub: Mapping[str, Any],
) -> Iterator[tuple[str, str]]:
    yield "file", f"{out.name}, SHA-256 {digest.of_file(written)}"
    yield "made of", f"{source.path.name}, SHA-256 {source.sha256}"
    if {"name", "sha256"} <= made_of.keys():
        yield "which was made of", f"{made_of['name']}, SHA-256 {made_of['sha256']}"
    if {"repository", "revision", "commit"} <= hub.keys():
        yield "which is from", str(Origin(hub["repository"], hub["revision"], hub["commit"], {}))
    if "epoch" in (trained := _dict(source.provenance, "trained")):
        yield "trained", f"in Keras, {trained['epoch']} epochs"
    yield "written by", f"signbart-port {__version__}"


def _dict(data: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    """Return what a stranger's provenance has under a key, where that is what it should be."""
    value = (data or {}).get(key)
    return value if isinstance(value, dict) else {}
