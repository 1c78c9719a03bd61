"""Run models of any kind on a dataset, each in a process of its own, and score them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signbart_port.data.clips import RealClips, loaded, refuse_other_labels, usual_split
from signbart_port.data.dataset import Dataset, Entry, open_dataset
from signbart_port.data.signers import signer_of
from signbart_port.errors import PortError, printable
from signbart_port.evaluation.result import Agreement, Evaluation, LeftOut, Load, ModelScore
from signbart_port.inference import framework_run
from signbart_port.metrics.flops import of_forward
from signbart_port.model_files import mappings
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.model_file import Opened, open_model

_MEMORY = 4 << 30  # bytes that a framework and its work are given room for


def evaluate(
    models: Sequence[str | Path],
    data: str | Path,
    *,
    split: str | None = None,
    signers: Sequence[str] = (),
    skip_bad: bool = False,
    options: Options | None = None,
    mapping: str | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Evaluation:
    """Score .pth, .safetensors, .h5 and .tflite models on the same clips of the dataset `data`.

    `split` is train, val, test or all; by default the first there is of test, val and all.
    `signers` keeps the clips of these alone, by what stands before the first underscore of a
    sample's name. `skip_bad` leaves out samples that cannot be used, and lists them. `options` and
    `mapping` are for checkpoints, as in a conversion. Raises PortError for what cannot be used: a
    model of other labels than the dataset's, or one whose outputs are not finite.
    """
    if not models:
        raise PortError(None, "no model is given")
    dataset = open_dataset(data)
    progress("Reading models")
    weights = mappings.find(mapping)
    opened = [open_model(path, options or Options(), weights) for path in models]
    for one in opened:
        _refuse_other_classes(dataset, one)
    progress("Reading clips")
    split = split or usual_split(dataset, test=True)
    entries = _of_signers(dataset, dataset.split(split), signers)
    clips = loaded(dataset, entries, skip_bad=skip_bad)
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
            _agreement(opened[a].path, opened[b].path, ran[a].outputs, ran[b].outputs)
            for a, b in combinations(range(len(opened)), 2)
        ),
        left_out=tuple(LeftOut(str(bad.entry.path), bad.why) for bad in clips.bad),
    )


@dataclass(frozen=True)
class _Ran:
    """What a model gave, (N, labels), and how many `frames` of each clip it ran."""

    outputs: NDArray[np.floating]
    frames: NDArray[np.intp]


def _refuse_other_classes(dataset: Dataset, opened: Opened) -> None:
    refuse_other_labels(dataset, opened.labels, opened.path.name)
    if opened.tflite is None:
        return
    from signbart_port.tflite import metadata

    card = metadata.read(opened.path)
    known = card.labels if card else None
    for number, pair in enumerate(zip(known or (), dataset.labels, strict=False)):
        if pair[0] != pair[1]:
            own, other = (printable(label, 40) for label in pair)
            raise PortError(
                opened.path,
                f'its class {number} is "{own}", that of {printable(dataset.root)} "{other}"',
                "Give the dataset that the model was trained for",
            )


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


def _run(opened: Sequence[Opened], clips: RealClips) -> list[_Ran]:
    """Each model on the clips: those of a framework side by side, as many as there is room for, and
    the .tflite files meanwhile."""
    paths = [entry.path for entry in clips.entries]
    ran: dict[int, _Ran] = {}
    with ExitStack() as stack:
        started = deque[tuple[int, framework_run.FrameworkRun]]()

        def finish() -> None:
            place, run = started.popleft()
            config = opened[place].config
            assert config is not None
            frames = framework_run.frames_read(config, clips.keypoints)
            ran[place] = _Ran(run.outputs(), frames)

        for place, one in enumerate(opened):
            if one.config is not None:
                batches = framework_run.batches(one.config, clips.keypoints, paths)
                if len(started) == _at_once():
                    finish()
                run = framework_run.FrameworkRun(one, batches)
                started.append((place, stack.enter_context(run)))
        for place, one in enumerate(opened):
            if one.tflite is not None:
                ran[place] = _tflite(one.path, clips, paths)
        while started:
            finish()
    for place, one in enumerate(opened):
        framework_run.refuse_not_finite(one.path, ran[place].outputs)
    return [ran[place] for place in range(len(opened))]


def _at_once() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, memory // _MEMORY))


def _tflite(path: Path, clips: RealClips, paths: Sequence[Path]) -> _Ran:
    from signbart_port.inference.tflite_run import Apart

    with Apart(path) as apart:
        ran = apart.run(clips.keypoints, paths)
    frames = [one.fed.attention_mask.shape[1] for one in ran]
    return _Ran(np.stack([one.scores for one in ran]), np.array(frames))


def _scored(opened: Opened, ran: _Ran, clips: RealClips) -> ModelScore:
    from signbart_port.evaluation.figures import scores

    frames = np.sort(ran.frames)
    costs = _costs(opened)
    median, longest = (
        Load(int(n), costs(int(n))) for n in (frames[(len(frames) - 1) // 2], frames[-1])
    )
    return ModelScore(
        model=str(opened.path),
        format=_format(opened),
        size=opened.path.stat().st_size,
        parameters=_parameters(opened),
        median=median,
        longest=longest,
        scores=scores(
            ran.outputs,
            clips.targets,
            clips.labels,
            [signer_of(entry.path) for entry in clips.entries],
        ),
        notes=_notes(opened),
    )


def _costs(opened: Opened) -> Callable[[int], int | None]:
    """The operations of a clip, by its number of frames."""
    if (config := opened.config) is not None:
        return lambda frames: of_forward(config, frames)
    from signbart_port.tflite.flops import flops

    return flops(opened.path).get


def _format(opened: Opened) -> str:
    if opened.tflite:
        return f"TFLite {opened.tflite.precision.value}"
    return framework_run.framework_of(opened).name


def _parameters(opened: Opened) -> int:
    if opened.plan:
        return opened.plan.parameters
    assert opened.tflite
    # Masks are boolean, and nothing that a model has learned.
    return sum(prod(one.shape) for one in opened.tflite.constants if one.type != "BOOL")


def _notes(opened: Opened) -> tuple[str, ...]:
    from signbart_port.tflite import metadata
    from signbart_port.tflite.runner import NO_CARD

    if opened.tflite and metadata.read(opened.path) is None:
        return (f"{opened.path.name} {NO_CARD}",)
    return opened.about_config()


def _agreement(
    a: Path, b: Path, first: NDArray[np.floating], second: NDArray[np.floating]
) -> Agreement:
    same = first.argmax(axis=1) == second.argmax(axis=1)
    return Agreement(str(a), str(b), int(same.sum()), float(same.mean()))
