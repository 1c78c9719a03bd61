"""The PyTorch side of the proof, in a process of its own.

Reads the checkpoint with PyTorch's own loader, independently of `signbart_port.checkpoint`, runs
the pair's PyTorch model and leaves every module's inputs and outputs in its folder (see
`reference.TorchRun`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.checkpoint.loaded import Location
from signbart_port.parity.counting import Counting
from signbart_port.parity.load_pair import import_pair
from signbart_port.parity.pair import Arrays, Case, Pair, layouts_of, mapping_path
from signbart_port.parity.torch_recording import Outputs, TorchRecord, Truth
from signbart_port.parity.workers import torch_weights
from signbart_port.system import digest, packages, serving

MEMORY = 6 * 2**30
"""Address space that importing PyTorch may take, in bytes."""
_TORCH, _COUNTED = "torch.", "counted."


@dataclass(frozen=True)
class TorchJob:
    """The job of PyTorch: to run the model of a pair with the weights of a checkpoint."""

    weights: Location
    """Where the weights lie, and their names."""
    mapping: Path
    """The mapping that knows these names, where they are not the model's own."""
    ignored: tuple[str, ...]
    """The tensors that the model does not have."""
    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    """The model's config as plain values, for `Pair.read_config`: what the user states."""
    truth: bool
    """Whether it is the reference: then it runs in float64 as well, and module by module."""
    logits_alone: bool = False
    """Whether the logits are all that is kept, of a run in float32."""
    stored: Mapping[str, Any] = field(default_factory=dict)
    """The config that the checkpoint holds, as plain values."""
    only: tuple[str, ...] | None = None
    """The modules that are recorded; None: every one. Of these, outputs have the layouts of
    `by_rules.layouts_of`."""


@dataclass(frozen=True)
class TorchResult:
    """The result of a run: PyTorch's reading, and the record in the worker's folder."""

    digests: Mapping[str, str]
    """The digest of each tensor as PyTorch reads it, by name."""
    torch: str
    """The version of PyTorch."""
    read_itself: bool
    """Whether PyTorch has read the file itself, and not what this program has rewritten."""
    record: TorchRecord
    libraries: Mapping[str, str] = field(default_factory=dict)
    """The versions of the libraries that the model comes from, by name."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of what took part, by name."""
        return {"torch": self.torch, **self.libraries}


def arrays_of(case: Case) -> dict[str, NDArray[Any]]:
    """Return a case as the arrays beside the job."""
    return {f"{_TORCH}{name}": array for name, array in case.torch.items()} | {
        f"{_COUNTED}{name}": array for name, array in case.counted.items()
    }


def _case(arrays: Arrays) -> Case:
    torch, counted = (
        {name.removeprefix(kind): arrays[name] for name in arrays if name.startswith(kind)}
        for kind in (_TORCH, _COUNTED)
    )
    return Case("", torch, {}, counted)


def _run(job: TorchJob, arrays: Arrays) -> tuple[TorchResult, Arrays]:
    import torch

    torch.set_num_threads(1)  # the other core imports TensorFlow; two threads would wait for it
    folder = Path(tempfile.gettempdir())  # the worker's own, which its caller reads
    pair = import_pair(job.pair)
    config = pair.read_config(job.config, job.stored)
    model, digests, read_itself = _load(pair, config, job)
    case = _case(arrays)
    layouts = pair.taps(config) if job.only is None else layouts_of(pair, config)
    counting = Counting(layouts, case.counted)
    record = (
        Truth(folder, pair, counting, None if job.only is None else set(job.only))
        if job.truth
        else Outputs(folder, pair, counting, job.logits_alone)
    )
    record.run(model, case.torch)
    version, libraries = str(torch.__version__), packages.versions_of_models()
    return TorchResult(digests, version, read_itself, record.result(), libraries), {}


def _load(pair: Pair, config: Any, job: TorchJob) -> tuple[Any, dict[str, str], bool]:
    """Return the model, the digest of each tensor as PyTorch reads it, and whether it has read the
    file itself."""
    import torch

    found, read_itself = torch_weights.read(job.weights)
    state = {name: value for name, value in found.items() if name not in job.ignored}
    digests = {name: digest.of_tensor(value.numpy()) for name, value in state.items()}
    model = pair.torch_model(config).eval()
    if job.only is not None:
        own = model.state_dict().keys()
        _load_all(model, state | {name: found[name] for name in found.keys() & own})
        return model, digests, read_itself
    del found
    # Other names than the model's can only be understood by the mapping. Its own are taken as
    # they are: then the reference knows nothing of the mapping, and shows where it is wrong.
    if not state.keys() >= model.state_dict().keys():
        state = _renamed(state, job.mapping, pair, config)
    model.load_state_dict(state, strict=True)
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if value.is_floating_point() and value.dtype != torch.float32:
            raise ValueError(f"{name} is {value.dtype} in the model, not float32")
    return model, digests, read_itself


def _load_all(model: Any, state: dict[str, Any]) -> None:
    """Load every tensor. A name may be absent where another one of the same parameter is there."""
    lacking = model.load_state_dict(state, strict=False)
    if lacking.unexpected_keys:
        raise ValueError(f"the model has no {lacking.unexpected_keys[0]}")
    own = model.state_dict(keep_vars=True)
    loaded = {own[name].data_ptr() for name in state}
    for name in lacking.missing_keys:
        if own[name].data_ptr() not in loaded:
            raise ValueError(f"the checkpoint has no {name}")


def _renamed(state: dict[str, Any], mapping: Path, pair: Pair, config: Any) -> dict[str, Any]:
    import torch

    sizes = pair.sizes(config)
    if sizes is None:
        raise ValueError("the names are not the model's, and the pair tells no sizes")
    fork, own = (
        transfer.plan(transfer.load(path), sizes) for path in (mapping, mapping_path(pair))
    )
    arrays = transfer.renamed(fork, own, {name: value.numpy() for name, value in state.items()})
    return {n: torch.from_numpy(np.ascontiguousarray(array)) for n, array in arrays.items()}


if __name__ == "__main__":
    serving.serve(TorchJob, _run, framework="torch", memory=MEMORY)
