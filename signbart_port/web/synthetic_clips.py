"""SYNTHETIC clips for a page: nobody signed them, and no file of anybody's is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.config.skeletons import MEDIAPIPE_75
from signbart_port.data.synthetic.signers import invent_signer, perform
from signbart_port.data.synthetic.signs import SIGNS
from signbart_port.errors import PortError

_CLIPS = 8
_SEED = 379


def write_clips(folder: Path, shortest: int) -> list[Path]:
    """Write a few clips to a folder, the same ones every time, and return their paths; of the last
    one only so many frames, at most, that it goes to the `shortest` signature."""
    paths = []
    for number, sign in enumerate(SIGNS[:_CLIPS], 1):
        rng = np.random.default_rng([_SEED, number])
        clip = perform(sign, invent_signer(rng), rng)
        if number == _CLIPS:
            clip = clip[:: -(-len(clip) // shortest)]
        paths.append(folder / f"{sign.label}.npz")
        np.savez(paths[-1], keypoints=clip, label=np.array(sign.label))
    return paths


def stated_skeleton(model: Path, description: dict[str, Any]) -> str | None:
    """Return what must be said of the clips' skeleton for a model; None where it is the model's
    own. Raises PortError where they lack what the model reads."""
    refused = {
        one["skeleton"]: one.get("refused")
        for one in description["clips"]
        if one["points"] == MEDIAPIPE_75.points
    }
    if refused[None] is None:
        return None
    if (why := refused[MEDIAPIPE_75.name]) is not None:
        what = f"the synthetic clips do not fit it: {why}"
        raise PortError(model, what, "Give clips of your own")
    return MEDIAPIPE_75.name
