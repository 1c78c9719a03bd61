"""The effect of a pair's mapping on its two models: the whole plan and everything wrong with it.

No data moves. Where there is no mapping yet, a draft of one is planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from signbart_port import transfer
from signbart_port.checkpoint import Checkpoint
from signbart_port.errors import PortError
from signbart_port.model_files.local_weights import local_weights
from signbart_port.parity.pair import Pair
from signbart_port.system import atomic_output
from signbart_port.transfer import Code, Direction, Finding, Plan, Shapes
from signbart_port.transfer.losses import losses, sentences
from signbart_port.transfer.sizes import axes_of, instances
from signbart_port.transfer.suggest.live import Draft
from signbart_port.verbs._pair_sides import Sides, loaded_draft, open_sides
from signbart_port.verbs.plan import Use, uses_of

_OF_PAIR = "the pair tells it"
_OF_NAMES = "the numbers in PyTorch's names"
_OF_SHAPES = "the shapes of both models"
_UNTOLD = "told by nothing, 1 assumed"


@dataclass(frozen=True, repr=False)
class PairPlanned:
    """The two models of a pair held against its mapping.

    The plan is complete where there are no `findings`, on PyTorch's side and on Keras'.
    """

    pair: str
    """The pair's file and class, or its name."""
    checkpoint: Checkpoint | None
    """None: PyTorch's names are those of the pair's own model."""
    origin: str
    """Where the config comes from."""
    plan: Plan
    shapes: Shapes
    findings: tuple[Finding, ...]
    sizes: Mapping[str, str]
    """Where each size of the plan comes from."""
    lengths: Mapping[int, Mapping[str, tuple[int, ...]]]
    """The lengths of the axes of every rule, by its line: several where they differ."""
    lost: tuple[str, ...] = ()
    """What lossy rules do not give back, a sentence each."""
    draft: Draft | None = None
    """The draft that was planned, where there is no mapping, or another one was asked for."""

    def __repr__(self) -> str:
        said = f"{len(self.findings)} findings" if self.findings else "complete"
        return f"<PairPlanned {self.pair}: {said}>"

    @property
    def source(self) -> str:
        """What the plan is of: a checkpoint, or a pair alone."""
        return str(self.checkpoint.path) if self.checkpoint else self.pair

    def uses(self) -> Iterator[Use]:
        """Yield every rule, in the order of the mapping, with how many tensors both sides have."""
        there = (
            t
            for t in self.plan.transfers
            if t.torch in self.shapes.torch
            if t.keras in self.shapes.keras
        )
        return uses_of(self.plan, there)

    def left_behind(self) -> Mapping[str, Mapping[str, str]]:
        """Return what the mapping ignores on either side, and why."""
        sides = {"torch": self.plan.ignored_torch, "keras": self.plan.ignored_keras}
        return {
            side: {n: ignored[n] for n in getattr(self.shapes, side) if n in ignored}
            for side, ignored in sides.items()
        }

    @property
    def guesses(self) -> tuple[int, ...]:
        """The lines of rules that nobody has looked at yet: commands that move weights refuse
        them."""
        return tuple(rule.line for rule in self.plan.mapping.rules if rule.guess)


