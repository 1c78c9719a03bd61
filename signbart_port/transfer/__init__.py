"""The transfer engine: a mapping becomes a plan, which is checked and applied in either direction.

Plain data in and out (dicts of NumPy arrays); no framework is imported.
"""

from signbart_port.transfer.apply import apply, in_float64, renamed
from signbart_port.transfer.check import Code, Finding, check, compare, gathered, same_bits, summary
from signbart_port.transfer.mapping import WeightMapping
from signbart_port.transfer.mapping_file import load
from signbart_port.transfer.ops import Direction
from signbart_port.transfer.plan import Plan, Transfer, plan
from signbart_port.transfer.sizes import (
    Shapes,
    sizes_from_shapes,
    torch_constants,
    torch_names,
    torch_sizes,
)

__all__ = [
    "Code",
    "Direction",
    "Finding",
    "Plan",
    "Shapes",
    "Transfer",
    "WeightMapping",
    "apply",
    "check",
    "compare",
    "gathered",
    "in_float64",
    "load",
    "plan",
    "renamed",
    "same_bits",
    "sizes_from_shapes",
    "summary",
    "torch_constants",
    "torch_names",
    "torch_sizes",
]
