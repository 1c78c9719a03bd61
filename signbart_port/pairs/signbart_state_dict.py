"""The state dict of the PyTorch SignBART, told without PyTorch: its names in order, its modules.

The order is that in which `pt_reference` creates its modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from signbart_port.checkpoint.writer import StateLayout
from signbart_port.config import SignBartConfig

Module = tuple[str, ...] | Mapping[str, "Module"]
"""The names of a module's own tensors; or the modules in it, by name."""

_LINEAR: Module = ("weight", "bias")
_NORM: Module = ("weight", "bias")
_EMBEDDING: Module = ("weight",)
_PLAIN: Module = ()
_ATTENTION: Module = {
    "k_proj": _LINEAR,
    "v_proj": _LINEAR,
    "q_proj": _LINEAR,
    "out_proj": _LINEAR,
    "dropout": _PLAIN,
}
_CROSS_ATTENTION: Mapping[str, Module] = {
    "encoder_attn": _ATTENTION,
    "encoder_attn_layer_norm": _NORM,
}


def state_layout(config: SignBartConfig) -> StateLayout:
    """Return the layout of `pt_reference.SignBart(config).state_dict()`."""
    model: Module = {
        "projection": {"proj_x1": _LINEAR, "proj_y1": _LINEAR},
        "encoder": _stack(config.encoder_layers, {}),
        "decoder": _stack(config.decoder_layers, _CROSS_ATTENTION),
        "last_frame": _PLAIN,
        "classification_head": {"dropout": _PLAIN, "out_proj": _LINEAR},
    }
    modules = dict(_walk("", model))
    names = [f"{path}.{name}" for path, tensors in modules.items() for name in tensors]
    return StateLayout(tuple(names), dict.fromkeys(modules, 1))


def _stack(layers: int, cross_attention: Mapping[str, Module]) -> Module:
    layer: Module = {
        "self_attn": _ATTENTION,
        "self_attn_layer_norm": _NORM,
        **cross_attention,
        "activation_fn": _PLAIN,
        "fc1": _LINEAR,
        "fc2": _LINEAR,
        "final_layer_norm": _NORM,
        "dropout": _PLAIN,
        "activation_dropout": _PLAIN,
    }
    return {
        "embed_positions": _EMBEDDING,
        "layernorm_embedding": _NORM,
        "layers": {str(number): layer for number in range(layers)},
        "dropout": _PLAIN,
    }


def _walk(path: str, module: Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every module's path and the names of its own tensors, a module before those in it."""
    if isinstance(module, tuple):
        yield path, module
        return
    yield path, ()
    for name, inner in module.items():
        yield from _walk(f"{path}.{name}" if path else name, inner)
