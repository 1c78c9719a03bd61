"""Compare what two versions of the program write, field by field and bit by bit.

    python tools/compare_versions.py OLD_PYTHON NEW_PYTHON [--work DIR]

Each is the Python of an environment in which one version is installed. Both convert, export and
emit in every mode the sample model and a random one of LSA-64's size. The exit code is 1 where
anything differs that need not; FREE names what may. For a person before a release: it takes a
quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from compare_fields import fields_of

SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic-signs.pth"
CODE = "from signbart_port.cli import main; main()"
WHICH = """
import sys, signbart_port
print("signbart-port:", signbart_port.__version__, *signbart_port.__path__, file=sys.stderr)
"""
FREE = (
    "*.created",  # the time of the conversion
    "*.versions.*",  # of the program and its packages
    "*.signbart.json.version",
    "*.exported_from.signbart-port",
    "*keras_version",
    "*.mapping.sha256",  # the file's comments count
    "*.config_origin",  # free text
    "*.config_notes*",
    "*.source.notes*",
    "*TFLITE_METADATA*",  # free text and the version, in TFLite's own form
    "*.sha256 of the file",
)
RANDOM = Path(__file__).with_name("random_checkpoint.py").read_text()
LSA_64 = {
    **{"d_model": 128, "num_labels": 64, "max_position_embeddings": 256},
    **{f"{stack}_layers": 2 for stack in ("encoder", "decoder")},
    **{f"{stack}_attention_heads": 16 for stack in ("encoder", "decoder")},
    **{f"{stack}_ffn_dim": 256 for stack in ("encoder", "decoder")},
    "keypoint_config": "pose_hands",
}
CLIPS = {  # enough of them to calibrate on
    "sample": "--signers 3 --classes 10 --repetitions 6",
    "lsa-64": "--signers 3 --classes 64 --repetitions 1",
}
LOOSE = "--min-agreement 0.01 --max-drop 100"  # what a random model needs, as its classes are near
FROM_CHECKPOINT = ("convert model.pth --out converted.h5 --quiet",)
FROM_KERAS = (
    "export model.h5 --out bare.pth --quiet",
    "export model.h5 --out training.pth --container training --quiet",
    "export model.h5 --out exported.safetensors --quiet",
    "tflite model.h5 --out none.tflite --quiet",
    "tflite model.h5 --out dynamic-frames.tflite --dynamic-frames --quiet",
    "tflite model.h5 --out lengths.tflite --frames 16,32,64 --quantization dynamic --quiet",
    "tflite model.h5 --out raw.tflite --preprocessing --softmax --quiet",
    "tflite model.h5 --out float16.tflite --quantization float16 --quiet",
    "tflite model.h5 --out dynamic.tflite --quantization dynamic --quiet",
    *(
        f"tflite model.h5 --out {mode}.tflite --quantization {mode} --calibration signs {LOOSE} -q"
        for mode in ("int8", "int8_full", "int16x8")
    ),
)
"""What is done with one and the same model.h5, so that its time of writing is the same too."""


@dataclass(frozen=True)
class Difference:
    """A field of a file in which the two versions differ; `free`: it may."""

    file: str
    field: str
    old: str
    new: str

    @property
    def free(self) -> bool:
        return any(fnmatch(f"{self.file}.{self.field}", pattern) for pattern in FREE)


def run(python: Path, code: str, arguments: list[str], folder: Path) -> tuple[int, str]:
    """Run Python code. Returns its exit code and its stderr without the frameworks' notices."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    line = [str(python), "-c", code, *arguments]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
    said = [text for text in done.stderr.splitlines() if text.startswith("signbart-port:")]
    return done.returncode, "\n".join(said) if done.returncode < 3 else done.stderr


def prepared(python: Path, work: Path) -> None:
    """Make the two models and their clips, by the old program for both."""
    for name, clips in CLIPS.items():
        folder = work / name / "old"
        folder.mkdir(parents=True)
        if name == "sample":
            shutil.copy(SAMPLE, folder / "model.pth")
        else:
            must(run(python, RANDOM, [json.dumps(LSA_64), "model.pth"], folder))
        must(run(python, CODE, shlex.split(f"data synth signs {clips} --quiet"), folder))
        must(run(python, CODE, shlex.split("convert model.pth --out model.h5 -q"), folder))
        shutil.copytree(folder, work / name / "new")


def must(done: tuple[int, str]) -> None:
    if done[0]:
        sys.exit(f"the old program fails: {done[1]}")


def differences(pythons: tuple[Path, Path], work: Path, console: Console) -> Iterator[Difference]:
    """Run every command with both, side by side, and compare what they say and write."""
    for name in CLIPS:
        for line in (*FROM_CHECKPOINT, *FROM_KERAS):
            folders = [work / name / side for side in ("old", "new")]
            console.print(f"{name}: {line}", style="dim", highlight=False)
            with ThreadPoolExecutor(2) as pool:
                ends = pool.map(run, pythons, [CODE] * 2, [shlex.split(line)] * 2, folders)
                old, new = ends
            if old != new:
                yield Difference(f"{name}: {line}", "how it ends", str(old), str(new))
            out = shlex.split(line)[3]
            files = [folder / out for folder in folders]
            if all(file.exists() for file in files):
                yield from compared(f"{name}/{out}", *files)
            elif old == new:
                console.print(f"  both refuse: {escape(old[1])}", style="yellow")


def compared(name: str, old: Path, new: Path) -> Iterator[Difference]:
    before, after = fields_of(old), fields_of(new)
    for field in sorted(before.keys() | after.keys()):
        one, other = before.get(field, "(none)"), after.get(field, "(none)")
        if one != other:
            yield Difference(name, field, one, other)


def main(old: Path, new: Path, work: Path) -> int:
    console = Console(soft_wrap=True)
    for side, python in (("old", old), ("new", new)):
        console.print(f"{side}: {run(python, WHICH, [], work)[1]}", highlight=False)
    prepared(old, work)
    found = list(differences((old, new), work, console))
    table = Table()
    for title in ("file", "field", "old", "new", "may it?"):
        table.add_column(title, overflow="fold")
    for one in found:
        cells = (one.file, one.field, one.old[:60], one.new[:60])
        table.add_row(*map(escape, cells), "yes" if one.free else "[red]NO[/red]")
    if found:
        console.print(table)
    wrong = sum(not one.free for one in found)
    console.print(
        f"{len(found)} fields differ, {wrong} of them must not. May differ: {', '.join(FREE)}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path, metavar="OLD_PYTHON")
    parser.add_argument("new", type=Path, metavar="NEW_PYTHON")
    parser.add_argument("--work", type=Path, help="an empty folder to keep what is written")
    args = parser.parse_args()
    pythons = args.old.absolute(), args.new.absolute()  # a link into an environment stays one
    if args.work:
        args.work.mkdir(parents=True, exist_ok=True)
        sys.exit(main(*pythons, args.work.resolve()))
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(main(*pythons, Path(scratch)))
