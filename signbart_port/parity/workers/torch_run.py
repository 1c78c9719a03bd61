"""The PyTorch side of the proof, in a process of its own.

Reads the checkpoint with PyTorch's own loader, independently of `signbart_port.checkpoint`, runs
`pt_reference` and leaves every module's inputs and outputs in the folder JOB (see
`reference.TorchRun`).
"""

from __future__ import annotations

import copy
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from signbart_port.checkpoint.names import NameRules, strip, unwrap
from signbart_port.config import SignBartConfig
from signbart_port.data.model_inputs import Inputs, load_inputs
from signbart_port.errors import printable
from signbart_port.parity.compare import LOGITS, largest_difference, outputs_of
from signbart_port.parity.proof import Record
from signbart_port.system import digest, processes

if TYPE_CHECKING:
    from pt_reference import SignBart


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    processes.limit_memory(job["memory"])

    import torch

    torch.set_num_threads(1)  # the other core imports TensorFlow; two threads would wait for it
    model, digests = _load(job)
    inputs = load_inputs(folder)
    record = _Truth(folder, inputs) if job["truth"] else _Outputs(folder, job["logits_alone"])
    record.run(model, inputs)
    result = record.result() | {"digests": digests, "torch": torch.__version__}
    (folder / "result.json").write_text(json.dumps(result))


def _load(job: dict[str, Any]) -> tuple[SignBart, dict[str, str]]:
    """The model, and the digest of each tensor as PyTorch reads it."""
    import torch

    from pt_reference import SignBart

    path = Path(job["checkpoint"])
    if job["container"] == "safetensors":
        from safetensors.torch import load

        loaded: Any = load(path.read_bytes())
    else:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    rules = NameRules(tuple(job["unwrap"]), tuple(job["strip_prefixes"]))
    found = unwrap(loaded, rules)[0]
    names = strip(found, rules)
    state = {
        names[name]: value.detach().to(torch.float32)
        for name, value in found.items()
        if names[name] not in job["ignored"]
    }
    del loaded, found
    digests = {name: digest.of_tensor(value.numpy()) for name, value in state.items()}
    model = SignBart(SignBartConfig(**job["config"])).eval()
    # Other names than the reference's can only be understood by the mapping. Its own are taken as
    # they are: then the reference knows nothing of the mapping, and shows where it is wrong.
    if not state.keys() >= model.state_dict().keys():
        state = _renamed(state, job["mapping"], model.config)
    model.load_state_dict(state, strict=True)
    return model, digests


def _renamed(state: dict[str, Any], mapping: str, config: SignBartConfig) -> dict[str, Any]:
    import torch

    from signbart_port import transfer
    from signbart_port.model_files import mappings

    fork, own = (
        transfer.plan(m, config.sizes()) for m in (transfer.load(mapping), mappings.signbart())
    )
    arrays = transfer.renamed(fork, own, {name: value.numpy() for name, value in state.items()})
    return {n: torch.from_numpy(np.ascontiguousarray(array)) for n, array in arrays.items()}


class _Outputs:
    """Keeps the float32 run's outputs, a file a tap: of every module, or the `logits_alone`."""

    def __init__(self, folder: Path, logits_alone: bool = False) -> None:
        self._folder, self._taps = folder, list[str]()
        self._logits_alone = logits_alone

    def run(self, model: SignBart, inputs: Inputs) -> None:
        run(model, inputs, self.write)

    def write(self, tap: str, output: Any) -> None:
        if self._logits_alone and tap != LOGITS:
            return
        np.save(self._folder / f"{len(self._taps)}.npy", output)
        self._taps.append(tap)

    def result(self) -> dict[str, Any]:
        return {"taps": self._taps, "noise": {}, "alone": {}, "calls": []}


