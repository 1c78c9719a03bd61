"""Every bad input of the catalogue, given to every verb that reads its kind: refused in a line."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

import soak_command
import soak_common
from soak_catalogue import CANARY, Bad, catalogue
from soak_common import Trial

Line = Callable[[str], str]
_RUN: Mapping[str, Line] = {
    "evaluate": lambda file: f"evaluate {file} --data signs --split train",
    "predict": lambda file: f"predict {file} good.npy",
    "inspect": lambda file: f"inspect {file}",
}
"""What reads a model of any kind."""
VERBS: Mapping[str, Mapping[str, Line]] = {
    "checkpoint": {
        "convert": lambda file: f"convert {file} --out out.h5",
        "tflite": lambda file: f"tflite {file} --out out.tflite",
        "verify": lambda file: f"verify {file} good.h5",
        **_RUN,
        "plan": lambda file: f"plan {file}",
    },
    "keras": {
        "tflite": lambda file: f"tflite {file} --out out.tflite",
        "export": lambda file: f"export {file} --out out.pth",
        "verify": lambda file: f"verify good.pth {file}",
        **_RUN,
    },
    "tflite": {
        "verify": lambda file: f"verify good.h5 {file}",
        **_RUN,
    },
    "clip": {
        "predict": lambda file: f"predict good.tflite {file}",
        "data check": lambda file: "data check bad-signs",
        "evaluate": lambda file: "evaluate good.tflite --data bad-signs --split train",
    },
    "config": {
        "convert": lambda file: f"convert bare.pth --config {file} --out out.h5",
        "plan": lambda file: f"plan bare.pth --config {file}",
        "inspect": lambda file: f"inspect bare.pth --config {file} --config-out out.yaml",
        "train": lambda file: f"train --config {file} --data signs --checkpoint-dir out",
    },
    "mapping": {
        "convert": lambda file: f"convert good.pth --mapping {file} --out out.h5",
        "plan": lambda file: f"plan good.pth --mapping {file}",
    },
    "labels": {
        "predict": lambda file: f"predict good.tflite good.npy --labels {file}",
        "tflite": lambda file: f"tflite good.h5 --labels {file} --out out.tflite",
    },
}


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each kind and verb; trial n is the bad input n of that kind."""
    soak_command.import_verbs()
    (home := folder / "made").mkdir()
    made = soak_common.make_files(home)
    soak_command.write_good(good := folder / "good", made)
    found = {}
    spoiled = {"model.pth" if name == "zip.pth" else name: path for name, path in made.items()}
    del spoiled["legacy.pth"]
    bad = catalogue(spoiled)
    for kind, verbs in VERBS.items():
        inputs = [one for one in bad if one.kind == kind]
        for verb, line in verbs.items():
            run = partial(trial, inputs, verb, line, good, folder / "work")
            found[f"{kind}, {verb}"] = Trial(run, most=len(inputs))
    return found


def trial(
    inputs: list[Bad], verb: str, line: Line, good: Path, work: Path, number: int, _: Random
) -> tuple[str, str]:
    """Make a bad input beside right files, and give it to a verb."""
    bad = inputs[number]
    soak_command.put_beside(good, work)
    place = work / bad.file
    if "bad-signs" in (command := line(bad.file)):
        (work / "bad-signs").unlink()
        shutil.copytree(good / "bad-signs", work / "bad-signs")
        place = work / "bad-signs/train/label 3" / bad.file
        (place.parent / "clip.npy").unlink()
        if bad.name.startswith("missing"):
            return "left out", ""
    bad.make(place)
    before = _listing(work)
    ended = soak_command.forked(command.split(), work)
    accepted = ended.code == 0 and verb in bad.lenient
    defects = ended.defects((0, 2) if accepted else (2,))
    if bad.says and not accepted and bad.says not in ended.err:
        defects.append(f"does not say {bad.says!r}: {ended.err!r}")
    if _listing(work) != before:
        defects.append("it has left or changed a file")
    if (work / CANARY).exists():
        defects.append("code was run")
    word = "accepted" if accepted else ended.word()
    return word, "; ".join(f"{bad.name}: {one}" for one in defects)


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted(
        (str(one.relative_to(folder)), one.lstat().st_mtime_ns)
        for one in folder.rglob("*")
        if not one.is_dir()
    )
