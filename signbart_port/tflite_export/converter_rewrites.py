"""The form that TensorFlow's converter gives each weight, bit for bit.

Every Dense is a FULLY_CONNECTED, whose kernel is (out, in). What surrounds one is multiplied into
it where both are constant (`optimize.cc` of the converter, in this order):

- a LayerNorm before it: its gamma into the columns of the kernel, and its beta, carried through the
  kernel, into the bias;
- the query scaling after it, into kernel and bias;
- with a static number of frames, the bias of a projection into the positions that are added to it.

The last decoder layer computes a single frame (`Attention.of_one_query`): there the kernel of a
k_proj is (in, out), and its bias, which softmax ignores, is left out.

All of that is in float32. A file may have any weight in the one form or in the other: with a number
of frames that is set at run time, only layers that compute a single frame are rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Form:
    """A weight as a file may have it: `values`, in the file's order of dimensions.

    `norm` is the path of the LayerNorm that is multiplied in, `scaled` says whether the query
    scaling is, `turned` whether a kernel is in Keras' order, `also` are the paths of all other
    weights that `values` are made of.
    """

    weight: str
    values: Float32
    norm: str | None = None
    scaled: bool = False
    turned: bool = False
    also: tuple[str, ...] = ()


def forms(
    path: str, config: SignBartConfig, tensors: Mapping[str, Float32], frames: int | None
) -> Iterator[Form]:
    """Yield every form of the weight at this Keras path, in a file for `frames` frames, plain ones
    first.

    `tensors` are all weights of the Keras model. None: the number of frames is set at run time.
    """
    module, _, leaf = path.rpartition("/")
    if leaf == "embeddings":
        yield from _positions(path, config, tensors, frames)
    elif leaf in ("gamma", "beta"):
        yield Form(path, tensors[path])
    else:
        for form in _dense(path, config, tensors):
            yield form
            if module.endswith("/q_proj"):
                scaling = np.float32(query_scaling(module, config))
                yield replace(form, values=form.values * scaling, scaled=True)


def own_parts(config: SignBartConfig) -> Float32:
    """Return the one constant beside the weights that may have the size of one: which part of the
    last decoder layer's states is which head's, (heads, heads, 1), 1 or 0."""
    return np.eye(config.decoder_attention_heads, dtype=np.float32)[:, :, None]


def left_out(config: SignBartConfig) -> set[str]:
    """Return the weights that a file has no place for: the k_proj biases of the last decoder
    layer."""
    layer = f"decoder/layers.{config.decoder_layers - 1}"
    return {f"{layer}/{attention}/k_proj/bias" for attention in ("self_attn", "encoder_attn")}


def positions(table: NDArray[np.floating], config: SignBartConfig, frames: int) -> slice:
    """Return the rows of a table of positions that `frames` frames read; no frame reads the first
    two."""
    first = len(table) - config.max_position_embeddings
    return slice(first, first + frames)


def query_scaling(module: str, config: SignBartConfig) -> float:
    """Return the number that the attention of this q_proj multiplies its queries with."""
    encoder = module.startswith("encoder/")
    heads = config.encoder_attention_heads if encoder else config.decoder_attention_heads
    return float((config.d_model // heads) ** -0.5)


def norm_before(module: str, config: SignBartConfig) -> str | None:
    """Return the LayerNorm whose output a Dense reads, with nothing between them."""

    def after(stack: str, layers: int) -> str:
        last = f"layers.{layers - 1}/final_layer_norm" if layers else "layernorm_embedding"
        return f"{stack}/{last}"

    match module.split("/"):
        case ["classification_head", "out_proj"]:
            return after("decoder", config.decoder_layers)
        case ["decoder", _, "encoder_attn", "k_proj" | "v_proj"]:
            return after("encoder", config.encoder_layers)
        case [stack, layer, "self_attn", "q_proj" | "k_proj" | "v_proj"]:
            return after(stack, int(layer.removeprefix("layers.")))
        case ["encoder", layer, "fc1"]:
            return f"encoder/{layer}/self_attn_layer_norm"
        case ["decoder", layer, "encoder_attn", "q_proj"]:
            return f"decoder/{layer}/self_attn_layer_norm"
        case ["decoder", layer, "fc1"]:
            return f"decoder/{layer}/encoder_attn_layer_norm"
    return None


def _dense(path: str, config: SignBartConfig, tensors: Mapping[str, Float32]) -> Iterator[Form]:
    module, _, leaf = path.rpartition("/")
    norm = norm_before(module, config)
    kernel = np.ascontiguousarray(tensors[f"{module}/kernel"].T)
    if leaf == "kernel":
        yield Form(path, kernel)
        if module.endswith("/k_proj") and module.startswith("decoder/"):
            yield Form(path, tensors[path], turned=True)
        if kernel.shape[1] == 1:  # a product with a single input is a MUL
            yield Form(path, kernel[:, 0])
        if norm:
            gamma = f"{norm}/gamma"
            yield Form(path, kernel * tensors[gamma], norm, also=(gamma,))
    else:
        yield Form(path, tensors[path])
        if norm:
            beta = f"{norm}/beta"
            values = _carried(kernel, tensors[beta], tensors[path])
            yield Form(path, values, norm, also=(beta,))


def _positions(
    path: str, config: SignBartConfig, tensors: Mapping[str, Float32], frames: int | None
) -> Iterator[Form]:
    table = tensors[path]
    if frames is None:
        yield Form(path, table[None])
        return
    coordinate = "x1" if path.startswith("encoder/") else "y1"
    bias = f"projection/proj_{coordinate}/bias"
    values = table[positions(table, config, frames)] + tensors[bias]
    yield Form(path, values[None], also=(bias,))
    if frames == 1:  # a sum with a single row is the bias of the projection's FULLY_CONNECTED
        yield Form(path, values[0], also=(bias,))


def _carried(kernel: Float32, beta: Float32, bias: Float32) -> Float32:
    """Return kernel·beta + bias as the converter sums it up: products in float32, then Neumaier's
    sum."""
    total, lost = bias.copy(), np.zeros_like(bias)
    for column, factor in zip(kernel.T, beta, strict=True):
        product = column * factor
        grown = total + product
        larger = np.abs(total) >= np.abs(product)
        lost += np.where(larger, (total - grown) + product, (product - grown) + total)
        total = grown
    return total + lost
