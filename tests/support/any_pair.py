"""Models of both frameworks that are meant to compute the same, with weights that hide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import signbart_port
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.parity.report import Report
from signbart_port.parity.workers.torch_perturbed import perturb


def carried(pair: Pair, config: Any, seed: int = 0) -> tuple[torch.nn.Module, Any]:
    """Return both models of a pair, the Keras one with the weights of the other."""
    torch_model, keras_model = perturb(pair.torch_model(config), seed), pair.keras_model(config)
    signbart_port.transfer_weights(torch_model, keras_model, mapping=mapping_path(pair))
    return torch_model, keras_model


def proven(pair: Pair, config: Any, torch_model: Any, keras_model: Any) -> Report:
    """Compare both on the pair's cases."""
    return signbart_port.prove(
        torch_model,
        keras_model,
        mapping=Path(mapping_path(pair)),
        cases=pair.cases(config, seed=1),
        pair=pair,
    )


def comes_back(pair: Pair, config: Any, torch_model: torch.nn.Module, keras_model: Any) -> bool:
    """Return whether every tensor is the same in every bit after a way there and back."""
    other = pair.torch_model(config)
    signbart_port.transfer_weights(keras_model, other, mapping=mapping_path(pair))
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in torch_model.state_dict().items())


def proven_in_files(name: str, config: Any, torch_model: torch.nn.Module, folder: Path) -> Report:
    """Convert a checkpoint of an installed pair, and compare the .keras file with it."""
    source, out = folder / "model.pth", folder / "model.keras"
    torch.save({"model": torch_model.state_dict(), "config": dict(config)}, source)
    signbart_port.convert_pair(source, name, out)
    return signbart_port.verify_pair(source, out, name)
