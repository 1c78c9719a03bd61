"""The dicts in a file that may be the weights, and how each is held against what is wanted.

What a model wants is asked through `Wanted`: nothing here knows a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from signbart_port.checkpoint.names import (
    WRAPPERS,
    NameRules,
    is_averaged,
    is_of_optimizer,
    is_of_training,
    prefixes,
    strip,
    unwrapped,
    within,
)
from signbart_port.untrusted.pickle_globals import Other, Unread, describe
from signbart_port.untrusted.refusal import Refusal
from signbart_port.untrusted.tensors import Tensor

Shape = tuple[int, ...]
_MOST_NODES = 200_000  # of the nested data: a few tenths of a second
_DEEPEST = 8
_MOST_DICTS = 40
_MOST_PREFIXES = 12
LONGEST_NAME = 500  # the longest of SignBART takes 52 characters
_LONGEST_PATH = 40  # parts of a name that may be a prefix together
_MASK, _MASKED = "_mask", "_orig"
COUNTERS = {
    "n_averaged": "a counter of torch.optim.swa_utils.AveragedModel",
    "num_updates": "a counter of averaged weights",
    "initted": "a flag of averaged weights",
    "step": "a counter of the training",
    "decay": "the decay of averaged weights",
}


class Held(NamedTuple):
    """What is wanted, compared with tensors."""

    known: frozenset[str]  # the tensors that have a place, or are left behind with a reason
    missing: int  # how many tensors that are wanted are not there


NOTHING = Held(frozenset(), 0)
"""What is held where nothing is wanted."""


class Wanted(Protocol):
    """What a model wants of a state dict, by names and shapes alone."""

    def held(self, shapes: Mapping[str, Shape]) -> Held: ...


@dataclass(frozen=True)
class StateDict:
    """A dict with tensors in it, and the keys or positions that lead to it."""

    keys: tuple[str, ...]
    values: dict[str, Any]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors among the values, by name."""
        return {
            name: value
            for name, value in self.values.items()
            if type(name) is str and isinstance(value, Tensor)
        }


@dataclass(frozen=True)
class Candidate:
    """A way to read the weights out of a state dict."""

    state: StateDict
    names: dict[str, str]
    """The name in the state dict, by that of the weight."""
    masks: dict[str, str] = field(default_factory=dict)
    """The mask's name in the state dict, by the name of the pruned weight."""
    stripped: tuple[str, ...] = ()
    """The prefixes that were stripped."""
    wrappers: tuple[str, ...] = ()
    """The wrappers whose names were stripped inside of names."""
    prefix: str = ""
    """The one prefix that no rule names."""
    held: Held = NOTHING
    left: dict[str, str] = field(default_factory=dict)
    """What is left out, with the reason; "" where nothing explains it."""
    spelled: dict[str, str] = field(default_factory=dict)
    """The stripped names of what is left out, by the name in the state dict."""
    unsettled: bool = False
    """Whether tensors of no known place are among the names."""

    @property
    def complete(self) -> bool:
        """Whether everything is there that is wanted, and nothing else among the names."""
        return bool(self.held.known) and not self.held.missing and not self.unsettled

    @property
    def averaged(self) -> bool:
        return any(map(is_averaged, (*self.state.keys, *self.prefix.split("."))))

    @property
    def label(self) -> tuple[str, ...]:
        """The keys and the prefix, for messages and for `--weights`."""
        return (*self.state.keys, *([self.prefix.rstrip(".")] if self.prefix else []))

    def whole(self) -> Candidate:
        """Return the same with every tensor of the dict, those of no known place by their own
        names: what is to be refused, with all that is wrong."""
        names = {stored: name for name, stored in self.names.items()}
        for name, value in self.state.values.items():
            if isinstance(value, Tensor) and name not in self.masks.values():
                names.setdefault(name, self.spelled.get(name, name))
        renamed = {name: stored for stored, name in names.items()}
        return replace(self, names=renamed, left={}, unsettled=len(names) > len(self.names))

    def used(self) -> frozenset[str]:
        return frozenset(self.names.values())


def state_dicts(root: Any) -> list[StateDict]:
    """Return the dicts of tensors by name, in order, without those that an optimizer keeps."""
    found: list[StateDict] = []
    for keys, value in walk(root):
        if len(found) == _MOST_DICTS:
            break
        if type(value) is not dict or any(map(is_of_optimizer, keys)):
            continue
        if any(isinstance(item, Tensor) for item in value.values()) and all(
            type(key) is str for key in value
        ):
            found.append(StateDict(keys, value))
    return found


