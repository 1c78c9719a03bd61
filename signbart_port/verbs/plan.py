"""The effect of a mapping on a checkpoint: the whole plan and everything wrong with it. No data
moves, no framework is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.checkpoint import Checkpoint
from signbart_port.checkpoint.adapted import Adapted, explain
from signbart_port.errors import PortError
from signbart_port.model_files import mappings, wanted
from signbart_port.model_files.config_agreement import check_sizes
from signbart_port.model_files.config_resolution import Options, completed
from signbart_port.model_files.config_resolution import find as find_config
from signbart_port.model_files.local_weights import local_weights
from signbart_port.system import atomic_output
from signbart_port.transfer import Direction, Finding, Plan, Transfer, WeightMapping
from signbart_port.transfer.mapping import Rule
from signbart_port.transfer.suggest import draft as drafts
from signbart_port.transfer.suggest.search import Suggestions, suggest
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.model_kind import ModelKind


@dataclass(frozen=True)
class Use:
    """A rule of the mapping, and how many of the tensors that it asks for are there."""

    rule: Rule
    found: int
    of: int


@dataclass(frozen=True, repr=False)
class Planned:
    """A checkpoint held against a mapping.

    The plan is complete where there are no `findings`, on the checkpoint's side and on that of the
    Keras SignBART. Its sizes are the config's if one was given, else the tensors'; for those that
    nothing tells, `unsettled`, it has 1. `contradictions` are the sizes that the tensors tell
    otherwise than the config. `suggestions`, and the same as YAML in `draft`, are there where a
    tensor has no rule.
    """

    checkpoint: Checkpoint
    plan: Plan
    findings: tuple[Finding, ...]
    unsettled: tuple[str, ...] = ()
    contradictions: Mapping[str, int] = field(default_factory=dict)
    suggestions: Suggestions | None = None
    draft: str = ""
    config_notes: tuple[str, ...] = ()
    """Where `convert` would take the config from, or what it would miss."""
    config_error: PortError | None = None
    """Why `convert` would refuse the config that it would take."""
    cautions: tuple[str, ...] = ()
    adapted: Adapted | None = None
    """What the tensors are, where they are parts of weights."""

    def __repr__(self) -> str:
        wrong = len(self.findings) + (self.config_error is not None)
        return f"<Planned {self.checkpoint.path}: {f'{wrong} findings' if wrong else 'complete'}>"

    def uses(self) -> Iterator[Use]:
        """Yield every rule, in the order of the mapping."""
        return uses_of(self.plan, self.transfers())

    def transfers(self) -> tuple[Transfer, ...]:
        """Return the transfers whose tensor is in the checkpoint."""
        return tuple(t for t in self.plan.transfers if t.torch in self.checkpoint.tensors)

    def left_behind(self) -> dict[str, str]:
        """Return the tensors that the mapping ignores, and why."""
        ignored = self.plan.ignored_torch
        return {name: ignored[name] for name in self.checkpoint.tensors if name in ignored}


def uses_of(plan: Plan, there: Iterable[Transfer]) -> Iterator[Use]:
    """Yield every rule of a plan, with how many of its transfers are among those that are
    `there`."""
    of = Counter(t.line for t in plan.transfers)
    found = Counter(t.line for t in there)
    for rule in plan.mapping.rules:
        yield Use(rule, found[rule.line], of[rule.line])


def plan(
    path: str | Path,
    *,
    mapping: str | Path | None = None,
    config: str | None = None,
    options: Options | None = None,
) -> Planned:
    """Plan the transfer of a checkpoint, without moving data.

    What is wrong with the plan is in the result.

    Args:
        path: A .pth, .pt or .safetensors checkpoint, or the address of one on a hub.
        mapping: The names of the checkpoint's tensors: a mapping file, or a mapping that comes with
            this program by its name, such as "hf-bart". Default: SignBART's own names.
        config: A config file, or the name of a published config, for the model's sizes. Default:
            the sizes that the tensors tell.
        options: What else the user says of the model: heads, joints, layout, which are held
            against the config that `convert` would take; and which weights are meant in a file with
            several.

    Returns:
        The plan, every finding, and suggestions for tensors that no rule names.

    Raises:
        PortError: A file cannot be read, or the options contradict the checkpoint's config.
    """
    path = local_weights(path)
    model_kind.check_kind(path, ModelKind.CHECKPOINT)
    rules, own = mappings.find(mapping), mappings.signbart()
    checkpoint = wanted.read(path, rules, options.weights if options else None)
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    derived = transfer.sizes_from_shapes(rules, shapes)
    chosen = options if config is None else replace(options or Options(), config=config)
    notes, cautions, error = _of_config(checkpoint, derived, chosen)
    stated = derived
    if chosen is not None and chosen.config is not None:
        stated = configs.find(chosen.config).sizes()

    planned = transfer.plan(rules, wanted.ONE_EACH | stated)
    suggestions, draft = None, ""
    adapted = None if checkpoint.complete else explain(shapes)
    if (adapted is None or adapted.fused) and not shapes.keys() <= planned.torch_names():
        if mapping is None:  # one of the user's own will have to name every tensor
            suggestions = suggest(own, shapes, stated, mapped=planned.ignored_torch.keys())
            draft = drafts.whole(suggestions, own) if suggestions.lines else ""
        else:
            suggestions = suggest(
                own,
                shapes,
                stated,
                mapped=planned.torch_names(),
                filled={t.keras for t in planned.transfers if t.torch in shapes},
                axes=rules.axes,
            )
            draft = drafts.missing(suggestions, rules)
    sizes = {**(suggestions.sizes if suggestions else {}), **stated}
    planned = transfer.plan(rules, wanted.ONE_EACH | sizes)
    target = {t.keras: t.keras_shape for t in transfer.plan(own, planned.sizes).transfers}
    return Planned(
        checkpoint=checkpoint,
        plan=planned,
        findings=tuple(
            transfer.check(planned, Direction.TORCH_TO_KERAS, checkpoint.tensors, target)
        ),
        unsettled=tuple(name for name in configs.SIZES if name not in sizes),
        contradictions={name: size for name, size in derived.items() if stated.get(name) != size},
        config_notes=notes,
        config_error=error,
        cautions=(*cautions, *checkpoint.cautions),
        suggestions=suggestions,
        draft=draft,
        adapted=adapted,
    )


def write_draft(found: Planned, out: str | Path, *, force: bool = False) -> None:
    """Write the suggested mapping to a file; its guesses are marked, and refused until a person
    has taken the marks out.

    Raises PortError where there is no whole mapping to suggest, and where the file cannot be
    written.
    """
    path = found.checkpoint.path
    atomic_output.check_suffix(out, (".yaml", ".yml"), "a mapping")
    atomic_output.check(out, force=force, inputs=(path,))
    if not found.draft:
        raise PortError(path, "needs no mapping of its own, or none that could be suggested")
    with atomic_output.replacing(out, force=force, inputs=(path,)) as temp:
        temp.write_text(found.draft, encoding="utf-8")


def _of_config(
    checkpoint: Checkpoint, sizes: Mapping[str, int], options: Options | None
) -> tuple[tuple[str, ...], tuple[str, ...], PortError | None]:
    """Return notes on the config, those to be said however quiet the program is, and what is wrong
    with it.

    Raises PortError where options contradict it.
    """
    try:
        found = find_config(checkpoint, sizes, options or Options())
        if found is None:
            return ("none in the checkpoint or beside it",), (), None
        chosen, agreement = found
        notes = (chosen.origin, *chosen.readable.notes, *agreement.notes)
        if checkpoint.complete and options is None:
            config, _ = completed(chosen, sizes, Options())
            check_sizes(checkpoint.path, chosen, config, sizes, accept=False)
        return notes, tuple(agreement.cautions), None
    except PortError as error:
        if options is not None:
            raise
        return (error.what if error.path == checkpoint.path else str(error),), (), error


def unmapped(checkpoint: Checkpoint, mapping: WeightMapping) -> tuple[str, ...]:
    """Return the tensors that no rule uses, as far as the tensors tell the sizes."""
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    sizes = wanted.ONE_EACH | transfer.sizes_from_shapes(mapping, shapes)
    known = transfer.plan(mapping, sizes).torch_names()
    return tuple(name for name in shapes if name not in known)
