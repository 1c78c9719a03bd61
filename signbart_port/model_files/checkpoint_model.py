"""A checkpoint as a model file: read, its config found, its plan checked. No framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from signbart_port import transfer
from signbart_port.checkpoint import Checkpoint
from signbart_port.checkpoint.adapted import explain
from signbart_port.checkpoint.files import check_whole
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError
from signbart_port.model_files import mappings, wanted
from signbart_port.model_files.config_resolution import Options, Resolved, on_other_names, resolve
from signbart_port.model_files.float_model import FloatModel
from signbart_port.system import digest
from signbart_port.transfer import Code, Direction, Plan, WeightMapping
from signbart_port.transfer.ops import Array
from signbart_port.transfer.plan import Placed
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.untrusted.refusal import naming

_REMEDIES = {
    Code.MISSING: "Save the whole state dict: torch.save(model.state_dict(), path)",
    Code.DTYPE: "Give the float weights, as they were before they were quantized",
    Code.NONFINITE: "Its training has diverged: take an earlier checkpoint",
}


@dataclass(frozen=True)
class CheckpointModel(FloatModel):
    """A checkpoint ready to be transferred: a model file, see `model_file.ModelFile`."""

    checkpoint: Checkpoint
    """The tensors under the names of the file."""
    resolved: Resolved
    """The config, and where it comes from."""
    plan: Plan
    """The place of every tensor, by the mapping that the file was opened with."""

    @property
    def path(self) -> Path:
        return self.checkpoint.path

    @property
    def kind(self) -> ModelKind:
        return ModelKind.CHECKPOINT

    @property
    def format(self) -> str:
        return "PyTorch"

    @property
    def sha256(self) -> str:
        return self.checkpoint.sha256

    @property
    def config(self) -> SignBartConfig:
        return self.resolved.config

    @property
    def torch_tensors(self) -> Mapping[str, Array]:
        return self.checkpoint.tensors

    @cached_property
    def keras_tensors(self) -> Mapping[str, Array]:
        return dict(transfer.apply(self.plan, Direction.TORCH_TO_KERAS, self.torch_tensors))

    @property
    def reference_tensors(self) -> Mapping[str, Array]:
        own = transfer.plan(mappings.signbart(), self.plan.sizes)
        return transfer.renamed(self.plan, own, self.checkpoint.tensors)

    @property
    def config_notes(self) -> tuple[str, ...]:
        return (f"config: {self.resolved.origin}", *self.resolved.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.config_notes, *self.checkpoint.cautions)

    @property
    def cautions(self) -> tuple[str, ...]:
        return (*self.resolved.cautions, *self.checkpoint.cautions)

    @cached_property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of every tensor's float32 values, by its name in the checkpoint."""
        return {name: digest.of_tensor(t) for name, t in self.checkpoint.tensors.items()}

    def placed(self) -> tuple[Placed, ...]:
        """Return the place of every tensor, with its digest."""
        return tuple(
            Placed(
                torch=t.torch,
                keras=t.keras,
                op=t.op.name,
                shape=t.torch_shape,
                rule=self.plan.mapping.at(t.line),
                sha256=self.digests[t.torch],
            )
            for t in self.plan.transfers
        )

    def without_tensors(self) -> CheckpointModel:
        """Return a copy without the weights, which take most of the memory of a conversion."""
        return replace(self, checkpoint=replace(self.checkpoint, tensors={}))


def open_checkpoint(
    path: str | Path,
    options: Options = Options(),
    mapping: WeightMapping | None = None,
    fallback: Resolved | None = None,
) -> CheckpointModel:
    """Read a checkpoint, find its config, and check that every tensor has its place and every place
    its tensor.

    Raises PortError with every finding.
    """
    mapping = mapping or mappings.signbart()
    checkpoint = wanted.read(path, mapping, options.weights)
    path = checkpoint.path
    mapping.check_settled()
    if not checkpoint.complete:
        with naming(path):
            check_whole(path)
        if adapted := explain(checkpoint.tensors):
            raise PortError(path, adapted.what, adapted.remedy)
    resolved = resolve(checkpoint, mapping, options, fallback)
    plan = transfer.plan(mapping, resolved.config.sizes())
    target = {
        t.keras: t.keras_shape for t in transfer.plan(mappings.signbart(), plan.sizes).transfers
    }
    if findings := transfer.check(plan, Direction.TORCH_TO_KERAS, checkpoint.tensors, target):
        codes = {finding.code for finding in findings}
        if {Code.UNMAPPED, Code.UNFILLED} & codes:
            hint = on_other_names(path, mapping, checkpoint)
        else:
            hint = next((remedy for code, remedy in _REMEDIES.items() if code in codes), "")
        raise PortError(path, transfer.summary(findings), hint)
    left_behind = tuple(
        f"left behind: {name} ({why})"
        for name, why in plan.ignored_torch.items()
        if name in checkpoint.tensors
    )
    notes = (*checkpoint.notes, *left_behind)
    return CheckpointModel(replace(checkpoint, notes=notes), resolved, plan)
