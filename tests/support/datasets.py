"""Datasets for tests: made-up clips in the folders that users have."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from signbart_port.config.skeletons import KNOWN, Skeleton
from signbart_port.data.stored_clips import StoredClip, StoredClips

Array = np.ndarray


def parameter_id(value: object) -> str:
    """Return the id of a parameter: the description of the bytes, not the bytes."""
    return value[:40] if isinstance(value, str) else type(value).__name__


def a_clip(seed: int, frames: int = 5, points: int = 75) -> Array:
    """Make distinct keypoints (frames, points, 2) in [0, 1], none of them missing."""
    return 1 - np.random.default_rng(seed).random((frames, points, 2), dtype=np.float32)


def held(clips: Sequence[Array]) -> StoredClips:
    """Return clips as a dataset's are that fit into memory."""
    return StoredClips([StoredClip(Path(), clip.shape, clip) for clip in clips])


_SOURCES = sorted({source for skeleton in KNOWN.values() for source in skeleton.sources})


def a_sign(skeleton: Skeleton, frames: int = 6, seed: int = 0) -> Array:
    """Make the same sign in any skeleton, x, y and z: every source moves in its own way, but that
    hands stay at their wrists."""
    rng = np.random.default_rng(seed)
    everything = rng.random((frames, len(_SOURCES), 3)).astype(np.float32)
    for hand, wrist in (("left hand 0", "pose 15"), ("right hand 0", "pose 16")):
        everything[:, _SOURCES.index(hand)] = 0.99 * everything[:, _SOURCES.index(wrist)]
    everything[2, [source.startswith("left hand") for source in _SOURCES]] = np.nan
    return everything[:, [_SOURCES.index(source) for source in skeleton.sources]]


class Folder:
    """A dataset under construction."""

    def __init__(self, root: Path, labels: dict[str, Any]) -> None:
        self.root = root
        root.mkdir()
        self.write("label2id.json", labels)

    def write(self, name: str, content: Any) -> Path:
        path = self.root / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def put(self, name: str, keypoints: Any, label: str | None = None) -> Path:
        """Write a pickled sample, `name` being split/class/file without its suffix."""
        path = self.root / f"{name}.pkl"
        path.parent.mkdir(parents=True, exist_ok=True)
        sample = {"keypoints": keypoints, "class": label or path.parent.name}
        path.write_bytes(pickle.dumps(sample))
        return path


def npz(compressed: bool = False, **arrays: object) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def npy(array: Array, **options: object) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()
