"""The program that runs one .tflite: its names, shapes, lengths, labels and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from signbart_port.errors import PortError
from signbart_port.programs import literals
from signbart_port.programs.runtimes import Runtime
from signbart_port.system.version import __version__

_CONVERT_AGAIN = "Make it again, with signbart-port tflite"


def write(path: Path, description: Mapping[str, Any], runtime: Runtime) -> str:
    """Return the program for the .tflite at `path`, which `tflite.description` describes.

    Raises PortError where the runtime cannot run the file.
    """
    signatures = description["signatures"]
    check_runs(path, description, runtime)
    values = _values(description) | {
        "primary": signatures[-1],
        "edges": _edges(signatures[-1], description["output"]),
        "quantized": _types(description) == {"int8"},
        "dynamic": signatures[-1]["frames"] is None,
        "comment": runtime.comment,
        "version": __version__,
    }
    return _environment(runtime).get_template(runtime.template).render(values).rstrip() + "\n"


def check_runs(path: Path, description: Mapping[str, Any], runtime: Runtime) -> None:
    """Raise PortError unless a runtime can run a described file as `predict` does."""
    signatures = description["signatures"]
    if types := _types(description) - {"float32"}:
        if not runtime.integers or types != {"int8"} or "float32" in _types(description):
            kinds = " and ".join(sorted(types))
            raise PortError(
                path,
                f"its inputs and output are {kinds}, which {runtime.title} does not take",
                "Every mode of quantization but int8_full has float32 ones",
            )
        edges = [_edges(one, description["output"]) for one in signatures]
        if any(edge != edges[0] for edge in edges):
            what = "its signatures quantize their inputs in different ways"
            raise PortError(path, what, _CONVERT_AGAIN)
    if signatures[-1]["frames"] is None and not runtime.resizes:
        raise PortError(
            path,
            f"its number of frames is set at run time, which {runtime.title} cannot do",
            "Convert with --frames instead of --dynamic-frames",
        )
    if not runtime.signatures and description["first_graph"] != signatures[-1]["name"]:
        raise PortError(
            path,
            f"its first graph is {description['first_graph']}, and {runtime.title} runs no other",
            _CONVERT_AGAIN,
        )


def _values(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates print of a description."""
    read = description["reads"]
    clips = next(
        one
        for one in description["clips"]
        if one["skeleton"] is None and one["points"] == read["points"]
    )
    keypoints = description["keypoints"]
    normalization = description["normalization"]
    picked = keypoints != list(range(len(keypoints)))
    return {
        "name": description["model"]["name"],
        "sha256": description["model"]["sha256"],
        "labels": description["labels"],
        "classes": description["classes"],
        "output": description["output"],
        "frames": description["frames"],
        "signatures": description["signatures"],
        "points": read["points"],
        "skeleton": read["skeleton"],
        "keypoints": keypoints,
        "picked": picked,
        "groups": clips.get("groups", []),
        "preprocessing": normalization is None,
        **(normalization or {}),
    }


def _types(description: Mapping[str, Any]) -> set[str]:
    """Return the types of all inputs and outputs."""
    sides = (one[side] for one in description["signatures"] for side in ("inputs", "outputs"))
    return {tensor["type"] for side in sides for tensor in side.values()}


def _edges(signature: Mapping[str, Any], output: str) -> dict[str, Any]:
    """Return how a signature's inputs and output are quantized."""
    tensors = signature["inputs"] | {"output": signature["outputs"][output]}
    return {
        name: {key: one[key] for key in ("scale", "zero_point")} for name, one in tensors.items()
    }


def _environment(runtime: Runtime) -> Environment:
    # What it makes is no HTML, and every text of the file goes through `literal` or `comment`.
    made = Environment(
        loader=PackageLoader("signbart_port.programs"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "literal": runtime.literal,
        "comment": literals.comment,
        "wrapped": lambda items: literals.wrapped(
            runtime.literal(one) if isinstance(one, str) else str(one) for one in items
        ),
    }
    return made
