"""The command `predict`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _options, _show
from signbart_port.errors import printable

if TYPE_CHECKING:
    from signbart_port.verbs.predict import Prediction


def predict(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A .pth, .safetensors, .h5, .keras or .tflite.")
    ],
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP...", help="Raw keypoints of a sign: a .pkl, .npz, .npy or .json each."
        ),
    ],
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to print.")] = 5,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="label2id.json|labels.txt",
            help="The names of the classes: JSON, or one a line. Default: those that the model's"
            " file or config has.",
        ),
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option(
            "--golden",
            metavar="FILE.json",
            help="Of a .tflite: write what each clip becomes on its way to the scores, for an app"
            " to be tested against.",
        ),
    ] = None,
    skeleton: _options.Skeleton = None,
    frame_size: _options.FrameSize = None,
    config: _options.Config = None,
    heads: _options.Heads = None,
    joints: _options.Joints = None,
    layout: _options.Layout = None,
    sizes_from_checkpoint: _options.SizesFromCheckpoint = False,
    override_config: _options.OverrideConfig = False,
    weights: _options.Weights = None,
    mapping: _options.Mapping = None,
    force: _options.Force = False,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Say which sign a clip shows.

    A clip is prepared as for training. A .tflite needs no framework for it.
    """
    from signbart_port.tflite import golden as vectors
    from signbart_port.verbs.predict import predict as run

    chosen = _options.options_if_any(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )
    if golden is not None:
        vectors.check(golden, model, clips, force=force)
    with _steps(model, quiet or json) as progress:
        found = run(
            model,
            clips,
            labels=labels,
            options=chosen,
            mapping=mapping,
            skeleton=skeleton,
            frame_size=frame_size,
            progress=progress,
        )
    if golden is not None:
        vectors.write(golden, found, force=force)
    if json:
        _show.as_json(_as_dict(found, top))
    elif not quiet:
        _print(found, top)
    _show.cautions(found.cautions)


def _steps(model: Path, quiet: bool) -> AbstractContextManager[Callable[[str], None]]:
    """Return a display of steps; none for a .tflite, which is done before the display is
    imported."""
    if model.suffix == ".tflite":
        return nullcontext(lambda step: None)
    return _show.steps(quiet)


def _as_dict(found: Prediction, top: int) -> dict[str, Any]:
    return {
        "model": str(found.model),
        "output": found.output,
        **found.form.as_dict(),
        "notes": found.notes,
        "clips": [
            {
                "clip": str(one.clip.path),
                "label": one.clip.label,
                "frames": len(one.clip.keypoints),
                "top": [vars(guess) for guess in found.best(one, top)],
                "scores": one.scores.tolist(),
            }
            for one in found.clips
        ],
    }


def _print(found: Prediction, top: int) -> None:
    for note in found.notes:
        if note not in found.cautions:  # which follow
            print(printable(note))
    for one in found.clips:
        said = f", said to be {one.clip.label}" if one.clip.label else ""
        print(printable(f"{one.clip.path}{said}", 1000))
        for guess in found.best(one, top):
            label = f"class {guess.id}" if guess.label is None else guess.label
            print(f"  {guess.probability:6.1%}  {printable(label)}")
    if found.labels is None:
        print("The model does not name its classes: --labels FILE does")
