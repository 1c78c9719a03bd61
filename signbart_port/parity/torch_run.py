"""The PyTorch side of the proof, in a process of its own.

Reads the checkpoint with PyTorch's own loader, independently of `signbart_port.checkpoint`, runs
`pt_reference` and leaves every module's output in the folder JOB (see `reference.TorchRun`).
"""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from signbart_port import child, digest
from signbart_port.checkpoint.names import NameRules, strip, unwrap
from signbart_port.config import SignBartConfig
from signbart_port.errors import printable
from signbart_port.parity.compare import LOGITS, largest_difference, tap_name
from signbart_port.parity.inputs import Inputs
from signbart_port.parity.proof import Record

if TYPE_CHECKING:
    from pt_reference import SignBart


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    child.limit_memory(job["memory"])

    import torch

    from pt_reference import SignBart

    torch.set_num_threads(1)  # the other core imports TensorFlow; two threads would wait for it
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

    model = SignBart(SignBartConfig(**job["config"])).eval()
    model.load_state_dict(state, strict=True)
    digests = {name: digest.of_tensor(value.numpy()) for name, value in state.items()}
    del state

    inputs = child.load_inputs(folder)
    frames = inputs.classified
    float32: dict[str, Any] = {}
    noise: dict[str, float] = {}
    taps: list[str] = []

    def keep(tap: str, output: Any) -> None:
        float32[tap] = output

    def write(tap: str, output: Any) -> None:
        np.save(folder / f"{len(taps)}.npy", output)
        taps.append(tap)
        if tap in float32:
            noise[tap] = largest_difference(float32.pop(tap), output, frames)

    run(model, inputs, keep if job["truth"] else write)
    if job["truth"]:
        run(model.to(torch.float64), inputs, write)

    result = {
        "taps": taps,
        "noise": noise,
        "digests": digests,
        "torch": torch.__version__,
    }
    (folder / "result.json").write_text(json.dumps(result))


def run(model: SignBart, inputs: Inputs, record: Record) -> None:
    """Run `model` in the precision of its weights and `record` every module's output by path.

    The logits come last.
    """
    import torch

    def hook(path: str) -> Any:
        calls = count(1)

        def after(module: Any, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                record(tap_name(path, next(calls)), output.numpy())

        return after

    hooks = [m.register_forward_hook(hook(path)) for path, m in model.named_modules() if path]
    dtype = next(model.parameters()).dtype
    with torch.inference_mode():
        _, logits = model(
            torch.from_numpy(inputs.keypoints).to(dtype), torch.from_numpy(inputs.attention_mask)
        )
    record(LOGITS, logits.numpy())
    for handle in hooks:
        handle.remove()


def _reason(error: Exception) -> str:
    """One line for the parent. Of the unpickler's text nothing: it advises unsafe loading."""
    kind = type(error).__name__
    return kind if isinstance(error, UnpicklingError) else f"{kind}: {printable(error)}"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        raise SystemExit(_reason(error)) from None
