"""How the tensors of one unit of PyTorch become those of one of Keras, as their shapes tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from signbart_port.transfer.axes import Axes, parse
from signbart_port.transfer.sizes import Shape
from signbart_port.transfer.suggest.live.units import Tensor, Unit
from signbart_port.transfer.suggest.text import plain

_SQUARE = "a square kernel: transposed or not"
_CUT = "rows that Keras lacks: the first, or others"
_SPLIT = "query, key and value in one: in this order, or in another"
_FILL = "a bias that one side lacks"
_MOST_CUT = 4
_HEADS = "(heads width) -> heads width"
# The axes of kernels and of their biases: as PyTorch's modules keep them, outputs first ...
_KERNELS = (
    ("linear", "out in -> in out", "out"),
    ("to_heads", "(heads width) in -> in heads width", _HEADS),
    ("from_heads", "out (heads width) -> heads width out", "out"),
    ("conv", "out in step -> step in out", "out"),
    ("conv", "out in y x -> y x in out", "out"),
    ("conv", "out in z y x -> z y x in out", "out"),
    ("conv_transpose", "in out step -> step out in", "out"),
    ("conv_transpose", "in out y x -> y x out in", "out"),
    ("conv_transpose", "in out z y x -> z y x out in", "out"),
    ("depthwise", "channel 1 step -> step channel 1", "channel"),
    ("depthwise", "channel 1 y x -> y x channel 1", "channel"),
    ("depthwise", "(channel times) 1 step -> step channel times", "(channel times)"),
    ("depthwise", "(channel times) 1 y x -> y x channel times", "(channel times)"),
    ("pointwise", "out in 1 -> in out", "out"),
    ("pointwise", "out in 1 1 -> in out", "out"),
    ("pointwise", "out in -> 1 in out", "out"),
    ("pointwise", "out in -> 1 1 in out", "out"),
)
# ... and as Hugging Face's Conv1D does, inputs first.
_INPUTS_FIRST = (
    ("linear", "in out", "out"),
    ("to_heads", "in (heads width) -> in heads width", _HEADS),
    ("from_heads", "(heads width) out -> heads width out", "out"),
)
_CONV1D = "Conv1D"
_LINEAR = ("Linear", "NonDynamicallyQuantizableLinear")
_AXES = ("u", "z", "y", "x", "rows", "width")


@dataclass(frozen=True)
class Recipe:
    """A kind of layers: what one rule does."""

    kind: str
    tensors: tuple[str, ...]
    """The lines of the kind."""
    doubts: tuple[str, ...] = ()
    """What the shapes leave open."""


def recipe(torch: Unit, keras: Unit, of_class: str) -> Recipe | None:
    """Return how a unit of PyTorch, a module of the class `of_class`, becomes one of Keras; None
    where it cannot."""
    makers = (_recurrent(torch, keras), _kernel(torch, keras, of_class), _norm(torch, keras))
    return next(filter(None, (*makers, _table(torch, keras), _parameter(torch, keras))), None)


def _recurrent(torch: Unit, keras: Unit) -> Recipe | None:
    """Return how an LSTM, a GRU or a simple cell moves, from the names of its tensors."""
    given, wanted = torch.tensors, keras.tensors
    if not {"weight_ih", "weight_hh"} <= given.keys() or "recurrent" not in wanted:
        return None
    (rows, units), *_ = given["weight_hh"].shapes
    gru = rows == 3 * units
    order = ["order: {gate: [1, 0, 2]}"] if gru else []
    gates = "(gate units)" if gru else "gates"
    lines = [
        _line(given["weight_ih"], wanted["weight"], "gates in -> in gates", *order),
        _line(given["weight_hh"], wanted["recurrent"], "gates state -> state gates", *order),
    ]
    if ("bias" in wanted) != ("bias_ih" in given):
        return None
    if "bias" in wanted:
        names = given["bias_ih"].names + given["bias_hh"].names
        both = Tensor(names, given["bias_ih"].shapes)
        if len(wanted["bias"].shapes[0]) == 2:
            one = Tensor(wanted["bias"].names, tuple(s[1:] for s in wanted["bias"].shapes))
            lines.append(_line(both, one, "gates", "stack: 0", *order))
        elif gru:
            return None  # PyTorch's second bias is within a product
        else:
            lossy = 'lossy: "the sum in bias_ih, zeros in bias_hh"'
            lines.append(_line(both, wanted["bias"], "gates", "sum: true", lossy))
    if not all(lines):
        return None
    tensors = tuple(line.replace("gates", gates) for line in lines if line)
    return Recipe("gru" if gru else "lstm" if rows == 4 * units else "rnn", tensors)


def _kernel(torch: Unit, keras: Unit, of_class: str) -> Recipe | None:
    """Return how a dense layer, a convolution or a projection to heads moves."""
    if not _has(torch, keras, "weight", optional="bias") or _leaf(keras) != "kernel":
        return None
    if torch.tensors["weight"].values != keras.tensors["weight"].values:
        return None
    found, others = (
        [made for one in table if (made := _of_kernel(torch, keras, *one))]
        for table in (_KERNELS, _INPUTS_FIRST)
    )
    if others and (not found or of_class == _CONV1D):
        return others[0]
    if not found:
        return None
    settled = not others or of_class in _LINEAR or torch.fused
    made = found[0]
    return made if settled else Recipe(made.kind, made.tensors, (*made.doubts, _SQUARE))


def _of_kernel(torch: Unit, keras: Unit, kind: str, kernel: str, bias: str) -> Recipe | None:
    doubts = []
    lines = [_line(torch.tensors["weight"], keras.tensors["weight"], kernel)]
    if "bias" in torch.tensors and "bias" in keras.tensors:
        if not (torch.fused or keras.fused) and not _agree(torch, kernel, bias):
            return None
        lines.append(_line(torch.tensors["bias"], keras.tensors["bias"], bias))
    elif lone := list(_filled(torch, keras, bias)):
        lines += lone
        doubts.append(_FILL)
        kind += "_and_bias"
    if torch.fused or keras.fused:
        kind = f"three_{kind}"
        if not torch.fused or len(torch.tensors["weight"].names) > 1:  # no in_proj_weight
            doubts.append(_SPLIT)
    tensors = tuple(filter(None, lines))
    return Recipe(kind, tensors, tuple(doubts)) if len(tensors) == len(lines) else None


def _agree(torch: Unit, kernel: str, bias: str) -> bool:
    """Return whether a bias is as long as the axis of the kernel that it is for."""
    (axis, *_), kernels = _parsed(bias).torch, _parsed(kernel).torch
    shapes = zip(torch.tensors["weight"].shapes, torch.tensors["bias"].shapes, strict=True)
    return all((weight[kernels.index(axis)],) == length for weight, length in shapes)


def _norm(torch: Unit, keras: Unit) -> Recipe | None:
    """Return how a normalization moves, that of batches with its statistics."""
    if not _has(torch, keras, "weight", optional="bias", both=("mean", "variance")):
        return None
    if _leaf(keras) not in ("gamma", "scale"):
        return None
    if torch.tensors["weight"].values != keras.tensors["weight"].values:
        return None
    axes = " ".join(_AXES[-len(torch.tensors["weight"].shapes[0]) :])
    shared = torch.tensors.keys() & keras.tensors.keys()
    lines: list[str | None] = [
        _line(torch.tensors[role], tensor, axes)
        for role, tensor in keras.tensors.items()
        if role in shared
    ]
    lone = list(_filled(torch, keras, axes))
    tensors = tuple(filter(None, [*lines, *lone]))
    kind = "batch_norm" if "mean" in shared else "norm"
    doubts = (_FILL,) if lone else ()
    return Recipe(kind, tensors, doubts) if len(tensors) == len(lines) + len(lone) else None


def _table(torch: Unit, keras: Unit) -> Recipe | None:
    """Return how an embedding moves."""
    if not _has(torch, keras, "weight") or _leaf(keras) != "embeddings":
        return None
    given, wanted = torch.tensors["weight"], keras.tensors["weight"]
    kind = "tied_table" if given.tied else "table"
    if line := _line(given, wanted, "rows width"):
        return Recipe(kind, (line,))
    lacking = {t[0] - k[0] for t, k in zip(given.shapes, wanted.shapes, strict=True)}
    if given.tied or len(lacking) > 1 or not 0 < (rows := lacking.pop()) <= _MOST_CUT:
        return None
    shorter = Tensor(given.names, tuple((t[0] - rows, *t[1:]) for t in given.shapes))
    cut = f"cut: {{rows: [{rows}, 0]}}", 'lossy: "zeros in the rows that Keras lacks"'
    line = _line(shorter, wanted, "rows width", *cut)
    return Recipe("positions", (line,), (_CUT,)) if line else None


def _parameter(torch: Unit, keras: Unit) -> Recipe | None:
    """Return how a tensor without a layer of its own moves: as it is, but for axes of length 1."""
    if "parameter" not in {*torch.tensors, *keras.tensors}:
        return None
    if len(torch.tensors) > 1 or len(keras.tensors) > 1:
        return None
    (given,), (wanted,) = torch.tensors.values(), keras.tensors.values()
    axes, kept = [], [length for length in given.shapes[0] if length > 1]
    names = _AXES[-len(kept) :] if len(kept) <= len(_AXES) else ()
    for shape in (given.shapes[0], wanted.shapes[0]):
        if [length for length in shape if length > 1] != kept or (kept and not names):
            return None
        left = iter(names)
        axes.append(" ".join("1" if length == 1 else next(left) for length in shape))
    line = _line(given, wanted, " -> ".join(dict.fromkeys(axes)))
    return Recipe("parameter", (line,)) if line else None


def _has(torch: Unit, keras: Unit, role: str, optional: str = "", both: Sequence[str] = ()) -> bool:
    """Return whether both units have a tensor of this role, and nothing else: but for one that a
    side may lack, and those that both have or none."""
    given, wanted = {*torch.tensors}, {*keras.tensors}
    return (
        role in given & wanted
        and given ^ wanted <= {optional}
        and given | wanted <= {role, optional, *both}
    )


def _leaf(keras: Unit) -> str:
    """Return the name of the layer's weight, without the layers in between."""
    return keras.tensors["weight"].names[0].rpartition("/")[2]


