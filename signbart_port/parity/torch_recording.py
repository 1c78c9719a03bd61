"""The PyTorch side of the proof: run a module, and keep every output and input in files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.pair import Arrays, Pair, Tap, tap_of
from signbart_port.parity.proof import Record
from signbart_port.parity.taps import LOGITS, outputs_of
from signbart_port.system import messages

Taps = Mapping[str, Tap]


@dataclass(frozen=True)
class TorchCall:
    """A call of a module, see `proof.Call`."""

    path: str
    number: int
    taps: tuple[str, ...]
    files: tuple[str, ...]
    """The files of its inputs, in the folder of the record."""


@dataclass(frozen=True)
class TorchRecord:
    """A run that is kept in a folder: the output of tap `n` in `n.npy`."""

    taps: tuple[str, ...]
    """Every output, in the order of the run."""
    noise: Mapping[str, float] = field(default_factory=dict)
    """The distance of float32 from float64 in the whole run, by tap."""
    alone: Mapping[str, float] = field(default_factory=dict)
    """The same distance for each module alone."""
    calls: tuple[TorchCall, ...] = ()
    """Every call, in the order in which they ended."""


class Outputs:
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
        messages.keep(self._folder / f"{len(self._taps)}.npy", output)
        self._taps.append(tap)

    def result(self) -> TorchRecord:
        return TorchRecord(tuple(self._taps))


@dataclass(frozen=True)
class _Input:
    """An input of modules in float64, and what it is rounded to."""

    argument: Any  # an id is another tensor's once its own is gone
    rounded: Any
    file: str


class Truth(Outputs):
    """The outputs and inputs of the float64 run, kept in files, and how far PyTorch in float32 is
    from it.

    Twice: `noise` of the whole float32 run, and `alone` of each module by itself, fed the float64
    run's inputs rounded to float32. These rounded inputs are those of a candidate's modules.
    """

    def __init__(
        self, folder: Path, pair: Pair, counting: Counting, only: Set[str] | None = None
    ) -> None:
        """Record every module, or `only` those at these paths."""
        super().__init__(folder, pair, counting)
        self._only = only
        self._float32: dict[str, Any] = {}
        self._noise: dict[str, float] = {}
        self._alone: dict[str, float] = {}
        self._calls: dict[TorchCall, tuple[_Input, ...]] = {}
        self._inputs: dict[int, _Input] = {}

    def run(self, model: Any, inputs: Arrays) -> None:
        """Run a model, which is the caller's alone: its weights are cast and cast back."""
        pair, taps = self._pair, self._counting.taps
        run(pair, model, inputs, taps, self._float32.__setitem__, only=self._only)
        with _in_float64(model):
            run(pair, model, inputs, taps, self._logits, self._call, self._only)
        with _at_inference():
            self._run_alone(dict(model.named_modules()))

    def _logits(self, tap: str, output: Any) -> None:
        if tap == LOGITS:
            self._write(tap, output)

    def _call(self, path: str, call: int, arguments: tuple[Any, ...], output: Any) -> None:
        outputs = tensors_of(path, call, output, tap_of(self._counting.taps, path).part)
        for tap, value in outputs.items():
            self._write(tap, value.numpy())
        if not _tensors(arguments):
            return  # what is no tensor cannot be fed to a candidate's module
        inputs = tuple(self._input(argument) for argument in arguments)
        files = tuple(one.file for one in inputs)
        self._calls[TorchCall(path, call, tuple(outputs), files)] = inputs

    def _run_alone(self, modules: Mapping[str, Any]) -> None:
        """Run each module in float32 on the inputs that it had in float64."""
        for call, inputs in self._calls.items():
            # A copy: a module may write to its input, which others have too.
            output = modules[call.path](*(one.rounded.clone() for one in inputs))
            part = tap_of(self._counting.taps, call.path).part
            for tap, value in tensors_of(call.path, call.number, output, part).items():
                float64 = np.load(self._folder / f"{self._taps.index(tap)}.npy", mmap_mode="r")
                self._alone[tap] = self._difference(tap, value.numpy(), float64)

    def _write(self, tap: str, output: Any) -> None:
        self.write(tap, output)
        self._noise[tap] = self._difference(tap, self._float32.pop(tap), output)

    def _difference(self, tap: str, float32: Any, float64: Any) -> float:
        return largest_difference(tap, float32, float64, self._counting)

    def _input(self, argument: Any) -> _Input:
        """Keep an input; one that several modules share is written once."""
        if id(argument) not in self._inputs:
            kept = _Input(argument, _float32(argument), f"input{len(self._inputs)}.npy")
            messages.keep(self._folder / kept.file, kept.rounded.numpy())
            self._inputs[id(argument)] = kept
        return self._inputs[id(argument)]

    def result(self) -> TorchRecord:
        return TorchRecord(tuple(self._taps), self._noise, self._alone, tuple(self._calls))