def walk(root: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield nested data with the keys that lead to it, the nearest first, each object once.

    Without recursion, and bounded: shared or cyclic parts can make it endless.
    """
    level: list[tuple[tuple[str, ...], Any]] = [((), root)]
    seen: set[int] = set()
    visited = 0
    while level:
        following: list[tuple[tuple[str, ...], Any]] = []
        for keys, value in level:
            if id(value) in seen:
                continue
            yield keys, value
            if type(value) not in (dict, list, tuple) or len(keys) == _DEEPEST:
                continue
            seen.add(id(value))
            items = value.items() if type(value) is dict else enumerate(value)
            for key, item in items:
                visited += 1
                if visited > _MOST_NODES:
                    return
                if type(key) is str or (type(key) is int and type(value) is not dict):
                    following.append(((*keys, str(key)), item))
        level = following


def candidates(state: StateDict, rules: NameRules, wanted: Wanted) -> list[Candidate]:
    """Return the ways in which a state dict holds all that is wanted, or the nearest to it."""
    if any(len(name) > LONGEST_NAME for name in state.values):
        return []
    masks = _masks(state.tensors)
    weights = list(_weights(state.tensors, masks))
    found: list[Candidate] = []
    nearest: Candidate | None = None
    for spell in (strip, unwrapped):
        try:
            spelled = spell(weights, rules)
        except Refusal:  # a collision: the names mean something else
            continue
        for prefix in ("", *_prefixes(spelled.values())):
            one = _candidate(state, masks, spelled, prefix, rules, wanted)
            if one is None or any(one.used() == other.used() for other in found):
                continue
            if one.complete:
                found.append(one)
            elif len(one.held.known) > (len(nearest.held.known) if nearest else 0):
                nearest = one
    return found or ([nearest] if nearest else [])


def spelled_by_rules(state: StateDict, rules: NameRules) -> Candidate:
    """Return the weights of a state dict as the mapping's rules alone name them."""
    spelled = strip(state.tensors, rules)
    names = {short: name for name, short in within(spelled, "", rules).items()}
    return Candidate(state, names, stripped=prefixes(spelled, rules))


def _candidate(
    state: StateDict,
    masks: Mapping[str, str],
    spelled: Mapping[str, str],
    prefix: str,
    rules: NameRules,
    wanted: Wanted,
) -> Candidate | None:
    tensors = state.tensors
    called = within(spelled, prefix, rules)
    names = {short: _stored(name, masks) for name, short in called.items()}
    held = wanted.held({name: tensors[stored].size for name, stored in names.items()})
    if not held.known:
        return None
    known = {name: stored for name, stored in names.items() if name in held.known}
    unknown = {stored: name for name, stored in names.items() if name not in held.known}
    pruned = {
        short: masks[name] for name, short in called.items() if name in masks and short in known
    }
    taken = {*known.values(), *pruned.values()}
    left = {
        name: _why_left(unknown.get(name, name), value)
        for name, value in state.values.items()
        if name not in taken
    }
    by_rules = strip(called, rules)
    wrappers = {
        part
        for name, short in by_rules.items()
        for part in short.split(".")
        if part in WRAPPERS and part not in spelled[name].split(".")
    }
    stripped = (*([prefix] if prefix else []), *prefixes(by_rules, rules))
    return Candidate(
        state, known, pruned, stripped, tuple(sorted(wrappers)), prefix, held, left, unknown
    )


def _why_left(name: str, value: Any) -> str:
    if isinstance(value, Other | Unread):
        return ""
    if not isinstance(value, Tensor):
        return f"{describe(value)}, not a tensor"
    if is_of_training(name):
        return "a metric or loss of the training"
    if (reason := COUNTERS.get(name.rpartition(".")[2])) is not None:
        return reason
    first = name.partition(".")[0]
    return "averaged weights" if is_averaged(first) else ""


def _masks(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the mask of each pruned weight: torch.nn.utils.prune keeps `weight_orig` and
    `weight_mask`, and computes with their product."""
    found = {}
    for name, tensor in tensors.items():
        pruned = name.removesuffix(_MASKED)
        mask = tensors.get(f"{pruned}{_MASK}")
        if pruned != name and pruned not in tensors and mask and mask.size == tensor.size:
            found[pruned] = f"{pruned}{_MASK}"
    return found


def _weights(tensors: Mapping[str, Tensor], masks: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of the weights, with pruned ones by their own name."""
    hidden = set(masks.values())
    for name in tensors:
        pruned = name.removesuffix(_MASKED)
        if pruned != name and pruned in masks:
            yield pruned
        elif name not in hidden:
            yield name


def _stored(name: str, masks: Mapping[str, str]) -> str:
    return f"{name}{_MASKED}" if name in masks else name


def _prefixes(names: Any) -> list[str]:
    """Return the modules that several names begin with, the most frequent first."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".", _LONGEST_PATH)[:-1]
        at = 0
        for part in parts:
            at += len(part) + 1
            counts[name[:at]] += 1
    several = [(prefix, count) for prefix, count in counts.items() if count > 1]
    several.sort(key=lambda pair: (-pair[1], len(pair[0])))
    return [prefix for prefix, _ in several[:_MOST_PREFIXES]]