def _filled(torch: Unit, keras: Unit, axes: str) -> Iterator[str]:
    """Yield lines for a bias that one side lacks."""
    sides = zip((torch, keras), ("torch", "keras"), axes.split(" -> ") * 2, strict=False)
    if ("bias" in torch.tensors) != ("bias" in keras.tensors):
        for unit, side, own in sides:
            for name in unit.tensors["bias"].names if "bias" in unit.tensors else ():
                yield f"{{{side}: {plain(name)}, axes: {own}, fill: 0}}"


def _line(torch: Tensor, keras: Tensor, text: str, *more: str) -> str | None:
    """Return a line for one tensor, or for several that are one; None where these axes do not fit
    the shapes."""
    axes = _parsed(text)
    given, wanted = torch.shapes, keras.shapes
    entries = [f"torch: {_names(torch)}", f"keras: {_names(keras)}", f"axes: {text}", *more]
    if torch.tied:
        entries.append("tie: true")
    elif len(torch.names) != len(keras.names) and not more:
        of_keras = len(torch.names) > 1
        groups = axes.keras if of_keras else axes.torch
        outputs = (n for n, group in enumerate(groups) if {"out", "heads"}.intersection(group))
        if (at := next(outputs, None)) is None:
            return None
        entries.append(f"concat: {at}")
        count = max(len(torch.names), len(keras.names))
        one = [_share(shape, at, count) for shape in (wanted if of_keras else given)]
        given, wanted = (given, tuple(one)) if of_keras else (tuple(one), wanted)
    elif len(torch.names) > 1 and not more:
        return None  # several on both sides
    fit = all(_fits(axes, *shapes) for shapes in zip(given, wanted, strict=True))
    return f"{{{', '.join(entries)}}}" if fit else None


_parsed = cache(parse)


def _share(shape: Shape, at: int, count: int) -> Shape:
    """Return the shape of one of `count` equal tensors; one that nothing fits where there is
    none."""
    if at >= len(shape) or shape[at] % count:
        return ()
    return (*shape[:at], shape[at] // count, *shape[at + 1 :])


def _fits(axes: Axes, torch: Shape, keras: Shape) -> bool:
    lengths: dict[str, int] = {}
    for groups, shape in ((axes.torch, torch), (axes.keras, keras)):
        if len(groups) != len(shape):
            return False
        for group, length in zip(groups, shape, strict=True):
            if len(group) == 1 and lengths.setdefault(group[0], length) != length:
                return False
    known = all(name in lengths for name in axes.names)
    return known and axes.shapes(lengths) == (torch, keras)


def _names(tensor: Tensor) -> str:
    names = [plain(name) for name in tensor.names]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"
