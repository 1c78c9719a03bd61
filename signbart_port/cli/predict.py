"""The command `predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signbart_port.cli import _golden, _many, _options, _show
from signbart_port.errors import PortError, printable

if TYPE_CHECKING:
    from signbart_port.verbs.predict import Guess, Predicted, Prediction

_AT_ONCE = 64  # clips of a folder
_UNNAMED = "The model does not name its classes: --labels FILE does"


def predict(
    context: typer.Context,
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="A .pth, .safetensors, .h5, .keras or .tflite."),
    ] = None,
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="CLIP...",
            help="Raw keypoints of a sign: a .pkl, .npz, .npy or .json each, or a folder of them."
            " An .npz may hold several, one after the other, with their lengths.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to print.")] = 5,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="LABELS",
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
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE.json",
            help="Replay what --golden wrote: MODEL, or else the .tflite of that name beside it."
            " Exit code 1: a clip fails.",
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
    pair: _options.NoPair = None,
    hf_token: _options.HfToken = None,
    max_download: _options.MaxDownload = None,
    json: _options.Json = False,
    quiet: _options.Quiet = False,
) -> None:
    """Say which sign a clip shows.

    A clip is prepared as for training. A .tflite needs no framework for it.
    """
    if check is not None:
        _golden.check_options(context, clips or [])
        _golden.replay(check, model, json=json, quiet=quiet)
        return
    if model is None or not clips:
        raise PortError(
            None, "predict needs a model and a clip", "Give both; or --check, which has its clips"
        )
    from signbart_port.tflite import golden as vectors
    from signbart_port.verbs.predict import predict as run

    chosen = _options.options_if_any(
        config, heads, joints, layout, sizes_from_checkpoint, override_config, weights
    )

    def predicted(paths: Sequence[Path], progress: Callable[[str], None]) -> Prediction:
        return run(
            model,
            paths,
            labels=labels,
            options=chosen,
            mapping=mapping,
            skeleton=skeleton,
            frame_size=frame_size,
            progress=progress,
        )

    if any(clip.is_dir() for clip in clips):
        if golden is not None:
            raise PortError(None, "--golden is for clips, and a folder is given", "Name its files")
        with _steps(model, quiet or json) as progress:
            each = _in_folders(clips, lambda paths: predicted(paths, progress))
            _print_each(each, _many.Batch(json, quiet, "clips"), top)
        return
    if golden is not None:
        vectors.check(golden, model, clips, force=force)
    with _steps(model, quiet or json) as progress:
        found = predicted(clips, progress)
    if golden is not None:
        vectors.write(golden, found, force=force)
    if json:
        _show.as_json(_as_dict(found, top))
    elif not quiet:
        _print(found, top)
        if golden is not None:
            print(printable(f"written {_show.written(golden)}", 1000))
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
        "clips": [_clip_as_dict(found, one, top) for one in found.clips],
    }


def _clip_as_dict(found: Prediction, one: Predicted, top: int) -> dict[str, Any]:
    return {
        "clip": str(one.clip.path),
        "label": one.clip.label,
        "frames": len(one.clip.keypoints),
        "top": [vars(guess) for guess in found.best(one, top)],
        "scores": one.scores.tolist(),
    }


def _in_folders(
    given: Sequence[Path], run: Callable[[Sequence[Path]], Prediction]
) -> Iterator[tuple[Path, tuple[Prediction, Predicted] | PortError]]:
    """Yield each clip of files and folders with what was predicted, and of that its own part, or
    why there is nothing. A bounded number of clips is held at a time.

    Raises PortError where it is the model that cannot be used.
    """
    from signbart_port.data import samples

    clips = [
        one for path in given for one in (samples.in_folder(path) if path.is_dir() else [path])
    ]
    for start in range(0, len(clips), _AT_ONCE):
        left = clips[start : start + _AT_ONCE]
        while left:
            try:
                found = run(left)
            except PortError as error:
                named = f"{error.path}, "  # one of several clips of a file: its name, and a number
                bad = next((one for one in left if named.startswith(f"{one}, ")), None)
                if bad is None:
                    raise
                yield bad, error
                left.remove(bad)
            else:
                yield from ((one.clip.path, (found, one)) for one in found.clips)
                break


def _print_each(
    each: Iterable[tuple[Path, tuple[Prediction, Predicted] | PortError]],
    batch: _many.Batch,
    top: int,
) -> None:
    right = labeled = 0
    unnamed = False
    for path, predicted in each:
        if isinstance(predicted, PortError):
            batch.failed(str(path), predicted)
            continue
        found, one = predicted
        unnamed = found.labels is None
        guesses = list(found.best(one, top))
        if one.clip.label is not None and found.labels is not None:
            labeled += 1
            right += guesses[0].label == one.clip.label
        said = f" (said to be {one.clip.label})" if one.clip.label else ""
        shares = ", ".join(f"{_name(guess)} {guess.probability:.1%}" for guess in guesses)
        data = {"model": str(found.model), "output": found.output, **found.form.as_dict()}
        data |= _clip_as_dict(found, one, top)
        about = [note for note in found.cautions if _is_about(note, path, found)]
        batch.done(str(path), _many.Done(f"{path}: {shares}{said}", data, about, "classified"))
    said = f"; {right} of {labeled} as their files say" if labeled else ""
    batch.end(f"{said}\n{_UNNAMED}" if unnamed else said)


def _is_about(note: str, path: Path, found: Prediction) -> bool:
    """Return whether a note is about this clip, or about none alone."""
    return note.startswith(f"{path}: ") or not any(
        note.startswith(f"{one.clip.path}: ") for one in found.clips
    )


def _name(guess: Guess) -> str:
    return f"class {guess.id}" if guess.label is None else guess.label


def _print(found: Prediction, top: int) -> None:
    for note in found.notes:
        if note not in found.cautions:  # which follow
            print(printable(note))
    for one in found.clips:
        said = f", said to be {one.clip.label}" if one.clip.label else ""
        print(printable(f"{one.clip.path}{said}", 1000))
        for guess in found.best(one, top):
            print(f"  {guess.probability:6.1%}  {printable(_name(guess))}")
    if found.labels is None:
        print(_UNNAMED)
    elif len(labeled := [one for one in found.clips if one.clip.label is not None]) > 1:
        right = sum(next(found.best(one, 1)).label == one.clip.label for one in labeled)
        print(f"{right} of {len(labeled)} as their files say")
