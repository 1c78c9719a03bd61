"""A web page that runs a .tflite in the browser, and proves that it runs there as here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError
from signbart_port.system.atomic_folder import appearing
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.untrusted import model_kind


@dataclass(frozen=True)
class Site:
    """A site that was written."""

    folder: Path
    clips: int
    """The clips of its golden vectors."""
    size: int
    """Its bytes."""
    cautions: tuple[str, ...]
    """Notes on the model and its clips that a user must not miss."""


def write_site(
    model: str | Path,
    out: str | Path,
    clips: str | Path | Sequence[str | Path] = (),
    *,
    golden: str | Path | None = None,
    with_camera: str | Path | None = None,
    skeleton: str | None = None,
    frame_size: str | Sequence[int] | None = None,
    progress: ProgressCallback = no_progress,
) -> Site:
    """Write a web page that runs a .tflite: a folder for any static server.

    The page replays golden vectors, which are made here by LiteRT, and classifies clips that are
    dropped on it. It loads nothing from elsewhere, and sends nothing. No framework is needed.

    Args:
        model: A SignBART's .tflite, whose inputs and output are float32.
        out: The folder to write: a new one, or an empty one.
        clips: Raw keypoints of a sign: a .pkl, .npz, .npy or .json each. They go into the page.
            Default: a few synthetic ones.
        golden: Golden vectors of the model, as `predict --golden` writes them, to take instead.
        with_camera: The folder of the npm package @mediapipe/holistic, for live keypoints.
        skeleton: The name of the clips' skeleton, such as "holistic-543". Default: the model's.
        frame_size: Width and height of the frames, for clips in pixels.
        progress: Called with the name of each step as it begins.

    Returns:
        The folder, its size, and the number of clips in it.

    Raises:
        PortError: The model or a clip cannot be used, or the folder cannot be written.
    """
    from signbart_port.programs import runtimes
    from signbart_port.programs.program import check_runs
    from signbart_port.tflite.description import describe
    from signbart_port.web import folder

    model = Path(model)
    model_kind.check_kind(model, model_kind.ModelKind.TFLITE)
    description = describe(model)
    check_runs(model, description, runtimes.parse("javascript", "browser"))
    given = [clips] if isinstance(clips, str | Path) else list(clips)
    if golden is not None and given:
        raise PortError(golden, "--golden has clips of its own, and others are given too")
    if (skeleton or frame_size) and not given:
        raise PortError(None, "--skeleton and --frame-size are of clips, and none is given")
    camera = None if with_camera is None else Path(with_camera)
    synthetic = golden is None and not given
    with appearing(out) as to:
        progress("Writing the page")
        folder.write(to, model, description, with_camera=camera, synthetic=synthetic)
        progress("Running the clips")
        if golden is not None:
            made = _copy(Path(golden), model, to / folder.GOLDEN)
        elif synthetic:
            made = _run_synthetic(model, description, to / folder.GOLDEN)
        else:
            made = _run(model, given, to / folder.GOLDEN, skeleton, frame_size)
        size = sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
    return Site(Path(out), made.clips, size, made.cautions)


@dataclass(frozen=True)
class _Made:
    """Golden vectors that were put in place: how many clips, and notes on them."""

    clips: int
    cautions: tuple[str, ...] = ()


def _copy(golden: Path, model: Path, to: Path) -> _Made:
    """Copy golden vectors of a model."""
    from signbart_port.tflite import golden_record
    from signbart_port.tflite.golden import check_model

    record = golden_record.read(golden)
    check_model(golden, record, model)
    if record.description is None:
        raise PortError(golden, "has no description of its model", "Write it again")
    shutil.copyfile(golden, to)
    return _Made(len(record.clips))


def _run(
    model: Path,
    clips: Sequence[str | Path],
    to: Path,
    skeleton: str | None,
    frame_size: str | Sequence[int] | None,
) -> _Made:
    """Write what a model makes of clips."""
    from signbart_port.tflite import golden
    from signbart_port.verbs.predict import predict

    found = predict(model, clips, skeleton=skeleton, frame_size=frame_size)
    golden.write(to, found, force=False)
    return _Made(len(found.clips), found.cautions)


def _run_synthetic(model: Path, description: dict[str, Any], to: Path) -> _Made:
    """Write what a model makes of clips that nobody signed; what surprises in them is no news."""
    from signbart_port.web import synthetic_clips

    skeleton = synthetic_clips.stated_skeleton(model, description)
    with tempfile.TemporaryDirectory() as temp:
        clips = synthetic_clips.write_clips(Path(temp), description["signatures"][0]["frames"])
        made = _run(model, clips, to, skeleton, None)
    return replace(made, cautions=())
