"""Node data for Model Explorer: what its reader takes."""

from __future__ import annotations

import json
from math import nan

import jsonschema

from signbart_port.tflite.node_data import to_json

# `ModelNodeData` of the package ai-edge-model-explorer 0.1.34, as far as it is used here.
SCHEMA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "required": ["results"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "results": {
                "type": "object",
                "propertyNames": {"pattern": r"^(0|[1-9][0-9]*)$"},
                "additionalProperties": {
                    "type": "object",
                    "required": ["value"],
                    "additionalProperties": False,
                    "properties": {"value": {"type": "number"}},
                },
            },
            "gradient": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["stop", "bgColor"],
                    "additionalProperties": False,
                    "properties": {
                        "stop": {"type": "number", "minimum": 0, "maximum": 1},
                        "bgColor": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                    },
                },
            },
        },
    },
}


def test_values_by_graph_and_operator() -> None:
    data = json.loads(to_json("error", {"main": [0.5, nan, 0.0], "frames_16": [nan, 1e-3]}))
    jsonschema.validate(data, SCHEMA)
    assert [*data] == ["main", "frames_16"] and data["main"]["name"] == "error"
    assert data["main"]["results"] == {"0": {"value": 0.5}, "2": {"value": 0.0}}
    assert data["frames_16"]["results"] == {"1": {"value": 1e-3}}
    assert [color["stop"] for color in data["main"]["gradient"]] == [0, 1]
