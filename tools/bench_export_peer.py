"""A checkpoint to the file that a peer runs: what its own documentation says to do, whole.

    python tools/bench_export_peer.py onnx|litert|litert-dynamic model.pth OUT FRAMES

A process of its own, so that its time can be held against that of `signbart-port tflite`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from pt_reference import SignBart
from signbart_port import config as configs


class Logits(nn.Module):
    """The logits alone: exporters want a module that returns tensors."""

    def __init__(self, model: SignBart) -> None:
        super().__init__()
        self.model = model

    def forward(self, keypoints: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(keypoints, attention_mask)[1]
        return logits


def onnx(model: nn.Module, inputs: dict[str, Tensor], out: str) -> None:
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        out,
        input_names=list(inputs),
        output_names=["logits"],
        dynamo=True,
        external_data=False,
    )


def litert(model: nn.Module, inputs: dict[str, Tensor], out: str) -> None:
    import litert_torch

    litert_torch.convert(model, sample_kwargs=inputs).export(out)


def litert_dynamic(model: nn.Module, inputs: dict[str, Tensor], out: str) -> None:
    import litert_torch
    from litert_torch.generative.quantize import quant_recipes

    recipe = quant_recipes.full_dynamic_recipe()
    litert_torch.convert(model, sample_kwargs=inputs, quant_config=recipe).export(out)


EXPORTERS = {"onnx": onnx, "litert": litert, "litert-dynamic": litert_dynamic}


def main(kind: str, checkpoint: Path, out: str, frames: int) -> None:
    config = configs.load(checkpoint.with_suffix(".yaml"))
    model = SignBart(config).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True), strict=True)
    inputs = {
        "keypoints": torch.rand(1, frames, config.keypoints, 2),
        "attention_mask": torch.ones(1, frames),
    }
    EXPORTERS[kind](Logits(model).eval(), inputs, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
