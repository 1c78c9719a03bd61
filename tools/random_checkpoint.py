"""Write a SignBART with random weights: CONFIG (as JSON) PATH [--bare].

A training container of the weights and the config, or with --bare the state dict alone. It imports
nothing that version 0.1 lacks: `compare_versions.py` runs it in the environments of both versions.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch

from pt_reference import SignBart


def random_model(config: dict[str, Any]) -> SignBart:
    """Return the model of a config, with random weights that no converter folds away."""
    torch.manual_seed(0)
    model = SignBart(config)
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):  # else ones and zeros
            torch.nn.init.normal_(module.weight, 1, 0.1)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return model


if __name__ == "__main__":
    text, path, *options = sys.argv[1:]
    config = json.loads(text)
    weights = random_model(config).state_dict()
    torch.save(weights if options == ["--bare"] else {"model": weights, "config": config}, path)
