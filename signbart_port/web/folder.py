"""A site in a folder: the page, LiteRT.js, a .tflite, and what it must give."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from signbart_port.data import coordinates
from signbart_port.errors import printable
from signbart_port.system.version import __version__
from signbart_port.tflite import metadata
from signbart_port.tflite.card import without_card
from signbart_port.tflite.card_facts import card_facts
from signbart_port.tflite.runner import NO_CARD
from signbart_port.web.drawing import edges

MODEL, GOLDEN, DATA = "model.tflite", "golden.json", "site.json"
_LONGEST = 1000  # characters of a line about the file


def write(folder: Path, model: Path, description: dict[str, Any], about_clips: str) -> None:
    """Write a site to an empty folder that has its golden vectors."""
    for part in ("site", "litert"):
        with resources.as_file(resources.files(__package__) / part) as source:
            to = folder if part == "site" else folder / part
            shutil.copytree(source, to, dirs_exist_ok=True)
    shutil.copyfile(model, folder / MODEL)
    text = json.dumps(_data(model, description, about_clips), ensure_ascii=False)
    (folder / DATA).write_text(text + "\n", encoding="utf-8")


def _data(model: Path, description: dict[str, Any], about_clips: str) -> dict[str, Any]:
    """Return what the page says of the file, and the rules that it follows."""
    card = metadata.read(model)
    tensors = description["signatures"][-1]["inputs"]
    taken_for = card or without_card(tensors["keypoints"]["shape"][2], (), description["output"])
    skeleton, _ = taken_for.interface_of(model).reads(taken_for)
    rows = [
        ("name", description["model"]["name"]),
        ("size", f"{model.stat().st_size:,} bytes"),
        ("SHA-256", description["model"]["sha256"]),
        *(card_facts(card) if card else [("note", NO_CARD)]),
    ]
    return {
        "version": __version__,
        "model": description["model"],
        "facts": [[label, printable(text, _LONGEST)] for label, text in rows],
        "skeleton": {"edges": edges(skeleton), "hands": skeleton.hands},
        "coordinates": coordinates.rules(),
        "clips": about_clips,
    }
