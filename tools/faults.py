"""Seeded faults for `mutate.py`: one thing wrong in a mapping, in the Keras model or in a file.

Each fault says which modules are wrong, so that the blame can be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from keras import ops

from signbart_port.keras_model import SignBart, decoder, encoder, layers, masks
from signbart_port.parity.keras_run import modules
from signbart_port.tflite import constants, model_file, object_tree
from signbart_port.tflite_export.weight_matching import match
from signbart_port.transfer import Plan, Transfer
from signbart_port.transfer.ops import IDENTITY, TRANSPOSE

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Fault:
    """A fault, and the modules in which it is: any of them is the right one to blame.

    A fault changes the `plan` that places the weights, the placed `weights` (by Keras path), the
    `model` that was built of them, what is in force while it runs (`during`), or the bytes of the
    .tflite of a `quantization`.
    """

    group: str
    name: str
    modules: frozenset[str]
    plan: Callable[[Plan], Plan] = lambda plan: plan
    weights: Callable[[Arrays], None] = lambda weights: None
    model: Callable[[SignBart], None] = lambda model: None
    during: Callable[[], AbstractContextManager[Any]] = nullcontext
    quantization: str = ""
    file: Callable[[bytearray], None] = lambda data: None


def every(plan: Plan, model: SignBart, files: Mapping[str, Path], seed: int) -> list[Fault]:
    """Return the faults for a model of `plan`.

    `model` is a right one, and `files` are right .tflite of it by their quantization.
    """
    rng = np.random.default_rng(seed)
    return [
        *_in_mapping(plan, rng),
        *_in_model(model),
        *_in_weights(plan, rng),
        *(fault for item in files.items() for fault in _in_tflite(*item, model, rng)),
    ]


# --- the mapping ----------------------------------------------------------------------------------


def _in_mapping(plan: Plan, rng: np.random.Generator) -> Iterator[Fault]:
    kernels = [t for t in plan.transfers if t.op is TRANSPOSE]
    biases = [t for t in plan.transfers if t.keras.endswith("/bias")]
    square = [t for t in kernels if t.torch_shape[0] == t.torch_shape[1]]

    for first, second in _pairs(kernels, rng, 14):
        yield _exchange("swap", first, second)
    for first, second in _pairs([t for t in plan.transfers if len(t.torch_shape) == 1], rng, 10):
        yield _exchange("swap", first, second)
    for t in _some(square, rng, 14):
        wrong = replace(t, op=IDENTITY)
        yield Fault("mapping", f"{t.keras} not transposed", frozenset({t.module}), _with(t, wrong))
    for t in _some(biases, rng, 10):
        yield Fault("mapping", f"{t.keras} missed", frozenset({t.module}), weights=_missed(t))
    for t in _some([*kernels, *biases], rng, 8):
        yield Fault("mapping", f"{t.keras} stale", frozenset({t.module}), weights=_stale(t, rng))
    for t in _some([t for t in kernels if "/q_proj/" in t.keras], rng, 6):
        yield _rotated(plan, t)
    for t in _some([t for t in plan.transfers if "/layers.1/" in t.keras], rng, 12):
        other = t.torch.replace("layers.1.", "layers.0.")
        yield Fault(
            "mapping",
            f"{t.keras} of layer 0",
            frozenset({t.module}),
            _with(t, replace(t, torch=other)),
        )


def _pairs(
    transfers: list[Transfer], rng: np.random.Generator, count: int
) -> list[tuple[Transfer, Transfer]]:
    pairs = [
        (a, b)
        for i, a in enumerate(transfers)
        for b in transfers[i + 1 :]
        if a.torch_shape == b.torch_shape
    ]
    return [pairs[i] for i in rng.permutation(len(pairs))[:count]]


def _some(items: list[Any], rng: np.random.Generator, count: int) -> list[Any]:
    return [items[i] for i in rng.permutation(len(items))[:count]]


def _with(*pairs: Transfer) -> Callable[[Plan], Plan]:
    """Return a change of a plan that replaces transfers: old, new, old, new ..."""
    new = dict(zip((t.keras for t in pairs[::2]), pairs[1::2], strict=True))
    return lambda plan: replace(plan, transfers=tuple(new.get(t.keras, t) for t in plan.transfers))


def _exchange(what: str, a: Transfer, b: Transfer) -> Fault:
    swapped = _with(a, replace(a, torch=b.torch), b, replace(b, torch=a.torch))
    name = f"{what} {a.keras} and {b.keras}"
    return Fault("mapping", name, frozenset({a.module, b.module}), swapped)


def _rotated(plan: Plan, query: Transfer) -> Fault:
    """Make the fault of q, k and v of one attention in the order k, v, q."""
    own = {t.keras: t for t in plan.transfers}
    three = [own[query.keras.replace("/q_proj/", f"/{p}_proj/")] for p in "qkv"]
    pairs = [
        x
        for t, s in zip(three, [*three[1:], three[0]], strict=True)
        for x in (t, replace(t, torch=s.torch))
    ]
    return Fault(
        "mapping",
        f"{query.keras}: q, k, v rotated",
        frozenset(t.module for t in three),
        _with(*pairs),
    )


def _missed(t: Transfer) -> Callable[[Arrays], None]:
    """Make the fault of a bias that was never written: zeros, as Keras initializes it."""
    return lambda weights: weights.update({t.keras: np.zeros(t.keras_shape, np.float32)})


def _stale(t: Transfer, rng: np.random.Generator) -> Callable[[Arrays], None]:
    left = rng.standard_normal(t.keras_shape).astype(np.float32) / 10

    def write(weights: Arrays) -> None:
        weights[t.keras] = left

    return write


# --- the Keras model ------------------------------------------------------------------------------


def _in_model(model: SignBart) -> Iterator[Fault]:
    found = dict(modules(model))
    kind = {path: type(layer).__name__ for path, layer in found.items()}
    norms = [path for path, name in kind.items() if name == "LayerNorm"]
    for epsilon, paths in ((1e-3, norms), (1e-6, norms[:3]), (1e-12, norms[3:6])):
        for path in paths:
            yield _attribute(path, f"epsilon {epsilon:g}", epsilon=epsilon)
    for path in (path for path in kind if path.endswith("activation_fn")):
        for name, function in _ACTIVATIONS.items():
            yield _attribute(path, name, activation=function)
    for path in (path for path, name in kind.items() if name == "Attention"):
        heads, d_model = found[path].heads, found[path].d_model
        other = heads // 2 if heads > 1 else 2
        yield _attribute(path, "unscaled", scaling=1.0)
        yield _attribute(path, "scaled by d_model", scaling=d_model**-0.5)
        scaling = (d_model // other) ** -0.5
        yield _attribute(path, f"{other} heads", heads=other, scaling=scaling)
        yield _subclass(path, "bias of the query unscaled", call=_bias_unscaled)
        yield _subclass(path, "heads split the other way", split=_other_split)
    for path in ("encoder.embed_positions", "decoder.embed_positions"):
        for offset in (0, 1, 3):
            yield _subclass(path, f"positions from row {offset}", call=_positions_from(offset))
    for name, function in _LAST.items():
        yield _subclass("last_frame", name, call=_last(function))
    for path in (path for path in kind if path.partition("layers.")[2].isdigit()):
        yield _subclass(path, "residual doubled", call=_doubled(kind[path]))
    for module, path in ((encoder, "encoder"), (decoder, "decoder")):
        for value in (0.0, -100.0, -1e4):
            yield _patched(
                path, f"padding masked by {value:g}", module, "padding_mask", _weak_padding(value)
            )
    for shift in (1, -1, 10**6):
        yield _patched(
            "decoder", f"causal mask off by {shift}", decoder, "causal_mask", _shifted(shift)
        )
    yield _patched(
        "decoder", "padding stronger than later frames", decoder, "causal_mask", _leveled
    )
    yield _subclass("projection", "x and y swapped", call=_swapped_coordinates)
    yield _subclass("projection", "joints reversed", call=_reversed_joints)


def _attribute(path: str, name: str, **attributes: Any) -> Fault:
    def change(model: SignBart) -> None:
        for attribute, value in attributes.items():
            setattr(dict(modules(model))[path], attribute, value)

    return Fault("Keras model", f"{path}: {name}", frozenset({path}), model=change)


def _subclass(path: str, name: str, **methods: Any) -> Fault:
    """Return a change that gives a layer other methods, the rest of it as it was."""

    def change(model: SignBart) -> None:
        layer = dict(modules(model))[path]
        layer.__class__ = type("Faulty", (type(layer),), methods)

    return Fault("Keras model", f"{path}: {name}", frozenset({path}), model=change)


def _patched(path: str, name: str, module: Any, attribute: str, function: Any) -> Fault:
    return Fault(
        "Keras model",
        f"{path}: {name}",
        frozenset({path}),
        during=lambda: mock.patch.object(module, attribute, function),
    )


_ACTIVATIONS: dict[str, Any] = {
    "GELU of the tanh form": lambda x: ops.gelu(x, approximate=True),
    "GELU of the sigmoid form": lambda x: x * ops.sigmoid(1.702 * x),
    "ReLU": ops.relu,
}


def _bias_unscaled(
    self: Any, queries: Any, memory: Any, mask: Any, training: bool | None = None
) -> Any:
    q = self.split(queries @ self.q_proj.kernel * self.scaling + self.q_proj.bias)
    k, v = self.split(self.k_proj(memory)), self.split(self.v_proj(memory))
    return self.out_proj(self.merge(ops.softmax(q @ ops.swapaxes(k, -1, -2) + mask) @ v))


def _other_split(self: Any, states: Any) -> Any:
    batch, frames = ops.shape(states)[:2]
    parts = ops.reshape(states, (batch, frames, self.d_model // self.heads, self.heads))
    return ops.transpose(parts, (0, 3, 1, 2))


def _positions_from(row: int) -> Any:
    def call(self: Any, hidden_states: Any) -> Any:
        table = ops.convert_to_tensor(self.embeddings)
        return table[None, row : row + ops.shape(hidden_states)[1]]

    return call


def _last(function: Callable[[Any], Any]) -> Any:
    def call(self: Any, hidden_states: Any, attention_mask: Any) -> Any:
        frames = ops.arange(ops.shape(attention_mask)[1], dtype="int32")
        one_hot = ops.cast(frames == function(attention_mask)[:, None, None], hidden_states.dtype)
        return one_hot @ hidden_states

    return call


_LAST: dict[str, Callable[[Any], Any]] = {
    "the frame before": lambda mask: ops.maximum(masks.last_frame(mask) - 1, 0),
    "the last of all": lambda mask: 0 * masks.last_frame(mask) + mask.shape[1] - 1,
    "counted frames": lambda mask: ops.cast(ops.maximum(ops.sum(mask, axis=1) - 1, 0), "int32"),
    "the first": lambda mask: 0 * masks.last_frame(mask),
}


def _doubled(kind: str) -> Any:
    """Return a change that adds a residual connection too many, after the feed-forward network."""

    def call(self: Any, hidden_states: Any, *rest: Any, **options: Any) -> Any:
        options.pop("training", None)
        h = self.self_attn_layer_norm(
            hidden_states + self.self_attn(hidden_states, hidden_states, rest[0])
        )
        if kind == "DecoderLayer":
            h = self.encoder_attn_layer_norm(h + self.encoder_attn(h, rest[1], rest[2]))
        return self.final_layer_norm(2 * h + self.fc2(self.activation_fn(self.fc1(h))))

    return call


def _weak_padding(value: float) -> Any:
    def mask(attention_mask: Any, dtype: str, bound: None = None) -> Any:
        return ops.cast(ops.where(attention_mask == 1, 0.0, value), dtype)[:, None, None, :]

    return mask


def _shifted(shift: int) -> Any:
    return lambda queries, *rest: masks.causal_mask(queries + shift, *rest)


def _leveled(queries: Any, attention_mask: Any, dtype: str, bound: None = None) -> Any:
    return ops.maximum(
        masks.causal_mask(queries, attention_mask, dtype), ops.cast(np.float32(-(2.0**75)), dtype)
    )


def _swapped_coordinates(self: Any, keypoints: Any) -> Any:
    return layers.Projection.call(self, keypoints[..., ::-1])


def _reversed_joints(self: Any, keypoints: Any) -> Any:
    picked = ops.take(keypoints, sorted(self.config.joint_idx, reverse=True), axis=2)
    return self.proj_x1(picked[..., 0]), self.proj_y1(picked[..., 1])


# --- the file -------------------------------------------------------------------------------------


def _in_weights(plan: Plan, rng: np.random.Generator) -> Iterator[Fault]:
    """Yield faults of one bit in one weight, of every significance."""
    bits = cycle(range(32))
    for t in islice(cycle(_some(list(plan.transfers), rng, 64)), 64):
        bit, element = next(bits), int(rng.integers(np.prod(t.keras_shape)))
        yield Fault(
            ".h5",
            f"bit {bit} of {t.keras}[{element}]",
            frozenset({t.module}),
            weights=_flip(t.keras, element, bit),
        )


def _flip(path: str, element: int, bit: int) -> Callable[[Arrays], None]:
    def flip(weights: Arrays) -> None:
        changed = np.ascontiguousarray(weights[path]).copy()
        changed.reshape(-1).view(np.uint32)[element] ^= np.uint32(1 << bit)
        weights[path] = changed

    return flip


def _in_tflite(
    quantization: str, path: Path, model: SignBart, rng: np.random.Generator
) -> Iterator[Fault]:
    """Yield faults of one bit in one weight of a .tflite, as the file has it."""
    tensors = {weight.path: np.asarray(weight) for weight in model.weights}
    found = match(model_file.read(path), model.config, tensors)
    modules_of: dict[str, set[str]] = {}
    for weight, held in found.held.items():
        paths = (weight, *held.form.also)
        modules_of.setdefault(held.constant.name, set()).update(
            path.rpartition("/")[0].replace("/", ".") for path in paths
        )
    tree = object_tree.parsed(path.read_bytes())
    every = constants.of(tree, model_file.SIGNATURE)
    stored = [c for _, c in every if c.name in modules_of]
    for constant in _some(stored, rng, 16):
        values = constant.values
        element, bit = int(rng.integers(values.size)), int(rng.integers(8 * values.itemsize))
        yield Fault(
            f".tflite, {quantization}",
            f"bit {bit} of {constant.name[:60]}[{element}] ({values.dtype})",
            frozenset(modules_of[constant.name]),
            quantization=quantization,
            file=_flip_in_file(constant.name, element, bit),
        )


def _flip_in_file(name: str, element: int, bit: int) -> Callable[[bytearray], None]:
    def flip(data: bytearray) -> None:
        tree = object_tree.parsed(data)
        every = constants.of(tree, model_file.SIGNATURE)
        (tensor,) = (t for t, constant in every if constant.name == name)
        raw = tree.buffers[tensor.buffer].data  # a view of `data`
        itemsize = len(raw) // int(np.prod(tensor.shape))
        raw[element * itemsize + bit // 8] ^= np.uint8(1 << bit % 8)

    return flip
