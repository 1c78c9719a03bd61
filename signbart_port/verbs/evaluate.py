"""Run models of any kind on a dataset, each in a process of its own, and score them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.clips import RealClips, check_class_names, check_labels, loaded
from signbart_port.data.dataset import Dataset, Entry, open_dataset
from signbart_port.data.signers import signer_of
from signbart_port.errors import PortError, printable
from signbart_port.evaluation.result import Agreement, Evaluation, LeftOut, Load, ModelScore
from signbart_port.inference.logits import Inference, Outputs
from signbart_port.model_files import in_memory, mappings
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.in_memory import ModelSource
from signbart_port.model_files.model_file import (
    ModelFile,
    WeightFile,
    check_options_used,
    open_model,
)
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.untrusted.model_kind import ModelKind

_MEMORY = 4 << 30  # bytes that a framework and its work are given room for
_FRAMES = 100_000  # of the clips that are run at a time: 120 MB of 75 points, in float64


def evaluate(
    models: ModelSource | Sequence[ModelSource],
    data: str | Path,
    *,
    split: str | None = None,
    signers: Sequence[str] = (),
    skip_bad: bool = False,
    options: Options | None = None,
    mapping: str | Path | None = None,
    skeleton: str | None = None,
    frame_size: str | Sequence[int] | None = None,
    progress: ProgressCallback = no_progress,
) -> Evaluation:
    """Score models of any kind on the same clips of a dataset.

    Args:
        models: A .pth, .safetensors, .h5, .keras or .tflite each, or a PyTorch module, a state dict
            or a Keras model; or one alone.
        data: The folder of the dataset.
        split: "train", "val", "test" or "all". Default: test; a dataset without it needs `split`.
        signers: Keep only the clips of these signers: a signer is what stands before the first
            underscore of a sample's name. Default: all signers.
        skip_bad: Whether to leave out samples that cannot be used, and list them, instead of
            raising an error.
        options: The config of a file that does not hold one: a config file or the name of a
            published one, heads, joints, layout. Default: what the files themselves tell.
        mapping: The names of the checkpoint's tensors: a mapping file, or a mapping that comes with
            this program by its name, such as "hf-bart". Default: SignBART's own names.
        skeleton: The name of the clips' skeleton, such as "holistic-543". Default: the models'.
        frame_size: Width and height of the frames, for clips in pixels.
        progress: Called with the name of each step as it begins.

    Returns:
        The scores of every model, and how far the models agree.

    Raises:
        PortError: A file cannot be used, a model has other labels than the dataset, or its outputs
            are not finite.
    """
    several: Sequence[Any] = models if isinstance(models, list | tuple) else (models,)
    if not several:
        raise PortError(None, "no model is given")
    with in_memory.files_of(*several) as files:
        found = _evaluate_files(
            files.paths,
            data,
            split,
            signers,
            skip_bad,
            options or Options(),
            mapping,
            ClipFormat.parse(skeleton, frame_size),
            progress,
        )
        if not files.names:
            return found
        return replace(
            found,
            models=tuple(
                replace(
                    one,
                    model=files.named(one.model),
                    notes=tuple(map(files.named, one.notes)),
                    cautions=tuple(map(files.named, one.cautions)),
                )
                for one in found.models
            ),
            notes=(*found.notes, *files.notes),
            agreement=tuple(
                replace(one, first=files.named(one.first), second=files.named(one.second))
                for one in found.agreement
            ),
        )


def _evaluate_files(
    models: Sequence[Path],
    data: str | Path,
    split: str | None,
    signers: Sequence[str],
    skip_bad: bool,
    options: Options,
    mapping: str | Path | None,
    form: ClipFormat,
    progress: ProgressCallback,
) -> Evaluation:
    dataset = open_dataset(data)
    progress("Reading models")
    weights = mappings.find(mapping)
    opened = [open_model(path, options, weights) for path in models]
    check_options_used(opened, options)
    for one in opened:
        check_labels(dataset, one.labels, one.path.name)
        check_class_names(dataset, one.class_names, one.path)
    progress("Reading clips")
    split = split or _test_split(dataset)
    entries = _of_signers(dataset, dataset.split(split), signers)
    clips = loaded(dataset, entries, skip_bad=skip_bad, form=form)
    notes = dict[str, None]()
    for one in opened:
        clips.check(one.interface, one.reads)
        notes |= dict.fromkeys(clips.notes_for(one.interface, one.reads))
    progress(f"Running {', '.join(one.path.name for one in opened)}")
    ran = _run(opened, clips)
    return Evaluation(
        data=str(data),
        split=split,
        signers=tuple(signers),
        labels=dataset.labels,
        clips=len(clips.entries),
        models=tuple(_scored(*pair, clips) for pair in zip(opened, ran, strict=True)),
        agreement=tuple(
            _agreement(opened[a].path, opened[b].path, ran[a].scores, ran[b].scores)
            for a, b in combinations(range(len(opened)), 2)
        ),
        left_out=tuple(LeftOut(str(bad.entry.path), bad.why) for bad in clips.bad),
        notes=tuple(notes),
    )


def _test_split(dataset: Dataset) -> str:
    """Return "test".

    Raises PortError if there is none: figures on other clips mean other things.
    """
    if "test" not in dataset.splits:
        raise PortError(
            dataset.root,
            f"has no test clips: it has {', '.join(dataset.splits)}",
            f"Say which clips to run, such as --split {dataset.splits[-1]}",
        )
    return "test"


def _of_signers(
    dataset: Dataset, entries: Sequence[Entry], signers: Sequence[str]
) -> Sequence[Entry]:
    if not signers:
        return entries
    known = sorted({signer for entry in entries if (signer := signer_of(entry.path))})
    for signer in signers:
        if signer not in known:
            what = f'has no clips of the signer "{printable(signer, 40)}" in {entries[0].split}'
            named = ", ".join(printable(one, 40) for one in known[:20])
            raise PortError(dataset.root, what, f"It has {named or 'none that the names tell'}")
    return [entry for entry in entries if signer_of(entry.path) in signers]


def _run(models: Sequence[ModelFile], clips: RealClips) -> list[Outputs]:
    """Run each model on the clips, so many at a time that memory does not grow with their
    number."""
    parts = [_run_part(models, part) for part in clips.parts(_FRAMES)]
    return [
        replace(
            outputs[0],
            scores=np.concatenate([one.scores for one in outputs]),
            frames=np.concatenate([one.frames for one in outputs]),
        )
        for outputs in zip(*parts, strict=True)
    ]


def _run_part(models: Sequence[ModelFile], clips: RealClips) -> list[Outputs]:
    """Run each model: those of a framework side by side, as many as there is room for, and the
    .tflite files meanwhile."""
    paths = [entry.path for entry in clips.entries]
    ran: dict[int, Outputs] = {}
    with ExitStack() as stack:
        started = deque[tuple[int, Inference]]()

        def finish() -> None:
            place, run = started.popleft()
            ran[place] = run.outputs()

        for place, model in enumerate(models):
            if isinstance(model, WeightFile):
                if len(started) == _at_once():
                    finish()
                run = stack.enter_context(Inference(model.path, model.kind))
                run.send(clips.keypoints, paths, model, clips.form)
                started.append((place, run))
        for place, model in enumerate(models):
            if model.kind is ModelKind.TFLITE:
                with Inference(model.path, model.kind) as run:
                    run.send(clips.keypoints, paths, form=clips.form)
                    ran[place] = run.outputs()
        while started:
            finish()
    for place, model in enumerate(models):
        ran[place].check_finite(model.path)
    # What it was fed stays with its part.
    return [replace(ran[place], inputs=()) for place in range(len(models))]


def _at_once() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // _MEMORY))


def _scored(model: ModelFile, ran: Outputs, clips: RealClips) -> ModelScore:
    from signbart_port.evaluation.figures import scores, wrong_clips

    frames = np.sort(ran.frames)
    median, longest = (
        Load(int(n), model.flops(int(n))) for n in (frames[(len(frames) - 1) // 2], frames[-1])
    )
    return ModelScore(
        model=str(model.path),
        format=model.format,
        size=model.path.stat().st_size,
        parameters=model.parameters,
        median=median,
        longest=longest,
        scores=scores(
            ran.scores,
            clips.targets,
            clips.labels,
            [signer_of(entry.path) for entry in clips.entries],
        ),
        notes=model.notes,
        cautions=model.cautions,
        wrong=wrong_clips(
            ran.probabilities,
            clips.targets,
            clips.labels,
            [str(entry.path) for entry in clips.entries],
        ),
    )


def _agreement(
    a: Path, b: Path, first: NDArray[np.floating], second: NDArray[np.floating]
) -> Agreement:
    same = first.argmax(axis=1) == second.argmax(axis=1)
    return Agreement(str(a), str(b), int(same.sum()), float(same.mean()))
