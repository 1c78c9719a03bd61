"""PyTorch's run of a SignBART checkpoint."""

from __future__ import annotations

from contextlib import AbstractContextManager

from signbart_port.data.model_inputs import Inputs
from signbart_port.model_files.checkpoint_model import CheckpointModel
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.parity.load_pair import place_of
from signbart_port.parity.reference import TorchRun, running
from signbart_port.parity.workers.torch_run import TorchJob


def torch_run(
    source: CheckpointModel, inputs: Inputs, *, truth: bool, logits_alone: bool = False
) -> AbstractContextManager[TorchRun]:
    """Run PyTorch on clips, with the weights of an opened checkpoint. See `reference.running`."""
    checkpoint, mapping = source.checkpoint, source.plan.mapping
    job = TorchJob(
        weights=checkpoint.location,
        mapping=mapping.path,
        ignored=tuple(source.plan.ignored_torch),
        pair=place_of(SIGNBART),
        config=source.resolved.config.model_dump(exclude={"training"}),
        truth=truth,
        logits_alone=logits_alone,
    )
    return running(checkpoint.path, job, case_of(inputs), lambda: source.digests)