@contextmanager
def _in_float64(model: Any) -> Iterator[None]:
    """Cast the weights of a module in place and back, each by itself: there are never two of all.

    What was float32 comes back as it was.
    """
    import torch

    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
    before = [tensor.dtype for tensor in tensors]
    for tensor in tensors:
        tensor.data = tensor.data.to(torch.float64)
    yield
    for tensor, dtype in zip(tensors, before, strict=True):
        tensor.data = tensor.data.to(dtype)


@contextmanager
def _at_inference() -> Iterator[None]:
    """Compute no gradients, and call every module of a transformer's layer."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it calls no modules of a transformer's layer
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def run(
    pair: Pair,
    model: Any,
    inputs: Arrays,
    taps: Taps,
    record: Record,
    called: Callable[[str, int, tuple[Any, ...], Any], None] | None = None,
    only: Set[str] | None = None,
) -> None:
    """Run `model` in the precision of its weights and `record` every module's output by path, or
    `only` that of some.

    The logits come last. Inputs of a float type are cast to that precision. `called` is told of
    every module's call instead: path, number of the call, arguments, output.
    """
    import torch

    calls: Counter[str] = Counter()

    def hook(path: str) -> Any:
        part = tap_of(taps, path).part

        def after(module: Any, arguments: Any, named: Any, output: Any) -> None:
            calls[path] += 1
            if called is not None:
                # What is given by name is not fed to a candidate's module: its names are others.
                called(path, calls[path], (*arguments, named) if named else arguments, output)
                return
            for tap, value in tensors_of(path, calls[path], output, part).items():
                record(tap, value.numpy())

        return after

    # A list of layers is never called, and so never recorded.
    hooks = [
        module.register_forward_hook(hook(path), with_kwargs=True)
        for path, module in model.named_modules()
        if path and (only is None or path in only)
    ]
    dtype = next(model.parameters()).dtype
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    arguments = {n: t.to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}
    try:
        with _at_inference():
            logits = pair.torch_output(pair.call_torch(model, arguments))
    finally:
        for handle in hooks:
            handle.remove()
    record(LOGITS, logits.numpy())


def tensors_of(path: str, call: int, output: Any, part: int | None) -> dict[str, Any]:
    """Return the outputs of a call that are tensors, by tap."""
    outputs = outputs_of(path, call, output, part)
    return {tap: value for tap, value in outputs.items() if _tensors((value,))}


def _tensors(values: tuple[Any, ...]) -> bool:
    import torch

    return all(isinstance(value, torch.Tensor) for value in values)


def _float32(tensor: Any) -> Any:
    """Round a tensor to float32, with what is finite kept finite: a mask's most negative float64
    becomes the most negative float32, as PyTorch would have used."""
    import torch

    if tensor.dtype != torch.float64:
        return tensor
    most = torch.finfo(torch.float32).max
    return torch.where(tensor.isfinite(), tensor.clamp(-most, most), tensor).to(torch.float32)
