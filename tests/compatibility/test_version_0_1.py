"""Files that version 0.1 wrote are read by this one, give what they gave, and are gone on with.

The corpus and what version 0.1 made of it are in `tests/data/version_0_1` (see its README). Tensors
must be the same in every bit; what is computed of them too, on the machine and with the packages of
the recording, and within the tolerances below on another.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compatibility
import signbart_port
from compatibility import Found

CORPUS = Path(__file__).parents[1] / "data" / "version_0_1"
RECORDED = Found.load(CORPUS / "expected")
EXACT = (
    RECORDED.facts["machine"] == compatibility.machine()
    and not RECORDED.facts["differs_on_a_rerun"]
)
LOOSE = {"dynamic": 0.02, "lengths": 0.02, "int16x8": 0.02, "int8": 0.1, "quantization_aware": 0.1}
"""On another machine, of the largest logit: what rounds in between, by the file's name."""

FLOAT = 1e-5
LEARNED = 0.02
"""Of a weight after an epoch: Adam makes whole steps of what is noise, of 0.003 each."""

EMITTED = ("none", "float16", "int8_full", "int16x8", "lengths", "raw")
PAIRS = (
    ("bare.safetensors", "plain.h5"),
    *(("model.h5", f"{name}.tflite") for name in EMITTED),
)
"""What `verify` is asked; the other files hold the same tensors, and give the recorded numbers."""

