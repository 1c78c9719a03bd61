"""A number for each operator of a .tflite, in the format that Google's Model Explorer lays over its
graphs: custom node data, by the name of a graph and the number of an operator in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite

_GRADIENT = ((0, "#ffffff"), (1, "#e5484d"))
"""The colors of the least and the largest value, and where they stand between the two."""


def to_json(name: str, graphs: Mapping[str, Sequence[float]]) -> str:
    """Return the values of the operators of each graph, in the file's order, as node data of this
    `name`; an operator whose value is not finite has none."""
    gradient = [{"stop": stop, "bgColor": color} for stop, color in _GRADIENT]
    data = {
        graph: {
            "name": name,
            "results": {
                str(number): {"value": float(value)}
                for number, value in enumerate(values)
                if isfinite(value)
            },
            "gradient": gradient,
        }
        for graph, values in graphs.items()
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
