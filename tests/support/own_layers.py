"""A decoder of images in layers of its own, in both frameworks: RMSNorm, rotary positions, grouped
heads, a layer scale. Each Keras layer can have a `fault`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch import nn

from signbart_port import Pair

MAPPING = """
schema: 2
family: own-layers
axes:
  proj: [q, k, v, o]
kinds:
  conv:
    - {torch: weight, keras: kernel, axes: out in y x -> y x in out}
    - {torch: bias, keras: bias, axes: out}
  linear: [{torch: weight, keras: kernel, axes: out in -> in out}]
  untransposed: [{torch: weight, keras: kernel, axes: in out}]
  norm: [{torch: weight, keras: gain, axes: width}]
  scale: [{torch: scale, keras: scale, axes: width}]
modules:
  - {torch: patch, keras: own/patch, kind: conv}
  - {torch: block, keras: own/block, kind: scale}
  - {torch: block.norm, keras: own/block/norm, kind: norm}
  - {torch: "block.attn.{proj}", keras: "own/block/attn/{proj}", kind: linear}
"""
WIDTH, HEADS, GROUPS, SIZE, LENGTH = 24, 6, 2, 4, 6
ANGLES = np.arange(LENGTH)[:, None] * 10.0 ** -np.arange(SIZE / 2)


class Norm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.weight


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in "qo")
        self.k, self.v = (nn.Linear(WIDTH, GROUPS * SIZE, bias=False) for _ in "kv")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        projected = (one(x) for one in (self.q, self.k, self.v))
        q, k, v = (one.unflatten(-1, (-1, SIZE)).transpose(1, 2) for one in projected)
        cos, sin = (torch.from_numpy(f(ANGLES)).to(x) for f in (np.cos, np.sin))
        halves = (one.chunk(2, -1) for one in (q, k))
        q, k = (torch.cat((a * cos - b * sin, b * cos + a * sin), -1) for a, b in halves)
        k, v = (one.repeat_interleave(HEADS // GROUPS, 1) for one in (k, v))
        scores = (q @ k.mT * SIZE**-0.5).softmax(-1)
        return self.o((scores @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attn = Norm(), Attention()
        self.scale = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * self.attn(self.norm(x))


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.block = nn.Conv2d(3, WIDTH, 4, 4), Block()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.block(self.patch(image).flatten(2).mT)


class KerasNorm(keras.layers.Layer):
    fault = ""

    def build(self, shape: Any) -> None:
        self.gain = self.add_weight(shape=(WIDTH,), name="gain")

    def call(self, x: Any) -> Any:
        epsilon = 1e-5 if self.fault == "epsilon" else 1e-6
        gain = self.gain + 1 if self.fault == "gain plus one" else self.gain
        return x * ops.rsqrt(ops.mean(x * x, -1, keepdims=True) + epsilon) * gain


class KerasAttention(keras.layers.Layer):
    fault = ""

    def build(self, shape: Any) -> None:
        sizes = {"q": WIDTH, "k": GROUPS * SIZE, "v": GROUPS * SIZE, "o": WIDTH}
        for name, units in sizes.items():
            setattr(self, name, keras.layers.Dense(units, use_bias=False, name=name))
            getattr(self, name).build(shape)

    def call(self, x: Any) -> Any:
        projected = (one(x) for one in (self.q, self.k, self.v))
        split = (ops.reshape(one, (-1, LENGTH, one.shape[-1] // SIZE, SIZE)) for one in projected)
        q, k, v = (ops.swapaxes(one, 1, 2) for one in split)
        q, k, times = self.rotated(q), self.rotated(k), HEADS // GROUPS
        if self.fault == "groups tiled":
            k, v = (ops.tile(one, (1, times, 1, 1)) for one in (k, v))
        else:
            k, v = (ops.repeat(one, times, 1) for one in (k, v))
        scores = ops.softmax(ops.matmul(q, ops.swapaxes(k, 2, 3)) * SIZE**-0.5)
        return self.o(ops.reshape(ops.swapaxes(ops.matmul(scores, v), 1, 2), (-1, LENGTH, WIDTH)))

    def rotated(self, x: Any) -> Any:
        cos, sin = (ops.cast(f(ANGLES), x.dtype) for f in (np.cos, np.sin))
        pairs = self.fault == "rotary pairs"
        a, b = (x[..., ::2], x[..., 1::2]) if pairs else ops.split(x, 2, -1)
        turned = [a * cos - b * sin, b * cos + a * sin]
        return ops.reshape(ops.stack(turned, -1 if pairs else -2), ops.shape(x))


class KerasBlock(keras.layers.Layer):
    fault = ""

    def build(self, shape: Any) -> None:
        self.norm, self.attn = KerasNorm(name="norm"), KerasAttention(name="attn")
        self.norm.build(shape)
        self.attn.build(shape)
        self.scale = self.add_weight(shape=(WIDTH,), name="scale")

    def call(self, x: Any) -> Any:
        y = self.attn(self.norm(x))
        return x + (y if self.fault == "no layer scale" else self.scale * y)


class KerasOwn(keras.Model):
    fault = ""

    def __init__(self, name: str | None = "own") -> None:
        super().__init__(name=name)
        self.patch = keras.layers.Conv2D(WIDTH, 4, 4, name="patch")
        self.block = KerasBlock(name="block")

    def call(self, image: Any) -> Any:
        x = self.patch(image)
        x = ops.swapaxes(x, 1, 2) if self.fault == "columns first" else x
        return self.block(ops.reshape(x, (-1, LENGTH, WIDTH)))


class OwnPair(Pair):
    """Both models; the Keras one of a config `name`."""

    def keras_model(self, config: Any) -> Any:
        model = KerasOwn(**config)
        model(np.zeros((1, 8, 12, 3)))
        return model