FREE = ("path", "mapping", "line", "warnings")
"""Where the program keeps its mapping, and how it is laid out; what it finds worth a look."""
MEASURED = ("predict", "evaluate")  # of these the keys are compared, and not the figures


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the corpus, with the dataset beside them, as the current directory."""
    folder = tmp_path_factory.mktemp("version") / "corpus"
    with tarfile.open(CORPUS / compatibility.FILES) as archive:
        archive.extractall(folder, filter="data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        compatibility.command(compatibility.SYNTH)
        yield folder


@pytest.fixture(scope="module")
def of_torch(work: Path) -> Iterator[subprocess.Popen[str]]:
    """What PyTorch makes of it, in a process of its own and beside everything else."""
    out = work.with_name("torch")
    line = [sys.executable, compatibility.__file__, "torch", str(work), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def in_torch(work: Path, of_torch: subprocess.Popen[str]) -> Found:
    _, errors = of_torch.communicate(timeout=120)
    assert of_torch.returncode == 0, errors
    return Found.load(work.with_name("torch"))


@pytest.fixture(scope="module")
def in_keras(work: Path, of_torch: object) -> Found:
    return compatibility.keras_part(work)


@pytest.fixture(scope="module")
def resumed_in_keras(in_keras: Found) -> Iterator[Found]:
    from tensorflow.python.framework import config

    yield compatibility.keras_resumed()
    config.disable_op_determinism()


def tolerance(name: str, recorded: np.ndarray) -> float:
    if name.startswith("resumed"):
        return LEARNED
    if np.issubdtype(recorded.dtype, np.integer):
        return 0.1 * 255
    _, _, file = name.partition("/")
    loosest = max((by for word, by in LOOSE.items() if file.startswith(word)), default=FLOAT)
    return loosest * max(1.0, float(np.abs(recorded).max()))


def refuse_others(found: Found, prefixes: tuple[str, ...]) -> None:
    """See that every number of these kinds is the recorded one."""
    wanted = {n: a for n, a in RECORDED.numbers.items() if n.startswith(prefixes)}
    assert wanted and wanted.keys() == {n for n in found.numbers if n.startswith(prefixes)}
    for name, recorded in wanted.items():
        given = found.numbers[name]
        assert (given.dtype, given.shape) == (recorded.dtype, recorded.shape), name
        if EXACT:
            assert given.tobytes() == recorded.tobytes(), name
        apart = np.abs(given.astype(np.float64) - recorded).max(initial=0)
        assert apart <= tolerance(name, recorded), name


def refuse_other_facts(found: Found, *names: str) -> None:
    """On the machine of the recording, where every bit is the same."""
    for name in names:
        assert name in found.facts
        assert not EXACT or found.facts[name] == RECORDED.facts[name], name


def refuse_less(given: Any, recorded: Any, values: bool, place: str) -> None:
    """See that nothing is gone of a JSON; with `values`, that nothing says anything else."""
    if isinstance(recorded, dict):
        assert isinstance(given, dict) and recorded.keys() <= given.keys(), place
        for key, value in recorded.items():
            refuse_less(given[key], value, values and key not in FREE, f"{place}.{key}")
    elif isinstance(recorded, list):
        assert isinstance(given, list), place
        assert not values or len(given) == len(recorded), place
        for number, (one, other) in enumerate(zip(given, recorded, strict=False)):
            refuse_less(one, other, values, f"{place}[{number}]")
    elif values and isinstance(recorded, float):  # the last bits are the processor's
        assert given == pytest.approx(recorded, rel=1e-6), place
    elif values:
        assert given == recorded, place


def test_the_files_are_as_they_were_written(work: Path) -> None:
    for name, sha256 in RECORDED.facts["files"].items():
        assert hashlib.sha256((work / name).read_bytes()).hexdigest() == sha256, name


def test_the_drawn_dataset_is_the_same(work: Path) -> None:
    assert compatibility.folder_digest(work / "signs") == RECORDED.facts["signs"]


def test_golden_vectors(work: Path) -> None:
    """Written anew, in a schema that only adds fields, they are the same; the old ones' scores come
    out of the file."""
    golden = json.loads((work / "golden.json").read_text())
    name, clip = golden["model"]["name"], golden["clips"][0]
    compatibility.command(f"predict {name} {compatibility.CLIPS[0]} --golden new.json --quiet")
    again = json.loads((work / "new.json").read_text())
    assert again["about"].keys() >= golden["about"].keys()
    replayed = again["clips"][0]
    for key, allowed in golden["tolerance"].items():
        apart = np.abs(np.array(replayed[key]) - np.array(clip[key])).max()
        assert apart <= (0 if EXACT else allowed)
    refuse_less(
        again
        | {"schema": 1, "about": None, "clips": [replayed | {"scores": None, "keypoints": None}]},
        golden | {"about": None, "clips": [clip | {"scores": None, "keypoints": None}]},
        True,
        "golden",
    )


@pytest.mark.release
def test_what_keras_loads(in_keras: Found) -> None:
    tensors = {k: v for k, v in in_keras.facts.items() if k.startswith("tensors/")}
    assert tensors == {name: RECORDED.facts[name] for name in tensors}
    assert len(tensors) == 8


@pytest.mark.release
def test_what_keras_and_tflite_give(in_keras: Found) -> None:
    refuse_others(in_keras, ("keras/", "load/", "tflite/"))


@pytest.mark.release
def test_what_predict_gives(in_keras: Found, in_torch: Found) -> None:
    refuse_others(Found(in_keras.numbers | in_torch.numbers), ("predict/",))


@pytest.mark.release
def test_training_goes_on_in_keras(resumed_in_keras: Found) -> None:
    refuse_others(resumed_in_keras, ("resumed-keras/",))
    history = resumed_in_keras.facts["history-keras"]
    assert [row["epoch"] for row in history] == ["1", "2"]
    refuse_other_facts(resumed_in_keras, "history-keras", "optimizer-keras")


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=str)
@pytest.mark.on_commit("model.h5-none.tflite")
def test_neighbours_are_equal(work: Path, a: str, b: str) -> None:
    options = signbart_port.Options(config="bare.yaml") if a.startswith("bare") else None
    chosen = {"options": options} if options else {}
    assert signbart_port.verify(a, b, **chosen).passed


def test_a_checkpoint_is_equal_and_its_report_keeps_every_key(work: Path) -> None:
    compatibility.command("verify model.pth model.h5 --report new-report.json --quiet")
    refuse_less(
        json.loads((work / "new-report.json").read_text()),
        json.loads((work / "report.json").read_text()),
        False,
        "report",
    )


@pytest.mark.parametrize("line", RECORDED.facts["answers"])
def test_answers_keep_every_key(work: Path, line: str) -> None:
    given = json.loads(compatibility.command(line))
    refuse_less(given, RECORDED.facts["answers"][line], not line.startswith(MEASURED), line)


@pytest.mark.release
def test_what_pytorch_loads_and_gives(in_torch: Found) -> None:
    tensors = {k: v for k, v in in_torch.facts.items() if k.startswith("tensors/")}
    assert tensors == {name: RECORDED.facts[name] for name in tensors}
    assert len({json.dumps(one) for one in tensors.values()}) == 1, "all are of one model"
    refuse_others(in_torch, ("torch/",))


@pytest.mark.release
def test_training_goes_on_in_pytorch(in_torch: Found) -> None:
    refuse_others(in_torch, ("resumed-torch/",))
    history = in_torch.facts["history-torch"]
    assert [row["epoch"] for row in history] == ["1", "2"]
    refuse_other_facts(in_torch, "history-torch", "optimizer-torch")
