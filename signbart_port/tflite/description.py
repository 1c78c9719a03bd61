"""A SignBART's .tflite in plain data: all that code in another language needs to feed it.

A rule that is data here need not be written a second time there: `web/site/*.js` reads these.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.config.skeletons import KNOWN, Skeleton
from signbart_port.data import clip_fitting, preprocessing
from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.model_interface import Interface
from signbart_port.errors import PortError
from signbart_port.tflite import metadata, model_file
from signbart_port.tflite.card import Card, without_card
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite.signature_graph import Tensor

SCHEMA = 1


def describe(path: str | Path) -> dict[str, Any]:
    """Describe a .tflite by its bytes and its card; the fields are those of `description.json`.

    Raises PortError for anything but a SignBART's .tflite.
    """
    path = Path(path)
    files = model_file.read_all(path)[::-1]  # the shortest first
    first = files[-1]
    if first.contract:
        what = f"has the interface of {first.contract}, which pages and programs are not made for"
        raise PortError(path, what, "Make another file, without --contract")
    lengths = tuple(file.frames for file in files if file.frames is not None)
    card = metadata.read(path) or without_card(first.joints, lengths, first.output)
    return {
        "schema": SCHEMA,
        "model": {"name": path.name, "sha256": first.sha256},
        "output": card.output,
        "classes": first.labels,
        "labels": None if card.labels is None else list(card.labels),
        "signatures": [_signature(file) for file in files],
        "first_graph": next((file.signature for file in files if file.graph == 0), None),
        **preparation(card.interface_of(path), card),
    }


def preparation(interface: Interface, card: Card) -> dict[str, Any]:
    """Describe what raw clips become before they are padded."""
    read, _ = interface.reads(card)
    return {
        "frames": card.most_frames,
        "reads": {"skeleton": read.name, "points": read.points},
        "clips": list(_clips(interface, card)),
        "normalization": _normalization(interface),
        "keypoints": _keypoints(interface, card),
    }


def _signature(file: TFLiteFile) -> dict[str, Any]:
    return {
        "name": file.signature,
        "frames": file.frames,
        "positions": list(file.positions),
        "inputs": {name: _tensor(one) for name, one in file.inputs.items()},
        "outputs": {name: _tensor(one) for name, one in file.outputs.items()},
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "shape": list(tensor.shape),
        "type": tensor.type.lower(),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _clips(interface: Interface, card: Card) -> Iterator[dict[str, Any]]:
    """Yield how clips are read: of each known skeleton, and of none that is named, by the number of
    their points."""
    read, joints = interface.reads(card)
    counts = sorted({skeleton.points for skeleton in (read, *KNOWN.values())})
    for name, skeleton in [(None, None), *KNOWN.items()]:
        for points in counts:
            if skeleton is None or clip_fitting.can_have(skeleton, points):
                fitted = _fitted(ClipFormat(name), points, read, joints)
                yield {"skeleton": name, "points": points, **fitted, **_groups(interface, fitted)}


def _fitted(
    form: ClipFormat, points: int, read: Skeleton, joints: tuple[int, ...]
) -> dict[str, Any]:
    """Return which point of such a clip becomes each of those that are read, -1 for none; or why
    such a clip is refused."""
    numbered = np.arange(1.0, points + 1)[None, :, None].repeat(2, axis=-1)
    try:
        fitted = clip_fitting.fit(numbered, form, read, joints)
    except ValueError as error:
        return {"refused": str(error)}
    return {"selection": (fitted[0, :, 0].astype(int) - 1).tolist()}


def _groups(interface: Interface, fitted: dict[str, Any]) -> dict[str, Any]:
    """Return the runs of points that are normalized together: the first, and one past the last."""
    if interface.preprocessing or "selection" not in fitted:
        return {}
    spans = interface.skeleton.spans(len(fitted["selection"]))
    return {"groups": [[group.start, group.stop] for group in spans]}


def _normalization(interface: Interface) -> dict[str, Any] | None:
    """Return the variant of the normalization; None where the file itself normalizes."""
    if interface.preprocessing:
        return None
    return {"count_missing": interface.count_missing, "margin": preprocessing.MARGIN}


def _keypoints(interface: Interface, card: Card) -> list[int]:
    """Return which of the points that are read become the keypoints of a signature."""
    if interface.preprocessing or card.layout == "full":
        return list(range(interface.keypoints))
    return list(card.joint_idx[: interface.keypoints])
