"""The transfers for readers: by block of the model, with repeated layers folded into one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from signbart_port.parity.blocks import block_of
from signbart_port.transfer.folding import folded, template
from signbart_port.transfer.plan import Placed


@dataclass(frozen=True)
class Placement:
    """Transfers that differ only in their layer: one rule, one operation, one shape."""

    torch: str
    keras: str
    op: str
    shape: tuple[int, ...]
    rule: str
    tensors: tuple[Placed, ...]

    @property
    def count(self) -> int:
        return len(self.tensors)


def placements(placed: Iterable[Placed]) -> dict[str, list[Placement]]:
    """Return the placements of each block (`encoder.layers.{0..1}`), in the order of the
    transfers."""
    alike: dict[tuple[object, ...], list[Placed]] = {}
    for tensor in placed:
        names = template(tensor.torch)[0], template(tensor.keras)[0]
        alike.setdefault((*names, tensor.op, tensor.shape, tensor.rule), []).append(tensor)
    blocks: dict[str, list[Placement]] = {}
    for tensors in alike.values():
        first = tensors[0]
        modules = [tensor.keras.rpartition("/")[0].replace("/", ".") for tensor in tensors]
        blocks.setdefault(_together(map(block_of, modules)), []).append(
            Placement(
                torch=_together(tensor.torch for tensor in tensors),
                keras=_together(tensor.keras for tensor in tensors),
                op=first.op,
                shape=first.shape,
                rule=first.rule,
                tensors=tuple(tensors),
            )
        )
    return blocks


def _together(names: Iterable[str]) -> str:
    shared, numbers = zip(*map(template, names), strict=True)
    return folded(shared[0], numbers)
