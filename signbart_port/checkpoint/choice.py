"""The choice of the weights in a file: never in silence, and never between two that both fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from signbart_port.checkpoint.adapted import explain
from signbart_port.checkpoint.candidates import (
    LONGEST_NAME,
    Candidate,
    StateDict,
    Wanted,
    candidates,
    spelled_by_rules,
    state_dicts,
    walk,
)
from signbart_port.checkpoint.names import (
    NameRules,
    ambiguous,
    is_averaged,
    is_of_optimizer,
    unwrap,
)
from signbart_port.errors import printable
from signbart_port.untrusted.pickle_globals import Other, Unread, describe
from signbart_port.untrusted.refusal import SAVE_STATE_DICT, Refusal
from signbart_port.untrusted.tensors import Tensor

AVERAGED = "ema"
"""What takes the averaged weights of a file, whatever their key."""
_COPY = "Before saving, copy the averages into the model, and save its state dict"
_MOST_SHOWN = 10


@dataclass(frozen=True)
class Choice:
    """The weights of a file, and what was passed over."""

    taken: Candidate
    cautions: tuple[str, ...] = ()
    """What a user must know even where nothing else is printed: other weights in the file."""
    notes: tuple[str, ...] = ()


def choose(
    root: Any, rules: NameRules, wanted: Wanted | None = None, weights: str | None = None
) -> Choice:
    """Return the weights in nested data.

    They are the one dict that holds all that is `wanted`, averaged weights only where there are no
    others; or what the key `weights` leads to. Without either, or where nothing is complete, the
    `rules` lead to them. Raises Refusal where there are none, or several.
    """
    if type(root) is not dict and not (wanted and type(root) in (list, tuple)):
        raise Refusal(f"holds {describe(root)}, not a dict of tensors", SAVE_STATE_DICT)
    states = state_dicts(root)
    found = [one for state in states for one in candidates(state, rules, wanted)] if wanted else []
    if weights is not None:
        return _asked(weights, states, found, rules, root)
    complete = [one for one in found if one.complete and not _unexplained(one, found)]
    plain = [one for one in complete if not one.averaged]
    if len(plain) > 1:
        raise ambiguous(one.label for one in plain)
    if plain:
        return _chosen(plain[0], found, root)
    partly = [one for one in found if not one.complete and not one.averaged]
    if complete and not partly:
        if len(complete) > 1:
            raise ambiguous(one.label for one in complete)
        only = f"the weights are averaged ones (EMA), {_where(complete[0])}: the file has no others"
        return _chosen(complete[0], found, root, only)
    return _incomplete(root, rules, states, found)


def check_values(taken: Candidate) -> None:
    """Raise Refusal unless the weights are dense tensors under usable names, and nothing foreign
    stands among them."""
    for name, value in taken.state.values.items():
        if not isinstance(name, str):
            raise Refusal(f"names a weight by {describe(name)}, not by a string", SAVE_STATE_DICT)
        if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
            raise Refusal(f'has a weight with the unusable name "{printable(name)}"')
        if not isinstance(value, Tensor) and not taken.left.get(name):
            if adapted := explain(taken.state.values):
                raise Refusal(adapted.what, adapted.remedy)
            raise Refusal(
                f'"{name}" is {describe(value)}, not a dense tensor with values', SAVE_STATE_DICT
            )


def unread(root: Any, foreign: Sequence[str]) -> tuple[str, ...]:
    """Return notes on the objects beside the weights that only foreign code could make."""
    shown: dict[str, str] = {}
    for keys, value in walk(root):
        if isinstance(value, Unread):
            shown.setdefault(printable(" / ".join(keys), 80), printable(value.name, 80))
    parts = [f"{where} ({name})" for where, name in shown.items()]
    inside = [printable(name, 80) for name in foreign if printable(name, 80) not in shown.values()]
    if not parts and not inside:
        return ()
    said = _listed(parts) or "no value of a key"
    within = f"; inside of it {_listed(inside)}" if inside else ""
    return (f"left unread beside the weights, and not run: {said}{within}",)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more


def _asked(
    key: str, states: Sequence[StateDict], found: Sequence[Candidate], rules: NameRules, root: Any
) -> Choice:
    """Return what the user's key leads to."""
    named = [one for one in found if key in _keys_of(one.label)]
    if not named and key == AVERAGED:
        named = [one for one in found if one.averaged]
    complete = [one for one in named if one.complete]
    named = complete or named
    if not named:
        named = [spelled_by_rules(state, rules) for state in states if key in _keys_of(state.keys)]
    if len(named) > 1:
        raise ambiguous(one.label for one in named)
    if not named:
        if is_averaged(key) and (hidden := _hidden_averages(root, found)):
            raise Refusal(
                f'has no named weights under "{printable(key, 80)}": it {hidden[0]}', _COPY
            )
        known = [" / ".join(one.label) for one in found] or [" / ".join(s.keys) for s in states]
        said = ", ".join(f'"{printable(one, 80)}"' for one in known[:_MOST_SHOWN] if one)
        hint = f"It has weights under {said}" if said else "It is one state dict: leave it out"
        raise Refusal(f'has no weights under "{printable(key, 80)}"', hint)
    taken = named[0] if named[0].complete else named[0].whole()
    return _chosen(taken, found, root, asked=True)


def _keys_of(label: tuple[str, ...]) -> set[str]:
    """Return the ways to write where weights lie."""
    ends = {label[-1]} if label else set[str]()
    return ends | {joint.join(label) for joint in (" / ", "/", ".")}


