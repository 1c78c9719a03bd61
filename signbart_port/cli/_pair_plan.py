"""The part of `plan` that takes a pair of the user's own."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.cli import _plan_rows, _show
from signbart_port.errors import PortError, printable

if TYPE_CHECKING:
    from signbart_port.transfer.plan import Constant
    from signbart_port.verbs.plan_pair import PairPlanned


def plan(
    checkpoint: Path | None,
    pair: str,
    config: str | None,
    weights: str | None,
    out: Path | None,
    *,
    show_all: bool,
    force: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Plan the transfer of a pair, and print it; or write a draft of its mapping."""
    from signbart_port import transfer
    from signbart_port.verbs.plan_pair import check_draft, plan_pair, write_pair_draft

    inputs = (checkpoint, config)
    if out is not None:
        check_draft(out, inputs, force=force)
    with _show.steps(quiet or json) as progress:
        progress("Building both models")
        found = plan_pair(checkpoint, pair, config=config, weights=weights, draft=out is not None)
    if out is not None:
        write_pair_draft(found, out, inputs, force=force)
    file = found.plan.mapping.path
    if json:
        _show.as_json(_as_dict(found))
    elif not quiet:
        _show.facts(list(_rows(found, out, show_all)))
        if found.draft and out is None:
            print(f"\n{found.draft.text(file.stem)}", end="")
    _show.cautions(found.checkpoint.cautions if found.checkpoint else ())
    if out is not None:
        if not json and not quiet:
            for line in (f"written      {out}", _next(found, out)):
                print(printable(line, _show.LONGEST))
        return
    if found.draft:
        again = " ".join(map(shlex.quote, filter(None, (str(checkpoint or ""), "--pair", pair))))
        raise PortError(
            file,
            "there is no such file",
            f"Write a draft: signbart-port plan {again} --out {file.name}",
        )
    if found.findings:
        raise PortError(found.source, transfer.summary(found.findings), f"Correct {file.name}")


def _rows(found: PairPlanned, out: Path | None, show_all: bool) -> Iterator[tuple[str, str]]:
    rules, checkpoint = found.plan.mapping, found.checkpoint
    yield "pair", found.pair
    if checkpoint:
        yield "checkpoint", f"{checkpoint.path} ({checkpoint.container})"
        yield from _show.labeled("", checkpoint.notes)
    else:
        yield "checkpoint", "none: the names are those of the pair's PyTorch model"
    yield "config", found.origin
    drafted = " (a draft)" if found.draft else f" ({rules.family})"
    yield "mapping", f"{out or rules.path.name}{drafted}"
    sizes = [f"{name} {n}: {found.sizes[name]}" for name, n in found.plan.sizes.items()]
    yield from _show.labeled("sizes", sizes)
    uses = list(found.uses())
    taken, wanted = sum(use.found for use in uses), sum(use.of for use in uses)
    yield "tensors", f"{taken} of {wanted} by {len(uses)} rules"
    if show_all:
        rows = (
            f"{use.found} of {use.of}: {use.rule.torch} -> {use.rule.keras}, {use.rule.kind}"
            f"{_lengths(found, use.rule.line)} ({rules.at(use.rule.line)})"
            for use in uses
        )
        yield from _show.labeled("rules", list(rows))
        yield from _show.labeled("transfers", _plan_rows.folded_transfers(found.plan.transfers))
    for side, ignored in found.left_behind().items():
        left = [f"{name}: {why}" for name, why in ignored.items()]
        yield from _show.labeled("left behind" if side == "torch" else "left as is", left)
    yield from _show.labeled("filled", [_constant(one) for one in found.plan.constants])
    yield from _show.labeled("lost", found.lost)
    if found.guesses:
        lines = _show.first_of([f"line {line}" for line in found.guesses])
        yield "guesses", f"{lines}: convert refuses them until the mark is taken out"
    yield from _show.labeled("findings", _plan_rows.sentences(found.findings, show_all))


def _lengths(found: PairPlanned, line: int) -> str:
    lengths = found.lengths.get(line, {})
    said = (f"{name} {' or '.join(map(str, several))}" for name, several in lengths.items())
    return f", {', '.join(said)}" if lengths else ""


def _constant(one: Constant) -> str:
    return f"{one.name} with {one.value:g}, which {'PyTorch' if one.of_keras else 'Keras'} has not"


def _next(found: PairPlanned, out: Path) -> str:
    """Say what to do with a draft that is written."""
    looked = "look up in the code what is marked as a guess, " if found.guesses else ""
    missing = "see to the findings, " if found.findings else ""
    if out.resolve() == found.plan.mapping.path.resolve():
        return f"{looked}{missing}then convert, which proves it"
    return f"{looked}{missing}then name it in the pair: mapping = {str(out)!r}"


def _as_dict(found: PairPlanned) -> dict[str, Any]:
    rules, checkpoint, draft = found.plan.mapping, found.checkpoint, found.draft
    return {
        "pair": found.pair,
        "checkpoint": checkpoint
        and {
            "path": str(checkpoint.path),
            "sha256": checkpoint.sha256,
            "container": checkpoint.container,
            "notes": checkpoint.notes,
        },
        "config": found.origin,
        "mapping": {"path": str(rules.path), "family": rules.family, "sha256": rules.sha256},
        "sizes": {
            name: {"size": size, "from": found.sizes[name]}
            for name, size in found.plan.sizes.items()
        },
        "rules": [
            {
                "line": use.rule.line,
                "torch": use.rule.torch,
                "keras": use.rule.keras,
                "kind": use.rule.kind,
                "found": use.found,
                "of": use.of,
                "guess": use.rule.guess,
                "axes": found.lengths.get(use.rule.line, {}),
            }
            for use in found.uses()
        ],
        "transfers": [
            {"torch": t.torch, "keras": t.keras, "op": t.op.name, "shape": t.keras_shape}
            for t in found.plan.transfers
        ],
        "left_behind": found.left_behind(),
        "filled": [dataclasses.asdict(one) for one in found.plan.constants],
        "lost": found.lost,
        "complete": not found.findings and not found.guesses,
        "findings": [_plan_rows.finding(one) for one in found.findings],
        "draft": draft.text(rules.path.stem) if draft else None,
    }
