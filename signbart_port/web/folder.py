"""A site in a folder: the page, LiteRT.js, a .tflite, and what it must give."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from signbart_port.config.skeletons import Skeleton
from signbart_port.data import coordinates
from signbart_port.errors import printable
from signbart_port.system.version import __version__
from signbart_port.tflite import metadata
from signbart_port.tflite.card import Card, without_card
from signbart_port.tflite.card_facts import card_facts
from signbart_port.tflite.runner import NO_CARD
from signbart_port.web import camera
from signbart_port.web.drawing import edges

MODEL, GOLDEN, DATA = "model.tflite", "golden.json", "site.json"
SYNTHETIC = "These clips are synthetic: a drawn skeleton moves, and nobody signed."
OWN = "These clips are those that the page was made with."
_LONGEST = 1000  # characters of a line about the file


def write(
    folder: Path,
    model: Path,
    description: dict[str, Any],
    *,
    with_camera: Path | None,
    synthetic: bool,
) -> None:
    """Write all but the golden vectors to an empty folder.

    `with_camera` is the folder of MediaPipe's package, and the clips of the golden vectors may be
    `synthetic`. Raises PortError for files that cannot be used.
    """
    for part, to in (("site", folder), ("litert", folder / "litert")):
        to.mkdir(exist_ok=True)
        for source in (resources.files(__package__) / part).iterdir():
            (to / source.name).write_bytes(source.read_bytes())
    shutil.copyfile(model, folder / MODEL)
    card, skeleton = _card_and_skeleton(model, description)
    if with_camera is not None:
        camera.check_skeleton(model, skeleton)
        camera.copy(with_camera, folder)
    rows = [
        ("name", description["model"]["name"]),
        ("size", f"{model.stat().st_size:,} bytes"),
        ("SHA-256", description["model"]["sha256"]),
        *(card_facts(card) if card else [("note", NO_CARD)]),
    ]
    data = {
        "version": __version__,
        "model": description["model"],
        "facts": [[label, printable(text, _LONGEST)] for label, text in rows],
        "skeleton": {
            "sources": skeleton.sources,
            "edges": edges(skeleton),
            "hands": skeleton.hands,
        },
        "coordinates": coordinates.rules(),
        "clips": SYNTHETIC if synthetic else OWN,
        "camera": with_camera is not None,
    }
    text = json.dumps(data, ensure_ascii=False)
    (folder / DATA).write_text(text + "\n", encoding="utf-8")


def _card_and_skeleton(model: Path, description: dict[str, Any]) -> tuple[Card | None, Skeleton]:
    """Return the card of a file, and the skeleton of its raw clips."""
    card = metadata.read(model)
    keypoints = description["signatures"][-1]["inputs"]["keypoints"]["shape"][2]
    taken_for = card or without_card(keypoints, (), description["output"])
    return card, taken_for.interface_of(model).reads(taken_for)[0]
