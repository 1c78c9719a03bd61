"""The names of weights: the dict of a container that holds them, and the prefixes that trainers
add.

Pure functions on any dict: the values may be tensors of any framework.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from signbart_port.errors import printable
from signbart_port.untrusted.refusal import Refusal

WRAPPERS = frozenset(
    (
        "module",  # DataParallel, DistributedDataParallel, AveragedModel
        "_orig_mod",  # torch.compile
        "_fsdp_wrapped_module",
        "_fpw_module",  # FSDP before PyTorch 2
        "_checkpoint_wrapped_module",
        "_forward_module",  # Lightning Fabric
    )
)
"""The names under which wrappers keep the module that they wrap, wherever they stand in a path."""

_AVERAGED = frozenset(
    ("ema", "swa", "shadow", "averaged", "averaging", "average", "avg", "polyak", "lawa")
)
_OF_TRAINING = frozenset(
    (
        *("metric", "metrics", "acc", "accuracy", "f1", "fbeta", "auroc", "auc", "precision"),
        *("recall", "confmat", "confusion", "kappa", "top1", "top5"),
        *("criterion", "criterions", "loss", "losses"),
    )
)
_OF_OPTIMIZER = frozenset(
    (
        *("optimizer", "optimizers", "optim", "opt", "adam", "sgd", "scheduler"),
        *("grad", "grads", "gradients"),
    )
)
_WORD = re.compile(r"[A-Z]?[a-z]+[0-9]*|[A-Z]+(?![a-z])[0-9]*")


@dataclass(frozen=True)
class NameRules:
    """The mapping file's rules for the names in a checkpoint."""

    unwrap: tuple[str, ...]  # keys that may hold the state dict: at most one present
    strip_prefixes: tuple[str, ...]  # taken off from the left, repeatedly, in any order
    renamed: tuple[tuple[str, str], ...] = ()  # what modules are called in files, and in the model

    def in_model(self, name: str) -> str:
        """Return the model's name of a tensor that a file calls `name`, by the first that fits."""
        for of_file, of_model in self._renamed:
            if found := of_file.match(name):
                return of_model.format(**found.groupdict()) + name[found.end() :]
        return name

    @cached_property
    def _renamed(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_compiled(of_file), of_model) for of_file, of_model in self.renamed]


def unwrap(root: dict[Any, Any], rules: NameRules) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """Return the state dict inside `root`, and the container keys opened to reach it.

    If no candidate key holds a dict, `root` is the state dict itself. Raises Refusal if two
    candidates are present.
    """
    opened: tuple[str, ...] = ()
    while True:
        found = [k for k in rules.unwrap if k not in opened and isinstance(root.get(k), dict)]
        if not found:
            return root, opened
        if len(found) > 1:
            raise ambiguous([(key,) for key in found])
        root, opened = root[found[0]], (*opened, found[0])


def ambiguous(found: Iterable[tuple[str, ...]]) -> Refusal:
    """Return the refusal of a file in which several dicts may be the weights."""
    shown = [f'"{printable(" / ".join(keys), 80)}"' for keys in found]
    return Refusal(
        f"holds more than one candidate for the weights: {' and '.join(shown)}",
        f"Name the one that is meant: --weights {shown[0]}",
    )


def strip(names: Iterable[str], rules: NameRules) -> dict[str, str]:
    """Return {name: name without its prefixes}, in order.

    Raises Refusal (COLLISION) if two names become one.
    """
    return _distinct((name, _without_prefixes(name, rules.strip_prefixes)) for name in names)


def unwrapped(names: Iterable[str], rules: NameRules) -> dict[str, str]:
    """Return {name: name without its prefixes and without the names of wrappers}, in order.

    Raises Refusal (COLLISION) if two names become one.
    """
    return _distinct(
        (
            name,
            ".".join(
                part
                for part in _without_prefixes(name, rules.strip_prefixes).split(".")
                if part not in WRAPPERS
            ),
        )
        for name in names
    )


def within(spelled: Mapping[str, str], prefix: str, rules: NameRules) -> dict[str, str]:
    """Return {name: the model's name}, in order, of those that are spelled with a prefix.

    Raises Refusal (COLLISION) if two names become one.
    """
    return _distinct(
        (name, rules.in_model(short.removeprefix(prefix)))
        for name, short in spelled.items()
        if short.startswith(prefix)
    )


def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile the pattern of a module's path: a placeholder stands for one part of it."""
    parts = re.split(r"\{(\w+)\}", pattern)
    seen: set[str] = set()
    for n in range(1, len(parts), 2):
        name = parts[n]
        parts[n] = f"(?P={name})" if name in seen else f"(?P<{name}>[^.]+)"
        seen.add(name)
    parts[::2] = map(re.escape, parts[::2])
    return re.compile("".join(parts) + r"(?=\.|\Z)")


def _distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    stripped: dict[str, str] = {}
    origin: dict[str, str] = {}
    for name, short in pairs:
        if short in origin:
            first, second = printable(origin[short]), printable(name)
            raise Refusal(
                f'COLLISION: "{first}" and "{second}" both become "{printable(short)}" '
                "without their prefixes",
                "Save one model alone",
            )
        origin[short] = name
        stripped[name] = short
    return stripped


def prefixes(stripped: dict[str, str], rules: NameRules) -> tuple[str, ...]:
    """Return the prefixes that `strip` removed somewhere, in the order of the rules."""
    removed = {name.removesuffix(short) for name, short in stripped.items()}
    return tuple(p for p in rules.strip_prefixes if any(p in part for part in removed))


def common_prefix(names: Iterable[str]) -> str:
    """Return the modules that every name begins with, such as `model.`; "" if there are none."""
    shared: list[str] | None = None
    for name in names:
        parts = name.split(".")[:-1]
        if shared is None:
            shared = parts
        while shared and parts[: len(shared)] != shared:
            shared = shared[:-1]
        if not shared:
            return ""
    return "".join(f"{part}." for part in shared or ())


def is_averaged(key: str) -> bool:
    """Return whether a key or module is named for averaged weights: EMA, SWA and the like."""
    said = _words(key)
    # Adam's `exp_avg` and RMSprop's `square_avg` average gradients.
    return bool(said & _AVERAGED) and not said & {"exp", "sq", "square", "grad", "loss", "meter"}


def is_of_training(name: str) -> bool:
    """Return whether a tensor belongs to a metric or a loss, by the first part of its name."""
    return bool(_words(name.partition(".")[0]) & _OF_TRAINING)


def is_of_optimizer(key: str) -> bool:
    """Return whether a key holds what an optimizer keeps for each weight."""
    return bool(_words(key) & _OF_OPTIMIZER)


def _words(key: str) -> set[str]:
    found = {word.lower() for word in _WORD.findall(key[:200])}
    return found | {word.rstrip("0123456789") for word in found}


def _without_prefixes(name: str, candidates: tuple[str, ...]) -> str:
    start = 0  # an index, not shorter and shorter copies: a name may be all prefixes
    while prefix := next((p for p in candidates if p and name.startswith(p, start)), None):
        start += len(prefix)
    return name[start:]
