"""The PyTorch side of the proof: run a module, and keep every output and input in files."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.pair import Arrays, Pair, Tap, tap_of
from signbart_port.parity.proof import Record
from signbart_port.parity.taps import LOGITS, outputs_of

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
        np.save(self._folder / f"{len(self._taps)}.npy", output)
        self._taps.append(tap)

    def result(self) -> TorchRecord:
        return TorchRecord(tuple(self._taps))


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
        self._modules: dict[str, Any] = {}
        self._noise: dict[str, float] = {}
        self._alone: dict[str, float] = {}
        self._calls: list[TorchCall] = []
        self._files: dict[int, str] = {}
        self._alive: list[Any] = []  # an id is another tensor's once its own is gone

    def run(self, model: Any, inputs: Arrays) -> None:
        import torch

        pair, taps = self._pair, self._counting.taps
        run(pair, model, inputs, taps, self._float32.__setitem__, only=self._only)
        self._modules = dict(model.named_modules())
        double = copy.deepcopy(model).to(torch.float64)
        run(pair, double, inputs, taps, self._logits, self._call, self._only)

    def _logits(self, tap: str, output: Any) -> None:
        if tap == LOGITS:
            self._write(tap, output)

    def _call(self, path: str, call: int, arguments: tuple[Any, ...], output: Any) -> None:
        part = tap_of(self._counting.taps, path).part
        outputs = tensors_of(path, call, output, part)
        for tap, value in outputs.items():
            self._write(tap, value.numpy())
        if not _tensors(arguments):
            return  # what is no tensor cannot be fed to a candidate's module
        rounded = [_float32(argument) for argument in arguments]
        again = tensors_of(path, call, self._modules[path](*rounded), part)
        for tap, value in outputs.items():
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

    def result(self) -> TorchRecord:
        return TorchRecord(tuple(self._taps), self._noise, self._alone, tuple(self._calls))


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
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it calls no modules of a transformer's layer
    try:
        with torch.inference_mode():
            logits = pair.torch_output(pair.call_torch(model, arguments))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
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
