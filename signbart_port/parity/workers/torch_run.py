"""The PyTorch side of the proof, in a process of its own.

Reads the checkpoint with PyTorch's own loader, independently of `signbart_port.checkpoint`, runs
the pair's PyTorch model and leaves every module's inputs and outputs in its folder (see
`reference.TorchRun`).
"""

from __future__ import annotations

import copy
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.checkpoint.loaded import Location
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.pair import Arrays, Case, Pair, Tap, import_pair, mapping_path, tap_of
from signbart_port.parity.proof import Record
from signbart_port.parity.taps import LOGITS, outputs_of
from signbart_port.parity.workers import torch_weights
from signbart_port.system import digest, serving

MEMORY = 6 * 2**30
"""Address space that importing PyTorch may take, in bytes."""
_TORCH, _COUNTED = "torch.", "counted."
Taps = Mapping[str, Tap]


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
    """The place that the pair is imported from, see `pair.place_of`."""
    config: Mapping[str, Any]
    """The model's config as plain values, for `Pair.read_config`."""
    truth: bool
    """Whether it is the reference: then it runs in float64 as well, and module by module."""
    logits_alone: bool = False
    """Whether the logits are all that is kept, of a run in float32."""


@dataclass(frozen=True)
class TorchCall:
    """A call of a module, see `proof.Call`."""

    path: str
    number: int
    taps: tuple[str, ...]
    files: tuple[str, ...]
    """The files of its inputs, in the worker's folder."""


@dataclass(frozen=True)
class TorchResult:
    """The result of a run, in the worker's folder: the output of tap `n` in `n.npy`."""

    digests: Mapping[str, str]
    """The digest of each tensor as PyTorch reads it, by name."""
    torch: str
    """The version of PyTorch."""
    read_itself: bool
    """Whether PyTorch has read the file itself, and not what this program has rewritten."""
    taps: tuple[str, ...]
    """Every output, in the order of the run."""
    noise: Mapping[str, float] = field(default_factory=dict)
    """The distance of float32 from float64 in the whole run, by tap."""
    alone: Mapping[str, float] = field(default_factory=dict)
    """The same distance for each module alone."""
    calls: tuple[TorchCall, ...] = ()
    """Every call, in the order in which they ended."""


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
    config = pair.read_config(job.config, {})
    model, digests, read_itself = _load(pair, config, job)
    case = _case(arrays)
    counting = Counting.of(pair, config, case)
    record = (
        _Truth(folder, pair, counting)
        if job.truth
        else _Outputs(folder, pair, counting, job.logits_alone)
    )
    record.run(model, case.torch)
    return TorchResult(digests, str(torch.__version__), read_itself, **record.result()), {}


def _load(pair: Pair, config: Any, job: TorchJob) -> tuple[Any, dict[str, str], bool]:
    """Return the model, the digest of each tensor as PyTorch reads it, and whether it has read the
    file itself."""
    import torch

    found, read_itself = torch_weights.read(job.weights)
    state = {name: value for name, value in found.items() if name not in job.ignored}
    del found
    digests = {name: digest.of_tensor(value.numpy()) for name, value in state.items()}
    model = pair.torch_model(config).eval()
    # Other names than the model's can only be understood by the mapping. Its own are taken as
    # they are: then the reference knows nothing of the mapping, and shows where it is wrong.
    if not state.keys() >= model.state_dict().keys():
        state = _renamed(state, job.mapping, pair, config)
    model.load_state_dict(state, strict=True)
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if value.is_floating_point() and value.dtype != torch.float32:
            raise ValueError(f"{name} is {value.dtype} in the model, not float32")
    return model, digests, read_itself


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


class _Outputs:
    """The outputs of the float32 run, kept in a file per tap: of every module, or the
    `logits_alone`."""

    def __init__(
        self, folder: Path, pair: Pair, counting: Counting, logits_alone: bool = False
    ) -> None:
        self._folder, self._pair, self._counting = folder, pair, counting
        self._taps: list[str] = []
        self._logits_alone = logits_alone

    def run(self, model: Any, inputs: Arrays) -> None:
        run(self._pair, model, inputs, self._counting.taps, self.write)

    def write(self, tap: str, output: Any) -> None:
        if self._logits_alone and tap != LOGITS:
            return
        np.save(self._folder / f"{len(self._taps)}.npy", output)
        self._taps.append(tap)

    def result(self) -> dict[str, Any]:
        return {"taps": tuple(self._taps)}


