"""SignBART in NumPy and float64, a method a step, so that a mistake is one method written wrong.

Not a reference: PyTorch is. It answers one question of a failed proof, "would this mistake give
these numbers?" (see `mistakes`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.config import SignBartConfig

Floats = NDArray[np.float64]
Tensors = Mapping[str, NDArray[Any]]


class NumPySignBart:
    """The model of `config` with these `tensors`, under PyTorch's names and shapes."""

    epsilon = 1e-5
    offset = 2
    padding, later = -(2.0**75), -(2.0**93)  # as in `keras_model.masks`
    lookahead = 0  # frames after its own that a query of the decoder sees

    def __init__(self, config: SignBartConfig, tensors: Tensors) -> None:
        self.config, self.tensors = config, tensors

    def call(self, path: str, *inputs: NDArray[Any]) -> tuple[Floats, ...]:
        """Return the outputs of the module at `path`, by default of the whole model ("")."""
        step = getattr(self, _STEPS.get(path.rpartition(".")[2], ""), None)
        if step is None:
            step = self.encoder_layer if path.startswith("encoder") else self.decoder_layer
        output = step(path, *(x.astype(np.float64) for x in inputs))
        return output if isinstance(output, tuple) else (output,)

    def tensor(self, name: str) -> Floats:
        tensor: Floats = self.tensors[name].astype(np.float64)
        return tensor

    def model(self, path: str, keypoints: Floats, attention_mask: Floats) -> Floats:
        x, y = self.projection("projection", keypoints)
        encoded = self.encoder("encoder", x, attention_mask)
        states = self.decoder("decoder", y, attention_mask, encoded)
        last = self.last_frame("last_frame", states, attention_mask)
        return self.classification_head("classification_head", last)

    def projection(self, path: str, keypoints: Floats) -> tuple[Floats, Floats]:
        picked = self.pick(keypoints)
        x, y = picked[..., 0], picked[..., 1]
        return self.linear(f"{path}.proj_x1", x), self.linear(f"{path}.proj_y1", y)

    def pick(self, keypoints: Floats) -> Floats:
        full = self.config.layout == "full"
        return keypoints[:, :, list(self.config.joint_idx)] if full else keypoints

    def positions(self, path: str, states: Floats) -> Floats:
        table = self.tensor(f"{path}.weight")
        return table[None, np.minimum(np.arange(states.shape[1]) + self.offset, len(table) - 1)]

    def encoder(self, path: str, embeddings: Floats, attention_mask: Floats) -> Floats:
        h = self.embedded(path, embeddings)
        mask = self.padding_mask(attention_mask)
        for i in range(self.config.encoder_layers):
            h = self.encoder_layer(f"{path}.layers.{i}", h, mask)
        return h

    def decoder(
        self, path: str, embeddings: Floats, attention_mask: Floats, encoded: Floats
    ) -> Floats:
        h = self.embedded(path, embeddings)
        encoder_mask = self.cross_mask(attention_mask)
        mask = self.causal_mask(attention_mask)
        for i in range(self.config.decoder_layers):
            h = self.decoder_layer(f"{path}.layers.{i}", h, mask, encoded, encoder_mask)
        return h

    def embedded(self, path: str, embeddings: Floats) -> Floats:
        positions = self.positions(f"{path}.embed_positions", embeddings)
        return self.layer_norm(f"{path}.layernorm_embedding", embeddings + positions)

    def encoder_layer(self, path: str, h: Floats, mask: Floats) -> Floats:
        h = self.around(path, "self_attn", h, h, mask)
        return self.feed_forward(path, h)

    def decoder_layer(
        self, path: str, h: Floats, mask: Floats, encoded: Floats, encoder_mask: Floats
    ) -> Floats:
        h = self.around(path, "self_attn", h, h, mask)
        h = self.around(path, "encoder_attn", h, encoded, encoder_mask)
        return self.feed_forward(path, h)

    def around(self, path: str, name: str, h: Floats, memory: Floats, mask: Floats) -> Floats:
        """Run an attention with its residual and LayerNorm."""
        attended = self.attention(f"{path}.{name}", h, memory, mask)
        return self.layer_norm(f"{path}.{name}_layer_norm", self.residual(h, attended))

    def feed_forward(self, path: str, h: Floats) -> Floats:
        inner = self.gelu(path, self.linear(f"{path}.fc1", h))
        return self.layer_norm(
            f"{path}.final_layer_norm", self.residual(h, self.linear(f"{path}.fc2", inner))
        )

    def residual(self, h: Floats, change: Floats) -> Floats:
        return h + change

    def attention(self, path: str, queries: Floats, memory: Floats, mask: Floats) -> Floats:
        heads = self.heads(path)
        q = self.split(self.query(path, queries, heads), heads)
        k = self.split(self.linear(f"{path}.k_proj", memory), heads)
        v = self.split(self.linear(f"{path}.v_proj", memory), heads)
        weights = softmax(q @ k.swapaxes(-1, -2) + mask)
        return self.linear(f"{path}.out_proj", self.merge(weights @ v))

    def heads(self, path: str) -> int:
        config = self.config
        encoder = path.startswith("encoder")
        return config.encoder_attention_heads if encoder else config.decoder_attention_heads

    def query(self, path: str, queries: Floats, heads: int) -> Floats:
        return self.linear(f"{path}.q_proj", queries) / math.sqrt(self.config.d_model // heads)

    def split(self, states: Floats, heads: int) -> Floats:
        return states.reshape(*states.shape[:2], heads, -1).swapaxes(1, 2)

    def merge(self, states: Floats) -> Floats:
        return states.swapaxes(1, 2).reshape(states.shape[0], states.shape[2], -1)

    def linear(self, path: str, x: Floats) -> Floats:
        output: Floats = x @ self.tensor(f"{path}.weight").T + self.tensor(f"{path}.bias")
        return output

    def layer_norm(self, path: str, x: Floats) -> Floats:
        centered = x - x.mean(axis=-1, keepdims=True)
        normed: Floats = centered / np.sqrt(self.variance(centered) + self.epsilon)
        return normed * self.tensor(f"{path}.weight") + self.tensor(f"{path}.bias")

    def variance(self, centered: Floats) -> Floats:
        variance: Floats = np.square(centered).mean(axis=-1, keepdims=True)
        return variance

    def gelu(self, path: str, x: Floats) -> Floats:
        output: Floats = 0.5 * x * (1 + _erf(x / math.sqrt(2)))
        return output

    def identity(self, path: str, x: Floats) -> Floats:
        return x

    def padding_mask(self, attention_mask: Floats) -> Floats:
        return np.where(attention_mask == 1, 0.0, self.padding)[:, None, None, :]

    def cross_mask(self, attention_mask: Floats) -> Floats:
        return self.padding_mask(attention_mask)

    def causal_mask(self, attention_mask: Floats) -> Floats:
        frames = np.arange(attention_mask.shape[1])
        later = frames > frames[:, None] + self.lookahead
        return np.where(later, self.later, self.padding_mask(attention_mask))

    def last_frame(self, path: str, states: Floats, attention_mask: Floats) -> Floats:
        return states[np.arange(len(states)), self.last(attention_mask)][:, None]

    def last(self, attention_mask: Floats) -> NDArray[np.intp]:
        frames = np.arange(attention_mask.shape[1])
        last: NDArray[np.intp] = (frames * (attention_mask == 1)).max(axis=1)
        return last

    def classification_head(self, path: str, state: Floats) -> Floats:
        return self.linear(f"{path}.out_proj", state.reshape(-1, self.config.d_model))


def softmax(scores: Floats) -> Floats:
    """Return the softmax over the last axis of scores in float32, where a mask can swallow a
    score."""
    scores = scores.astype(np.float32).astype(np.float64)
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights: Floats = exponents / exponents.sum(axis=-1, keepdims=True)
    return weights


_erf = np.vectorize(math.erf, otypes=[np.float64])
_STEPS = {
    "": "model",
    "projection": "projection",
    "encoder": "encoder",
    "decoder": "decoder",
    "last_frame": "last_frame",
    "classification_head": "classification_head",
    "embed_positions": "positions",
    "self_attn": "attention",
    "encoder_attn": "attention",
    "activation_fn": "gelu",
    "dropout": "identity",
    "activation_dropout": "identity",
    "layernorm_embedding": "layer_norm",
    "self_attn_layer_norm": "layer_norm",
    "encoder_attn_layer_norm": "layer_norm",
    "final_layer_norm": "layer_norm",
    **dict.fromkeys(
        ("proj_x1", "proj_y1", "q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"), "linear"
    ),
}
