"""SYNTHETIC clips for a page: nobody signed them, and no file of anybody's is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from signbart_port.config.skeletons import MEDIAPIPE_75
from signbart_port.data.synthetic.signers import invent_signer, perform
from signbart_port.data.synthetic.signs import SIGNS

SKELETON = MEDIAPIPE_75.name
ABOUT = "These clips are synthetic: a drawn skeleton moves, and nobody signed."
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