def _incomplete(
    root: Any, rules: NameRules, states: Sequence[StateDict], found: Sequence[Candidate]
) -> Choice:
    """Return the weights of a file that holds all that is wanted in no dict: by the rules, or what
    is nearest."""
    if type(root) is not dict:
        raise Refusal(f"holds {describe(root)}, not a dict of tensors", SAVE_STATE_DICT)
    for one in found:
        if one.complete and one.prefix:
            beside = _unexplained(one, found)
            shown = ", ".join(f'"{printable(name, 80)}"' for name in beside[:3])
            more = f" and {len(beside) - 3} more" if len(beside) > 3 else ""
            raise Refusal(
                f"holds all weights {_where(one)}, and beside them {shown}{more}, which nothing"
                " explains",
                f"If the model does not need more: --weights {_quoted(' / '.join(one.label))}",
            )
    state, keys = unwrap(root, rules)
    if any(isinstance(value, Tensor | Other) for value in state.values()):
        near = [one for one in found if one.state.values is state]
        if near and not near[0].prefix and near[0].held.missing <= len(near[0].held.known):
            return _chosen(near[0].whole(), found, root)
        said = [_not_stripped(one) for one in near if one.prefix]
        taken = spelled_by_rules(StateDict(keys, state), rules)
        return replace(_chosen(taken, found, root), notes=tuple(said))
    if any(isinstance(value, Unread) for value in state.values()) and not states:
        where, first = next((k, v) for k, v in state.items() if isinstance(v, Unread))
        raise Refusal(
            f'holds no weights: "{printable(where, 80)}" is {first.what}', SAVE_STATE_DICT
        )
    if len(found) == 1:
        if not found[0].prefix:
            return _chosen(found[0].whole(), found, root)
        taken = spelled_by_rules(found[0].state, rules)
        return replace(_chosen(taken, found, root), notes=(_not_stripped(found[0]),))
    shown = ", ".join(printable(key, 40) for key in list(state)[:6]) or "none"
    what = f"holds no weights: no tensor among its keys ({shown})"
    if states:
        under = " / ".join(states[0].keys)
        tensors = len(states[0].tensors)
        raise Refusal(
            f'{what}; {tensors} tensors lie under "{printable(under, 80)}"',
            f'If they are the weights: --weights "{printable(under, 80)}"',
        )
    raise Refusal(what, SAVE_STATE_DICT)


def _not_stripped(one: Candidate) -> str:
    lacking = f"{one.held.missing} tensors are not there"
    return f'the prefix "{printable(one.prefix, 80)}" is not stripped, as without it {lacking}'


def _unexplained(one: Candidate, found: Sequence[Candidate]) -> list[str]:
    """Return the tensors beside the weights that nothing explains: the model may need them."""
    others = {
        name
        for other in found
        if other.state is one.state and other is not one
        for name in (*other.names.values(), *other.masks.values())
    }
    return [name for name, why in one.left.items() if not why and name not in others]


def _chosen(
    taken: Candidate,
    found: Sequence[Candidate],
    root: Any,
    *cautions: str,
    asked: bool = False,
) -> Choice:
    others = [
        one
        for one in found
        if one.complete and not (one.state is taken.state and one.used() <= taken.used())
    ]
    averaged = [one for one in others if one.averaged]
    said = list(cautions)
    for one in others:
        key = AVERAGED if averaged == [one] else " / ".join(one.label)
        kind = "averaged weights (EMA)" if one.averaged else "other weights"
        said.append(
            f"also holds {kind} {_where(one)} ({len(one.names)} tensors), not used:"
            f" --weights {_quoted(key)} takes them"
        )
    said += _hidden_averages(root, (taken, *others))
    if asked:
        return Choice(taken, (), (f"weights {_where(taken)}, as asked", *said))
    return Choice(taken, tuple(said))


def _hidden_averages(root: Any, known: Iterable[Candidate]) -> list[str]:
    """Name what may be averaged weights in another form: a list, an object, part of a model."""
    known = list(known)
    read = {id(one.state.values) for one in known}
    said: list[str] = []
    under: list[tuple[str, ...]] = []
    for keys, value in walk(root):
        if not keys or not is_averaged(keys[-1]) or any(map(is_of_optimizer, keys)):
            continue
        if any(keys[: len(above)] == above for above in under):
            continue
        if isinstance(value, Tensor) and any(keys[:-1] == one.state.keys for one in known):
            continue  # among the tensors that are left out, below
        held = [v for _, v in walk(value) if id(v) in read or _is_weight(v)]
        if held and not any(id(v) in read for v in held):
            what = describe(value) if isinstance(value, Unread) else f"{len(held)} tensors"
            said.append(
                f'may hold averaged weights (EMA) under "{_shown(keys)}" ({what}), not used'
            )
        under.append(keys)
    for one in known:
        apart = [name for name, why in one.left.items() if why == "averaged weights"]
        elsewhere = {name for other in known for name in other.used()}
        if rest := [name for name in apart if name not in elsewhere]:
            said.append(
                f"may hold averaged weights (EMA) in {len(rest)} tensors such as "
                f'"{printable(rest[0], 80)}", not used'
            )
    return said


def _is_weight(value: Any) -> bool:
    return isinstance(value, Unread) or (isinstance(value, Tensor) and bool(value.size))


def _where(one: Candidate) -> str:
    return f'under "{_shown(one.label)}"' if one.label else "at the top of the file"


def _shown(keys: Iterable[str]) -> str:
    return printable(" / ".join(keys), 80)


def _quoted(key: str) -> str:
    shown = printable(key, 80)
    return f'"{shown}"' if " " in shown else shown
