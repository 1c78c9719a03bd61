"""Suggestions as YAML: a complete mapping file, or the lines that one lacks. Nothing is applied."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from signbart_port.transfer.mapping import Axis, Leaf, WeightMapping
from signbart_port.transfer.suggest.modules import Kind, is_fused
from signbart_port.transfer.suggest.search import Line, Suggestions

_NAME = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)
_MOST = 40  # tensors without a place that are listed


def whole(suggestions: Suggestions, own: WeightMapping) -> str:
    """Return a mapping file of the suggestions; everything else is as in `own`, SignBART's."""
    ignored = [i for i in own.ignored_torch if "{" not in i.match]  # needs none of its axes
    lines = [
        "schema: 1",
        "family: my-fork",
        "",
        "checkpoint:",
        f"  unwrap: [{', '.join(map(_plain, own.unwrap))}]",
        f"  strip_prefixes: [{', '.join(map(_plain, own.strip_prefixes))}]",
        "",
        *([] if suggestions.axes else ["axes: {}"]),
        *([] if suggestions.kinds else ["kinds: {}"]),
        *_rules(suggestions, suggestions.axes, suggestions.kinds),
        "",
        "ignore:",
        "  torch:",
        *(f"    - {{match: {_quoted(i.match)}, why: {_quoted(i.why)}}}" for i in ignored),
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
        yield from (f"  {name}: {_axis(axis)}" for name, axis in axes.items())
        yield ""
    if kinds:
        yield "kinds:"
        for name, kind in kinds.items():
            yield f"  {_plain(name)}:"
            yield from (f"    - {_leaf(leaf)}" for leaf in kind)
        yield ""
    yield "modules:" if suggestions.lines else "modules: []"
    yield from (f"  - {_line(line)}" for line in suggestions.lines)
    if suggestions.unfilled:
        yield "  # Nothing in the checkpoint was found for"
        yield from (f"  #   {place}" for place in suggestions.unfilled)


def _unplaced(suggestions: Suggestions) -> Iterator[str]:
    fused = [name for name in suggestions.unplaced if is_fused(name)]
    if fused:
        yield "Query, key and value in one tensor, which no mapping can split:"
        yield from (f"  {_quoted(name)}" for name in fused[:_MOST])
    others = {name: s for name, s in suggestions.unplaced.items() if not is_fused(name)}
    if not others:
        return
    yield "No place was found for these. What the model does without may be left behind:"
    for name, shape in list(others.items())[:_MOST]:
        yield f'- {{match: {_quoted(name)}, why: "..."}}  # {"×".join(map(str, shape)) or "scalar"}'
    if len(others) > _MOST:
        yield f"and {len(others) - _MOST} more"


def _line(line: Line) -> str:
    entries = {"torch": _quoted(line.torch), "keras": _quoted(line.keras)}
    entries |= {"kind": _plain(line.kind), **line.sizes}
    if line.doubt:
        entries["guess"] = "true"
    return _flow(entries) + _comment(line.doubt)


def _axis(axis: Axis) -> str:
    return _flow({"range": axis.range} | ({"from": str(axis.start)} if axis.start else {}))


def _leaf(leaf: Leaf) -> str:
    entries = {"torch": _plain(leaf.torch)} if leaf.torch else {}
    entries |= {"keras": leaf.keras, "dims": f"[{', '.join(leaf.dims)}]"}
    return _flow(entries | {"op": "transpose"} if leaf.reversed else entries)


def _flow(entries: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in entries.items())}}}"


def _comment(text: str) -> str:
    return f"  # {text}" if text else ""


def _plain(text: str) -> str:
    """Return a name as it is, in quotes if YAML would read something else."""
    return text if _NAME.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