def plan_pair(
    path: str | Path | None,
    pair: str | Pair,
    *,
    config: str | Path | None = None,
    weights: str | None = None,
    draft: bool = False,
) -> PairPlanned:
    """Plan the transfer of a pair's weights, without moving data.

    Both models are built. What is wrong with the plan is in the result.

    Args:
        path: A .pth, .pt or .safetensors checkpoint, or a folder with one. None: the names and
            shapes are those of the pair's PyTorch model.
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.
        config: A YAML or JSON file with the config of the models, for `Pair.read_config`. Default:
            what the checkpoint holds, or a config.json beside it.
        weights: The key that holds the weights of a checkpoint with several.
        draft: Whether to draft a mapping, and to plan with that. It is drafted anyway where the
            pair's mapping is not there.

    Returns:
        The plan, every finding on both sides, and the draft.

    Raises:
        PortError: The input or the pair cannot be used, or its mapping cannot be read.
    """
    checkpoint = None if path is None else local_weights(path)
    sides, mapping = open_sides(pair, checkpoint, config, weights, draft)
    made = None
    if mapping is None:
        made = sides.draft()
        mapping = loaded_draft(made, sides.pair.mapping)
    shapes = Shapes(
        {name: array.shape for name, array in sides.torch.items()},
        {path: kept.shape for path, kept in sides.pair.keras.items()},
    )
    stated = sides.pair.sizes
    told = transfer.sizes_from_shapes(mapping, shapes.torch, shapes.keras)
    layers = {axis.range for axis in mapping.axes.values() if axis.range}
    sizes = dict.fromkeys(layers, 1) | told | dict(stated)
    planned = transfer.plan(mapping, sizes, shapes)
    return PairPlanned(
        pair=sides.pair.name,
        checkpoint=sides.checkpoint,
        origin=sides.pair.origin,
        plan=planned,
        shapes=shapes,
        findings=tuple(_findings(planned, sides, shapes)),
        sizes=(
            dict.fromkeys(layers, _UNTOLD)
            | {name: _OF_NAMES if name in layers else _OF_SHAPES for name in told}
            | dict.fromkeys(stated, _OF_PAIR)
        ),
        lengths=_lengths(planned, shapes),
        lost=tuple(_lost(planned, sides)),
        draft=made,
    )


def check_draft(
    out: str | Path, inputs: Sequence[str | Path | None] = (), *, force: bool = False
) -> None:
    """Refuse, before any work, a file for a draft that could not be written; see there."""
    atomic_output.check_suffix(out, (".yaml", ".yml"), "a mapping")
    atomic_output.check(out, force=force, inputs=[path for path in inputs if path is not None])


def write_pair_draft(
    found: PairPlanned,
    out: str | Path,
    inputs: Sequence[str | Path | None] = (),
    *,
    force: bool = False,
) -> None:
    """Write the draft to a file that is none of the `inputs`; its guesses are marked, and refused
    until a person has taken the marks out.

    Raises PortError where none was made, and where the file cannot be written.
    """
    check_draft(out, inputs, force=force)
    if found.draft is None:
        raise PortError(found.plan.mapping.path, "is there: no draft was made")
    with atomic_output.replacing(out, force=force) as temp:
        temp.write_text(found.draft.text(Path(out).stem), encoding="utf-8")


def _findings(plan: Plan, sides: Sides, shapes: Shapes) -> Iterator[Finding]:
    for finding in transfer.check(plan, Direction.TORCH_TO_KERAS, sides.torch, shapes.keras):
        # Without a checkpoint there are no values that could be wrong.
        if sides.checkpoint is not None or finding.code is not Code.FILL:
            yield finding


def _lost(plan: Plan, sides: Sides) -> Iterator[str]:
    """Yield what lossy rules lose: of a checkpoint the values, else what the way back writes."""
    if sides.checkpoint is not None:
        present = all(t.torch in sides.torch for t in plan.transfers if t.lossy)
        if present:
            yield from sentences(losses(plan, sides.torch))
            return
    for line, writes in {t.line: t.lossy for t in plan.transfers if t.lossy}.items():
        yield f"the way back writes: {writes} ({plan.mapping.at(line)})"


def _lengths(plan: Plan, shapes: Shapes) -> dict[int, dict[str, tuple[int, ...]]]:
    found: dict[int, dict[str, tuple[int, ...]]] = {}
    for instance in instances(plan.mapping, plan.sizes):
        of_rule = found.setdefault(instance.rule.line, {})
        for lengths in axes_of(plan.mapping, instance, plan.sizes, shapes):
            for name, length in lengths.items():
                if length not in of_rule.setdefault(name, ()):
                    of_rule[name] += (length,)
    return found