class _Truth(_Outputs):
    """The outputs and inputs of the float64 run, kept in files, and how far PyTorch in float32 is
    from it.

    Twice: `noise` of the whole float32 run, and `alone` of each module by itself, fed the float64
    run's inputs rounded to float32. These rounded inputs are those of a candidate's modules.
    """

    def __init__(self, folder: Path, pair: Pair, counting: Counting) -> None:
        super().__init__(folder, pair, counting)
        self._float32: dict[str, Any] = {}
        self._modules: dict[str, Any] = {}
        self._noise: dict[str, float] = {}
        self._alone: dict[str, float] = {}
        self._calls: list[TorchCall] = []
        self._files: dict[int, str] = {}
        self._alive: list[Any] = []  # an id is another tensor's once its own is gone

    def run(self, model: Any, inputs: Arrays) -> None:
        import torch

        pair, taps = self._pair, self._counting.taps
        run(pair, model, inputs, taps, self._float32.__setitem__)
        self._modules = dict(model.named_modules())
        double = copy.deepcopy(model).to(torch.float64)
        run(pair, double, inputs, taps, self._logits, self._call)

    def _logits(self, tap: str, output: Any) -> None:
        if tap == LOGITS:
            self._write(tap, output)

    def _call(self, path: str, call: int, arguments: tuple[Any, ...], output: Any) -> None:
        rounded = [_float32(argument) for argument in arguments]
        part = tap_of(self._counting.taps, path).part
        again = outputs_of(path, call, self._modules[path](*rounded), part)
        outputs = outputs_of(path, call, output, part)
        for tap, value in outputs.items():
            self._write(tap, value.numpy())
            self._alone[tap] = self._difference(tap, again[tap].numpy(), value.numpy())
        files = tuple(self._file(a, f) for a, f in zip(arguments, rounded, strict=True))
        self._calls.append(TorchCall(path, call, tuple(outputs), files))

    def _write(self, tap: str, output: Any) -> None:
        self.write(tap, output)
        self._noise[tap] = self._difference(tap, self._float32.pop(tap), output)

    def _difference(self, tap: str, float32: Any, float64: Any) -> float:
        return largest_difference(tap, float32, float64, self._counting)

    def _file(self, argument: Any, rounded: Any) -> str:
        """Return the file of an input; one that several modules share is written once."""
        if id(argument) not in self._files:
            name = f"input{len(self._files)}.npy"
            np.save(self._folder / name, rounded.numpy())
            self._files[id(argument)] = name
            self._alive.append(argument)
        return self._files[id(argument)]

    def result(self) -> dict[str, Any]:
        return super().result() | {
            "noise": self._noise,
            "alone": self._alone,
            "calls": tuple(self._calls),
        }


def run(
    pair: Pair,
    model: Any,
    inputs: Arrays,
    taps: Taps,
    record: Record,
    called: Callable[[str, int, tuple[Any, ...], Any], None] | None = None,
) -> None:
    """Run `model` in the precision of its weights and `record` every module's output by path.

    The logits come last. Inputs of a float type are cast to that precision. `called` is told of
    every module's call instead: path, number of the call, arguments, output.
    """
    import torch

    calls: Counter[str] = Counter()

    def hook(path: str) -> Any:
        part = tap_of(taps, path).part

        def after(module: Any, arguments: Any, output: Any) -> None:
            calls[path] += 1
            if called is not None:
                called(path, calls[path], arguments, output)
                return
            for tap, value in outputs_of(path, calls[path], output, part).items():
                record(tap, value.numpy())

        return after

    # A list of layers is never called, and so never recorded.
    hooks = [m.register_forward_hook(hook(path)) for path, m in model.named_modules() if path]
    dtype = next(model.parameters()).dtype
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    arguments = {n: t.to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}
    with torch.inference_mode():
        logits = pair.torch_output(pair.call_torch(model, arguments))
    record(LOGITS, logits.numpy())
    for handle in hooks:
        handle.remove()


def _float32(tensor: Any) -> Any:
    """Round a tensor to float32, with what is finite kept finite: a mask's most negative float64
    becomes the most negative float32, as PyTorch would have used."""
    import torch

    if tensor.dtype != torch.float64:
        return tensor
    most = torch.finfo(torch.float32).max
    return torch.where(tensor.isfinite(), tensor.clamp(-most, most), tensor).to(torch.float32)


if __name__ == "__main__":
    serving.serve(TorchJob, _run, framework="torch", memory=MEMORY)
