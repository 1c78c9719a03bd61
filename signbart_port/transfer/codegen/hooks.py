"""The operation on one tensor as a Python expression.

It reads `hf_tensor`, a NumPy array, and `keras_shape`, the list of lengths of the variable. What a
mapping leaves to the models is read off the two when the expression runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from signbart_port.transfer.axes import Axes, Group
from signbart_port.transfer.mapping import Join, Leaf

TENSOR, SHAPE = "hf_tensor", "keras_shape"
_AS_IT_IS = TENSOR


class UnknownLength(ValueError):
    """An axis whose length no shape tells."""


def hook(leaf: Leaf) -> str:
    """Return what takes a tensor of PyTorch to Keras; empty where nothing happens to it.

    Raises UnknownLength for an axis that is part of a longer one on both sides.
    """
    axes, value = leaf.axes, TENSOR
    if leaf.cut:
        axis, front, end = leaf.cut
        index = [":"] * axes.torch.index((axis,))
        value += f"[{', '.join([*index, f'{front or str()}:{-end if end else str()}'])}]"
    moved = None if leaf.order else _moved(axes, value)
    value = _split(leaf, value) if moved is None else moved
    if leaf.add:
        value += f" + np.asarray({leaf.add!r}, {TENSOR}.dtype)"
    return "" if value == _AS_IT_IS else value


def _moved(axes: Axes, value: str) -> str | None:
    """Return the expression that moves whole axes and then has Keras' shape; None where an axis of
    PyTorch has to be split before it."""
    named = [n for n, group in enumerate(axes.torch) if group]
    moves: list[int] = []
    ahead = list(axes.in_keras)
    while ahead:
        first = next((n for n in named if axes.torch[n][0] == ahead[0]), None)
        if first is None or (group := axes.torch[first]) != tuple(ahead[: len(group)]):
            return None
        moves.append(first)
        del ahead[: len(group)]
    if moves != sorted(moves):
        moves += [n for n in range(len(axes.torch)) if n not in moves]
        value = _transposed(value, moves)
    else:
        moves = list(range(len(axes.torch)))
    return _shaped(value, [axes.torch[n] for n in moves], axes.keras)


def _split(leaf: Leaf, value: str) -> str:
    """Return the expression that splits every axis into those that have names."""
    axes, lengths = leaf.axes, _lengths(leaf)
    if any(len(group) != 1 for group in axes.torch):
        value = f"np.reshape({value}, {_tuple([lengths[name] for name in axes.names])})"
    if leaf.order:
        axis, order = leaf.order
        value = f"np.take({value}, {list(order)}, axis={axes.names.index(axis)})"
    moves = [axes.names.index(name) for name in axes.in_keras]
    if moves != sorted(moves):
        value = _transposed(value, moves)
    return _shaped(value, [(name,) for name in axes.in_keras], axes.keras)


def _transposed(value: str, moves: Sequence[int]) -> str:
    if list(moves) == list(range(len(moves)))[::-1]:
        return f"np.transpose({value})"
    return f"np.transpose({value}, {_tuple(map(str, moves))})"


def _shaped(value: str, have: Sequence[Group], want: Sequence[Group]) -> str:
    return value if list(have) == list(want) else f"np.reshape({value}, {SHAPE})"


def _lengths(leaf: Leaf) -> dict[str, str]:
    """Return an expression for the length of every axis that has a name."""
    known = {leaf.order[0]: str(len(leaf.order[1]))} if leaf.order else {}
    whole = list(_whole(leaf))
    while True:
        before = len(known)
        for group, length in whole:
            unknown = [name for name in group if name not in known]
            if len(unknown) == 1:
                others = [known[name] for name in group if name != unknown[0]]
                known[unknown[0]] = " // ".join([length, *map(_bracketed, others)])
        if len(known) == before:
            break
    if lost := [name for name in leaf.axes.names if name not in known]:
        raise UnknownLength(lost[0])
    return known


def _whole(leaf: Leaf) -> Iterator[tuple[Group, str]]:
    """Yield the axes of both sides whose lengths the shapes tell, without what is joined or cut."""
    share = leaf.share
    for n, group in enumerate(leaf.axes.torch):
        if not (leaf.cut and group == (leaf.cut[0],)):
            yield group, f"{TENSOR}.shape[{n}]"
    joined = share.axis if share and share.of_keras and share.join is Join.CONCAT else None
    for n, group in enumerate(leaf.axes.keras):
        if n != joined:
            yield group, f"{SHAPE}[{n}]"


def _bracketed(expression: str) -> str:
    return f"({expression})" if " " in expression else expression


def _tuple(items: Sequence[str] | Iterator[str]) -> str:
    items = list(items)
    return f"({', '.join(items)},)" if len(items) == 1 else f"({', '.join(items)})"
