"""The command `plan`."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _options, _pair, _pair_plan, _plan_rows, _show
from signbart_port.errors import PortError, printable

if TYPE_CHECKING:
    from signbart_port.verbs.plan import Planned


def plan(
    context: typer.Context,
    checkpoint: Annotated[
        Path | None,
        typer.Argument(
            help="A .pth, .pt or .safetensors checkpoint, or its address hf://OWNER/NAME. With"
            " --pair it may be left out.",
            metavar="MODEL.pth",
        ),
    ] = None,
    mapping: _options.Mapping = None,
    pair: _options.Pair = None,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="my.yaml",
            help="Write the mapping that is suggested for other names, or for the two models of"
            " --pair, its guesses marked.",
        ),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show every rule, every tensor, every finding.")
    ] = False,
    force: _options.Force = False,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Show whether a mapping has a place for every tensor of a checkpoint, and what is wrong.

    No data moves. Names that the mapping does not know get suggestions: --out writes them to a
    mapping file of one's own. Exit code 0: the plan is complete, or its draft is written; 2: it is
    not.
    """
    if pair is not None:
        _pair.check_options(context, "out", "show_all")
        shown = {"show_all": show_all, "json": json, "quiet": quiet}
        _pair_plan.plan(checkpoint, pair, config, weights, out, force=force, **shown)
        return
    from signbart_port import transfer
    from signbart_port.verbs.plan import plan as run
    from signbart_port.verbs.plan import write_draft

    if checkpoint is None:
        raise PortError(None, "a checkpoint is needed: MODEL.pth", "Or name two models by --pair")
    chosen = _options.options_if_any(config, heads, joints, layout, False, override_config, weights)
    found = run(checkpoint, mapping=mapping, options=chosen)
    _show.cautions(found.cautions)
    if out is not None:
        if mapping:
            what = "--out writes a whole mapping, and --mapping gives one"
            raise PortError(checkpoint, what, "Leave one of them out")
        write_draft(found, out, force=force)
    if json:
        _show.as_json(_as_dict(found))
    elif not quiet:
        _show.facts(list(_rows(found, mapping, show_all)))
        if found.draft and out is None:
            print(f"\n{found.draft}", end="")
    _show.cautions(found.checkpoint.cautions)
    if out is not None:
        if not json and not quiet:
            for line in (f"written      {out}", _next(found, out)):
                print(printable(line, _show.LONGEST))
        return
    if found.findings:
        raise PortError(checkpoint, transfer.summary(found.findings), _advice(found, mapping))
    if found.config_error:
        raise found.config_error


def _rows(found: Planned, mapping: str | None, show_all: bool) -> Iterator[tuple[str, str]]:
    checkpoint, rules = found.checkpoint, found.plan.mapping
    known = {name: n for name, n in found.plan.sizes.items() if name not in found.unsettled}
    yield "checkpoint", f"{checkpoint.path} ({checkpoint.container})"
    yield from _show.labeled("", checkpoint.notes)
    yield "mapping", f"{mapping or rules.path.name} ({rules.family})"
    yield "sizes", ", ".join(f"{name} {n}" for name, n in known.items()) or "unknown"
    if found.contradictions:
        said = ", ".join(f"{name} {n}" for name, n in found.contradictions.items())
        yield "", f"the tensors say otherwise: {said}"
    if found.unsettled:
        yield "", f"told by nothing, one each assumed: {', '.join(found.unsettled)}"
    yield from _show.labeled("config", found.config_notes)
    uses = list(found.uses())
    if show_all:
        rows = [
            f"{use.found} of {use.of} tensors: {use.rule.torch} -> {use.rule.keras},"
            f" {use.rule.kind} ({rules.at(use.rule.line)})"
            for use in uses
        ]
        yield from _show.labeled("rules", rows)
        yield from _show.labeled("transfers", _plan_rows.folded_transfers(found.transfers()))
    else:
        taken, wanted = sum(use.found for use in uses), sum(use.of for use in uses)
        yield "tensors", f"{taken} of {wanted} by {len(uses)} rules"
    left = [f"{name}: {why}" for name, why in found.left_behind().items()]
    yield from _show.labeled("left behind", left)
    yield from _show.labeled("findings", _plan_rows.sentences(found.findings, show_all))
    if found.suggestions:
        lines, guesses = len(found.suggestions.lines), found.suggestions.guesses
        said = f"{lines} rules, {guesses} of them guesses"
        yield "suggestions", said if found.draft else "none: nothing in it fits a SignBART"


def _advice(found: Planned, mapping: str | None) -> str:
    if found.adapted:
        return f"It {found.adapted.what}. {found.adapted.remedy}"
    if not found.suggestions or not found.suggestions.lines:
        return ""
    if mapping:
        return "Paste the suggested lines that are right into the mapping"
    path = shlex.quote(str(found.checkpoint.path))
    return f"Write the suggested mapping: signbart-port plan {path} --out my.yaml"


def _next(found: Planned, out: Path) -> str:
    """Say what to do with a draft."""
    guesses = found.suggestions.guesses if found.suggestions else 0
    looked = f"look up its {guesses} guesses in the model's code, " if guesses else ""
    path = shlex.quote(str(found.checkpoint.path))
    return f"{looked}then: signbart-port plan {path} --mapping {shlex.quote(str(out))}"


def _as_dict(found: Planned) -> dict[str, Any]:
    suggestions = found.suggestions
    return {
        "checkpoint": {
            "path": str(found.checkpoint.path),
            "sha256": found.checkpoint.sha256,
            "container": found.checkpoint.container,
            "notes": found.checkpoint.notes,
        },
        "mapping": {
            "path": str(found.plan.mapping.path),
            "family": found.plan.mapping.family,
            "sha256": found.plan.mapping.sha256,
        },
        "sizes": found.plan.sizes,
        "config": found.config_notes,
        "unsettled": found.unsettled,
        "contradictions": found.contradictions,
        "rules": [
            {
                "line": use.rule.line,
                "torch": use.rule.torch,
                "keras": use.rule.keras,
                "kind": use.rule.kind,
                "found": use.found,
                "of": use.of,
            }
            for use in found.uses()
        ],
        "transfers": [
            {"torch": t.torch, "keras": t.keras, "op": t.op.name, "shape": t.keras_shape}
            for t in found.transfers()
        ],
        "left_behind": found.left_behind(),
        "complete": not found.findings and not found.config_error,
        "findings": [_plan_rows.finding(one) for one in found.findings],
        "suggestions": suggestions
        and {
            "modules": [dataclasses.asdict(line) for line in suggestions.lines],
            "unplaced": suggestions.unplaced,
            "unfilled": suggestions.unfilled,
            "yaml": found.draft,
        },
    }
