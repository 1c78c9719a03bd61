"""MediaPipe Holistic in a site: the files of the npm package that a camera's picture needs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from signbart_port.config.skeletons import Skeleton
from signbart_port.errors import PortError, first_of
from signbart_port.untrusted.file_kind import regular_file
from signbart_port.untrusted.refusal import naming

FOLDER = "mediapipe"
_FILES = (
    "holistic.binarypb",
    "holistic.js",
    "holistic_solution_packed_assets.data",
    "holistic_solution_packed_assets_loader.js",
    "holistic_solution_simd_wasm_bin.js",
    "holistic_solution_simd_wasm_bin.wasm",
    "holistic_solution_wasm_bin.js",
    "holistic_solution_wasm_bin.wasm",
    "pose_landmark_full.tflite",
)
_SEEN = re.compile(r"(pose|left hand|right hand|face) \d+")
"""A point that MediaPipe gives."""
_HINT = "Run npm pack @mediapipe/holistic, unpack it, and give its folder package"


def copy(source: Path, site: Path) -> None:
    """Copy the files from a folder of the package. Raises PortError where one is not there."""
    if lacking := [name for name in _FILES if not (source / name).is_file()]:
        what = f"is not the folder of @mediapipe/holistic: it lacks {first_of(lacking, 2)}"
        raise PortError(source, what, _HINT)
    (site / FOLDER).mkdir()
    for name in _FILES:
        to = site / FOLDER / name
        with naming(source / name), regular_file(source / name) as file, to.open("wb") as copied:
            shutil.copyfileobj(file, copied)


def check_skeleton(model: Path, skeleton: Skeleton) -> None:
    """Raise PortError where clips have points that MediaPipe does not give."""
    if others := [source for source in skeleton.sources if not _SEEN.fullmatch(source)]:
        what = f"its clips are of {skeleton.name}, and MediaPipe gives no {first_of(others, 2)}"
        raise PortError(model, what, "Leave --with-camera out")
