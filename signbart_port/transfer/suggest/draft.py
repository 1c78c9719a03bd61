"""Suggestions as YAML: a complete mapping file, or the lines that one lacks. Nothing is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from signbart_port.transfer.mapping import Axis, Leaf, WeightMapping
from signbart_port.transfer.suggest.modules import Kind, is_fused
from signbart_port.transfer.suggest.search import Suggestions
from signbart_port.transfer.suggest.text import flow, placeholder, plain, quoted, rule

_MOST = 40  # tensors without a place that are listed


def whole(suggestions: Suggestions, own: WeightMapping) -> str:
    """Return a mapping file of the suggestions; everything else is as in `own`, SignBART's."""
    ignored = [i for i in own.ignored_torch if "{" not in i.match]  # needs none of its axes
    lines = [
        "schema: 1",
        "family: my-fork",
        "",
        "checkpoint:",
        f"  unwrap: [{', '.join(map(plain, own.unwrap))}]",
        f"  strip_prefixes: [{', '.join(map(plain, own.strip_prefixes))}]",
        "",
        *([] if suggestions.axes else ["axes: {}"]),
        *([] if suggestions.kinds else ["kinds: {}"]),
        *_rules(suggestions, suggestions.axes, suggestions.kinds),
        "",
        "ignore:",
        "  torch:",
        *(f"    - {{match: {quoted(i.match)}, why: {quoted(i.why)}}}" for i in ignored),
        *(f"    # {line}" for line in _unplaced(suggestions)),
    ]
    return "\n".join(lines) + "\n"


def missing(suggestions: Suggestions, mapping: WeightMapping) -> str:
    """Return the lines that `mapping` lacks, below the keys that they belong to."""
    known = {rule.kind: rule.leaves for rule in mapping.rules}
    kinds = {name: kind for name, kind in suggestions.kinds.items() if known.get(name) != kind}
    axes = {name: axis for name, axis in suggestions.axes.items() if name not in mapping.axes}
    lines = list(_rules(suggestions, axes, kinds))
    if unplaced := list(_unplaced(suggestions)):
        lines += ["", "# ignore:", "#   torch:", *(f"#     {line}" for line in unplaced)]
    return "\n".join(lines) + "\n"


def _rules(
    suggestions: Suggestions, axes: Mapping[str, Axis], kinds: Mapping[str, Kind]
) -> Iterator[str]:
    if axes:
        yield "axes:"
        yield from (f"  {name}: {placeholder(axis)}" for name, axis in axes.items())
        yield ""
    if kinds:
        yield "kinds:"
        for name, kind in kinds.items():
            yield f"  {plain(name)}:"
            yield from (f"    - {_leaf(leaf)}" for leaf in kind)
        yield ""
    yield "modules:" if suggestions.lines else "modules: []"
    yield from (f"  - {rule(line)}" for line in suggestions.lines)
    if suggestions.unfilled:
        yield "  # Nothing in the checkpoint was found for"
        yield from (f"  #   {place}" for place in suggestions.unfilled)


def _unplaced(suggestions: Suggestions) -> Iterator[str]:
    fused = [name for name in suggestions.unplaced if is_fused(name)]
    if fused:
        yield "Query, key and value in one tensor, which no mapping can split:"
        yield from (f"  {quoted(name)}" for name in fused[:_MOST])
    others = {name: s for name, s in suggestions.unplaced.items() if not is_fused(name)}
    if not others:
        return
    yield "No place was found for these. What the model does without may be left behind:"
    for name, shape in list(others.items())[:_MOST]:
        yield f'- {{match: {quoted(name)}, why: "..."}}  # {"×".join(map(str, shape)) or "scalar"}'
    if len(others) > _MOST:
        yield f"and {len(others) - _MOST} more"


def _leaf(leaf: Leaf) -> str:
    entries = {"torch": plain(leaf.torch)} if leaf.torch else {}
    entries |= {"keras": leaf.keras, "dims": f"[{', '.join(leaf.dims)}]"}
    return flow(entries | {"op": "transpose"} if leaf.reversed else entries)