class _Truth(_Outputs):
    """Keeps the float64 run's outputs and inputs, and how far PyTorch in float32 is from it.

    Twice: `noise` of the whole float32 run, and `alone` of each module by itself, fed the float64
    run's inputs rounded to float32. These rounded inputs are what a candidate's modules are fed.
    """

    def __init__(self, folder: Path, inputs: Inputs) -> None:
        super().__init__(folder)
        self._frames = inputs.classified
        self._float32: dict[str, Any] = {}
        self._modules: dict[str, Any] = {}
        self._noise: dict[str, float] = {}
        self._alone: dict[str, float] = {}
        self._calls: list[dict[str, Any]] = []
        self._files: dict[int, str] = {}
        self._alive: list[Any] = []  # an id is another tensor's once its own is gone

    def run(self, model: SignBart, inputs: Inputs) -> None:
        import torch

        run(model, inputs, self._float32.__setitem__)
        self._modules = dict(model.named_modules())
        run(copy.deepcopy(model).to(torch.float64), inputs, self._logits, self._call)

    def _logits(self, tap: str, output: Any) -> None:
        if tap == LOGITS:
            self._write(tap, output)

    def _call(self, path: str, call: int, arguments: tuple[Any, ...], output: Any) -> None:
        fed = [_float32(argument) for argument in arguments]
        again = outputs_of(path, call, self._modules[path](*fed))
        outputs = outputs_of(path, call, output)
        for tap, value in outputs.items():
            self._write(tap, value.numpy())
            self._alone[tap] = largest_difference(again[tap].numpy(), value.numpy(), self._frames)
        files = [self._file(a, f) for a, f in zip(arguments, fed, strict=True)]
        taps = list(outputs)
        self._calls.append({"path": path, "number": call, "taps": taps, "files": files})

    def _write(self, tap: str, output: Any) -> None:
        self.write(tap, output)
        self._noise[tap] = largest_difference(self._float32.pop(tap), output, self._frames)

    def _file(self, argument: Any, fed: Any) -> str:
        """The file of an input; one that several modules share is written once."""
        if id(argument) not in self._files:
            name = f"input{len(self._files)}.npy"
            np.save(self._folder / name, fed.numpy())
            self._files[id(argument)] = name
            self._alive.append(argument)
        return self._files[id(argument)]

    def result(self) -> dict[str, Any]:
        return {
            "taps": self._taps,
            "noise": self._noise,
            "alone": self._alone,
            "calls": self._calls,
        }


def run(
    model: SignBart,
    inputs: Inputs,
    record: Record,
    called: Callable[[str, int, tuple[Any, ...], Any], None] | None = None,
) -> None:
    """Run `model` in the precision of its weights and `record` every module's output by path.

    The logits come last. `called` is told of every module's call instead: path, number of the call,
    arguments, output.
    """
    import torch

    calls: Counter[str] = Counter()

    def hook(path: str) -> Any:
        def after(module: Any, arguments: Any, output: Any) -> None:
            calls[path] += 1
            if called is not None:
                called(path, calls[path], arguments, output)
                return
            for tap, value in outputs_of(path, calls[path], output).items():
                record(tap, value.numpy())

        return after

    # A list of layers is never called, and so never recorded.
    hooks = [m.register_forward_hook(hook(path)) for path, m in model.named_modules() if path]
    dtype = next(model.parameters()).dtype
    with torch.inference_mode():
        _, logits = model(
            torch.from_numpy(inputs.keypoints).to(dtype), torch.from_numpy(inputs.attention_mask)
        )
    record(LOGITS, logits.numpy())
    for handle in hooks:
        handle.remove()


def _float32(tensor: Any) -> Any:
    """Rounded to float32, with what is finite kept finite: a mask's most negative float64 becomes
    the most negative float32, as PyTorch would have used."""
    import torch

    if tensor.dtype != torch.float64:
        return tensor
    most = torch.finfo(torch.float32).max
    return torch.where(tensor.isfinite(), tensor.clamp(-most, most), tensor).to(torch.float32)


def _reason(error: Exception) -> str:
    """One line for the parent. Of the unpickler's text nothing: it advises unsafe loading."""
    kind = type(error).__name__
    return kind if isinstance(error, UnpicklingError) else f"{kind}: {printable(error)}"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        raise SystemExit(_reason(error)) from None
