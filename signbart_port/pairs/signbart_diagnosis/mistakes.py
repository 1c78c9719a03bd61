"""The mistakes that porting SignBART invites: each a SignBART with one step written wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig
from signbart_port.pairs.signbart_diagnosis.numpy_model import Floats, NumPySignBart, Tensors

Model = type[NumPySignBart]


def candidates(
    config: SignBartConfig, tensors: Tensors, path: str
) -> Iterator[tuple[str, NumPySignBart]]:
    """Yield models that are wrong in the module at `path`, each with a sentence that says how.

    `tensors` are the reference's, under PyTorch's names. The whole model ("") may have any mistake
    of the code, everywhere at once.
    """
    if f"{path}.weight" in tensors:
        yield from _misplaced(config, tensors, path)
    for sentence, model in _mistakes(config, path.rpartition(".")[2], path):
        yield sentence, model(config, tensors)


def _misplaced(
    config: SignBartConfig, tensors: Tensors, path: str
) -> Iterator[tuple[str, NumPySignBart]]:
    """Yield the module with its kernel not transposed, with others' tensors, or without one of its
    own."""
    own = {leaf: f"{path}.{leaf}" for leaf in ("weight", "bias") if f"{path}.{leaf}" in tensors}
    weight = tensors[own["weight"]]
    if weight.ndim == 2 and weight.shape[0] == weight.shape[1]:
        swapped = {**tensors, own["weight"]: weight.T}
        yield "its kernel is not transposed", NumPySignBart(config, swapped)
    others = [
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and tensor.shape == weight.shape and name != own["weight"]
    ]
    for other in others:
        if all(f"{other}.{leaf}" in tensors for leaf in own):
            moved = {name: tensors[f"{other}.{leaf}"] for leaf, name in own.items()}
            yield f"it has the weights of {other}", NumPySignBart(config, {**tensors, **moved})
    for leaf, name in own.items():
        for other, tensor in tensors.items():
            if tensor.shape == tensors[name].shape and other != name:
                yield f"its {leaf} is {other}", NumPySignBart(config, {**tensors, name: tensor})
    for leaf, name in own.items():
        empty = {**tensors, name: np.zeros_like(tensors[name])}
        yield f"its {leaf} is missing (all zeros)", NumPySignBart(config, empty)


def _mistakes(config: SignBartConfig, kind: str, path: str) -> Iterator[tuple[str, Model]]:
    whole = not path
    if whole or kind.endswith(("layer_norm", "layernorm_embedding")):
        yield from _LAYER_NORM.items()
    if whole or kind == "activation_fn":
        yield from _GELU.items()
    if whole or kind == "embed_positions":
        yield from _POSITIONS.items()
    if whole or kind in ("self_attn", "encoder_attn"):
        yield from _ATTENTION.items()
        for heads in (n for n in range(1, config.d_model + 1) if config.d_model % n == 0):
            model = _with(heads=lambda self, path, n=heads: n)
            yield f"it attends with {heads} head{'s' if heads > 1 else ''}", model
    if whole or kind in ("encoder", "decoder"):
        yield from _MASKS.items()
    if whole or kind == "last_frame":
        yield from _LAST.items()
    if whole or kind == "projection":
        yield from _PROJECTION.items()
    if whole or kind.isdigit():
        yield from _LAYER.items()


def _with(**changes: object) -> Model:
    return type("Mistaken", (NumPySignBart,), changes)


def _only_weight_scaled(self: NumPySignBart, path: str, queries: Floats, heads: int) -> Floats:
    bias = self.tensor(f"{path}.q_proj.bias")
    scaled: Floats = NumPySignBart.query(self, path, queries, heads)
    return scaled + bias * (1 - 1 / math.sqrt(self.config.d_model // heads))


def _query(scale: Callable[[int, int], float]) -> Model:
    """Make the mistake of another query scaling, a function of d_model and head_dim."""

    def query(self: NumPySignBart, path: str, queries: Floats, heads: int) -> Floats:
        d_model = self.config.d_model
        return self.linear(f"{path}.q_proj", queries) * scale(d_model, d_model // heads)

    return _with(query=query)


def _gelu(function: Callable[[Floats], Floats]) -> Model:
    return _with(gelu=lambda self, path, x: function(x))


def _last(function: Callable[[NDArray[np.bool_]], NDArray[np.intp]]) -> Model:
    """Make the mistake of another classified frame, a function of the mask (B, T)."""
    return _with(last=lambda self, mask: function(mask == 1))


def _last_real(real: NDArray[np.bool_]) -> NDArray[np.intp]:
    last: NDArray[np.intp] = (np.arange(real.shape[1]) * real).max(axis=1)
    return last


def _count_last(real: NDArray[np.bool_]) -> NDArray[np.intp]:
    last: NDArray[np.intp] = np.maximum(real.sum(axis=1) - 1, 0)
    return last


def _padding(value: float, where: str) -> Model:
    """Make the mistake of masking padding with `value`, in one of the mask methods or in all."""

    def mask(self: NumPySignBart, attention_mask: Floats) -> Floats:
        return _with(padding=value)(self.config, self.tensors).padding_mask(attention_mask)

    return _with(padding=value) if where == "padding_mask" else _with(**{where: mask})


_LAYER_NORM: dict[str, Model] = {
    "LayerNorm's epsilon is 0.001, not 1e-05": _with(epsilon=1e-3),
    "LayerNorm's epsilon is 1e-06 or less, not 1e-05": _with(epsilon=1e-6),
    "LayerNorm divides by the unbiased variance": _with(
        variance=lambda self, centered: (
            np.square(centered).sum(-1, keepdims=True) / (centered.shape[-1] - 1)
        )
    ),
}
_GELU: dict[str, Model] = {
    "GELU is the tanh form, not the exact one": _gelu(
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "GELU is the sigmoid form, not the exact one": _gelu(lambda x: x / (1 + np.exp(-1.702 * x))),
    "the activation is ReLU, not GELU": _gelu(lambda x: np.maximum(x, 0)),
    "the activation is SiLU, not GELU": _gelu(lambda x: x / (1 + np.exp(-x))),
    "the activation is missing": _gelu(lambda x: x),
}
_POSITIONS: dict[str, Model] = {
    f"positions start at row {offset} of the table, not at row 2": _with(offset=offset)
    for offset in (0, 1, 3, 4)
} | {"the positions are missing": _with(positions=lambda self, path, states: np.zeros(()))}
_ATTENTION: dict[str, Model] = {
    "the query is not scaled": _query(lambda d_model, head_dim: 1.0),
    "the query's bias is not scaled, its weight is": _with(query=_only_weight_scaled),
    "the query is scaled by the root of d_model, not of head_dim": _query(
        lambda d_model, head_dim: 1 / math.sqrt(d_model)
    ),
    "the query is scaled twice": _query(lambda d_model, head_dim: 1.0 / head_dim),
    "the query is divided by its scaling": _query(lambda d_model, head_dim: math.sqrt(head_dim)),
    "the heads are split in the wrong order": _with(
        split=lambda self, states, heads: states.reshape(*states.shape[:2], -1, heads).transpose(
            0, 3, 1, 2
        )
    ),
}
_MASKS: dict[str, Model] = {
    **{
        f"padding is {how}{where}": _padding(value, method)
        for where, method in (("", "padding_mask"), (", in cross-attention", "cross_mask"))
        for how, value in (
            ("not masked", 0.0),
            *(
                (f"masked with {value:g}, too weak to swallow every score", value)
                for value in (-100.0, -1000.0, -1e4, -65504.0, -1e5, -1e6)
            ),
        )
    },
    "the decoder sees one frame ahead": _with(lookahead=1),
    "the decoder does not see the frame itself": _with(lookahead=-1),
    "the decoder's self-attention is not causal": _with(lookahead=10**9),
    "later frames are masked no more than padding": _with(later=NumPySignBart.padding),
}
_LAST: dict[str, Model] = {
    "the frame before the last real one is classified": _last(
        lambda real: np.maximum(_last_real(real) - 1, 0)
    ),
    "the last frame of all is classified, padding or not": _last(
        lambda real: np.full(len(real), real.shape[1] - 1)
    ),
    "the frames are counted, so that holes in the mask move the last one": _last(_count_last),
    "the first frame is classified": _last(lambda real: np.zeros(len(real), np.intp)),
    "the first real frame is classified": _last(lambda real: real.argmax(axis=1)),
    "the frame after the last real one is classified": _last(
        lambda real: np.minimum(_last_real(real) + 1, real.shape[1] - 1)
    ),
}
_PROJECTION: dict[str, Model] = {
    "x and y are swapped": _with(pick=lambda self, k: NumPySignBart.pick(self, k)[..., ::-1]),
    "the joints are read in ascending order": _with(
        pick=lambda self, k: NumPySignBart.pick(self, k)[:, :, np.argsort(self.config.joint_idx)]
    ),
    "the first joints are read, not those of joint_idx": _with(
        pick=lambda self, k: k[:, :, : len(self.config.joint_idx)]
    ),
}
_LAYER: dict[str, Model] = {
    "a residual connection is missing": _with(residual=lambda self, h, change: change),
}
