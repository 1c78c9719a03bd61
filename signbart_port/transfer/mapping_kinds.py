"""The kinds of layers in a mapping file: the tensors of each, and how they move.

Schema 1 names the dimensions in PyTorch and whether Keras has them reversed; schema 2 the axes on
both sides, and what else happens.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.transfer import axes as notation
from signbart_port.transfer.axes import Axes
from signbart_port.transfer.mapping import Fill, Join, Leaf, Share
from signbart_port.transfer.mapping_blocks import Blocks
from signbart_port.transfer.ops import OPS

_MOST_JOINED = 64
_MOST_CUT = 1_000_000


class KindReader(Blocks):
    """A reader of the tensors of a kind."""

    def __init__(self, path: Path, schema: int, declared: Container[str]) -> None:
        super().__init__(path)
        self.schema, self.declared = schema, declared

    def kind(self, tensors: Sequence[Any]) -> tuple[Leaf | Fill, ...]:
        if self.schema == 1:
            return tuple(self.named_op(tensor) for tensor in tensors)
        return tuple(one for tensor in tensors for one in self.tensor(tensor))

    def named_op(self, tensor: Any) -> Leaf:
        """Return a tensor of schema 1."""
        self.keys(tensor, required={"keras", "dims"}, optional={"torch", "op"})
        op = self.text(tensor, "op") if "op" in tensor else "identity"
        if op not in OPS:
            known = ", ".join(OPS)
            raise self.wrong(tensor, "op", f"unknown op {printable(op)!r}; known: {known}")
        torch = self.name(tensor, "torch") if "torch" in tensor else ""
        axes = notation.of_dims(self.texts(tensor, "dims"), reverse=op == "transpose")
        return Leaf(torch, self.name(tensor, "keras"), axes, line=tensor.line)

    def tensor(self, tensor: Any) -> tuple[Leaf | Fill, ...]:
        """Return a tensor of schema 2: one for each, where several are one on the other side."""
        joins = {join.value for join in Join}
        optional = {"torch", "keras", "order", "cut", "add", "lossy", "fill"} | joins
        self.keys(tensor, required={"axes"}, optional=optional)
        axes = self.axes(tensor)
        if "fill" in tensor:
            return (self.fill(tensor, axes),)
        torch = self.names(tensor, "torch") if "torch" in tensor else ("",)
        keras = self.names(tensor, "keras")
        order, cut, add = self.order(tensor, axes), self.cut(tensor, axes), self.add(tensor)
        shares = self.shares(tensor, axes, torch, keras)
        if cut and shares[0]:
            raise self.wrong(tensor, "cut", "what is cut must be one tensor on both sides")
        lossy = self.lossy(tensor)
        return tuple(
            Leaf(*names, axes, share, order, cut, add, lossy, tensor.line)
            for names, share in zip(product(torch, keras), shares, strict=True)
        )

    def axes(self, tensor: Any) -> Axes:
        try:
            text = tensor.get("axes")
            return notation.parse("1" if text == 1 else self.text(tensor, "axes"))
        except ValueError as error:
            if isinstance(error, PortError):
                raise
            raise self.wrong(tensor, "axes", f"axes: {error}") from None

    def fill(self, tensor: Any, axes: Axes) -> Fill:
        self.keys(tensor, required={"axes", "fill"}, optional={"torch", "keras"})
        if ("torch" in tensor) == ("keras" in tensor):
            what = "what is filled has a name on one side, torch or keras"
            raise self.wrong(tensor, "fill", what)
        torch = self.name(tensor, "torch") if "torch" in tensor else ""
        keras = self.name(tensor, "keras") if "keras" in tensor else ""
        return Fill(torch, keras, axes, self.number(tensor, "fill"), tensor.line)

    def shares(
        self, tensor: Any, axes: Axes, torch: Sequence[str], keras: Sequence[str]
    ) -> tuple[Share | None, ...]:
        """Return the share of each of several tensors in the one of the other side."""
        given = [join for join in Join if join.value in tensor]
        count = max(len(torch), len(keras))
        if min(len(torch), len(keras)) > 1:
            raise self.wrong(tensor, "keras", "there are several names on both sides")
        if (count > 1) != (len(given) == 1) or len(given) > 1:
            joins = ", ".join(join.value for join in Join)
            what = f"several names on a side need one of {joins}, and one name none"
            raise self.wrong(tensor, given[0].value if given else "keras", what)
        if not given:
            return (None,)
        join, of_keras = given[0], len(torch) > 1
        axis = 0
        if join in (Join.CONCAT, Join.STACK):
            rank = len(axes.keras if of_keras else axes.torch) + (join is Join.STACK)
            axis = tensor[join.value]
            if type(axis) is not int or not 0 <= axis < rank:
                what = f"{join.value} must be an axis of the one tensor, from 0 to {rank - 1}"
                raise self.wrong(tensor, join.value, what)
        elif tensor[join.value] is not True:
            raise self.wrong(tensor, join.value, f"{join.value} can only be true")
        elif join is Join.SUM and not of_keras:
            raise self.wrong(tensor, "sum", "sum is for several tensors of PyTorch")
        return tuple(Share(join, number, count, axis, of_keras) for number in range(count))

    def order(self, tensor: Any, axes: Axes) -> tuple[str, tuple[int, ...]] | None:
        if "order" not in tensor:
            return None
        (axis, order), *more = self.block(tensor, "order").items() or [("", None)]
        valid = isinstance(order, list) and all(type(number) is int for number in order)
        if more or axis not in axes.names or not valid or sorted(order) != list(range(len(order))):
            what = "order must be one axis with its blocks, such as {gate: [1, 0, 2]}"
            raise self.wrong(tensor, "order", what)
        return axis, tuple(order)

    def cut(self, tensor: Any, axes: Axes) -> tuple[str, int, int] | None:
        if "cut" not in tensor:
            return None
        (axis, ends), *more = self.block(tensor, "cut").items() or [("", None)]
        valid = isinstance(ends, list) and len(ends) == 2
        valid = valid and all(type(end) is int and 0 <= end <= _MOST_CUT for end in ends)
        if more or (axis,) not in axes.torch or not valid or not any(ends):
            what = "cut must be one axis with what Keras lacks at both ends, such as {rows: [2, 0]}"
            raise self.wrong(tensor, "cut", what)
        return axis, *ends

    def add(self, tensor: Any) -> float:
        if "add" not in tensor:
            return 0.0
        if number := self.number(tensor, "add"):
            return number
        raise self.wrong(tensor, "add", "adding 0 does nothing")

    def lossy(self, tensor: Any) -> str:
        loses = next((key for key in ("sum", "cut", "add") if key in tensor), None)
        if loses and "lossy" not in tensor:
            what = f"{loses} loses values: lossy must say what the way back writes"
            raise self.wrong(tensor, loses, what)
        if not loses and "lossy" in tensor:
            raise self.wrong(tensor, "lossy", "nothing is lost here")
        return self.text(tensor, "lossy") if loses else ""

    def number(self, tensor: Any, key: str) -> float:
        value = tensor[key]
        if type(value) not in (int, float) or not isfinite(value) or abs(value) > _MOST_CUT:
            raise self.wrong(tensor, key, f"{key} must be a number, got {printable(value, 40)}")
        return float(value)

    def names(self, tensor: Any, key: str) -> tuple[str, ...]:
        if not isinstance(tensor.get(key), list):
            return (self.name(tensor, key),)
        names = self.texts(tensor, key)
        if not 1 < len(names) <= _MOST_JOINED or len(set(names)) < len(names) or "" in names:
            raise self.wrong(tensor, key, f"{key} must be one name, or several different ones")
        self.check_placeholders(tensor, key, *names)
        return names

    def name(self, tensor: Any, key: str) -> str:
        name = self.text(tensor, key)
        self.check_placeholders(tensor, key, name)
        return name

    def check_placeholders(self, tensor: Any, key: str, *names: str) -> None:
        text = "".join(names)
        if self.schema == 1 and not {"{", "}"}.isdisjoint(text):
            raise self.wrong(tensor, key, "the tensors of a kind take no placeholders")
        self.check_declared(tensor, key, text, self.declared)
