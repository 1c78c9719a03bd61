"""The verb `evaluate`, as its users run it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import demo
import signbart_port
from signbart_port.cli import main
from signbart_port.data import preprocessing, samples
from signbart_port.data.synthetic.signs import SIGNS
from signbart_port.evaluation.result import Evaluation
from signbart_port.metrics import flops
from signbart_port.model_files import mappings
from signbart_port.model_files.checkpoint_model import open_checkpoint
from tests.support.cards import bare, emit_model
from tests.support.datasets import Folder, a_clip
from tests.support.framework_models import keras_model, torch_model
from tests.support.running import run_cli
from tests.support.small_models import save_pth, small_config, state_dict

Run = Callable[..., tuple[int, str, str]]
LABELS = tuple(sign.name for sign in SIGNS)
OTHER = small_config(num_labels=10, layout="selected", count_missing=False)
"""Fed otherwise than the sample: its joints alone, shorter clips, a box without missing points."""
UNSEEN = "8 of 13 clips have no left hand in any frame"


def signs(folder: Path) -> None:
    """The sample's clips as a dataset, a sign each, signed by ann and bob; and three that lie: two
    waves that say circle, a lift that says rain."""
    with np.load(demo.SAMPLES / "clips.npz") as data:
        parts = np.split(data["keypoints"].astype(np.float32), np.cumsum(data["lengths"])[:-1])
        clips = {LABELS[label]: part for label, part in zip(data["labels"], parts, strict=True)}
    dataset = Folder(folder, {label: n for n, label in enumerate(LABELS)})
    put = {}
    for number, (label, clip) in enumerate(clips.items()):
        put[f"test/{label}/{('ann', 'bob')[number % 2]}_1"] = clip
    put["test/circle/bob_2"] = put["test/circle/bob_3"] = clips["wave"]
    put["test/rain/ann_2"] = clips["lift"]
    for name, clip in put.items():
        dataset.put(name, clip)
    dataset.put("train/wave/zoe_1", clips["wave"])
    dataset.put("all/wave/9", clips["wave"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's model in every format, another model of these signs, and a dataset."""
    folder = tmp_path_factory.mktemp("evaluate")
    signs(folder / "signs")
    shutil.copy(demo.CHECKPOINT, folder / "signs.pth")
    source = open_checkpoint(folder / "signs.pth")
    model = keras_model(source.resolved.config, dict(source.reference_tensors))
    model.save(folder / "signs.h5")
    emit_model(folder / "signs.tflite", model, (40, 64), labels=LABELS)
    (folder / "bare.tflite").write_bytes(bare(folder / "signs.tflite"))
    save_pth(folder / "other.pth", state_dict(OTHER))
    (folder / "other.yaml").write_text(OTHER.model_dump_json())
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def program(arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", "evaluate", *arguments.split()])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return program


def told(run: Run, arguments: str) -> dict[str, Any]:
    code, out, err = run(f"{arguments} --json")
    assert (code, err) == (0, "")
    loaded: dict[str, Any] = json.loads(out)
    return loaded


@pytest.fixture(scope="module")
def side_by_side(folder: Path) -> Evaluation:
    names = ("signs.pth", "signs.h5", "signs.tflite", "other.pth")
    return signbart_port.evaluate([folder / name for name in names], folder / "signs")


def test_every_kind_does_the_same(side_by_side: Evaluation) -> None:
    """As the sample's own test says, it knows each of its clips: what lies is wrong."""
    found = side_by_side
    assert (found.split, found.clips, found.labels) == ("test", 13, LABELS)
    assert [model.format for model in found.models[:3]] == ["PyTorch", "Keras", "TFLite float32"]
    for model in found.models[:3]:
        scores = model.scores
        assert (scores.right, scores.top1) == (10, 10 / 13)
        assert scores.interval == pytest.approx((0.4974, 0.9182), abs=1e-4)
        confused = [(c.label, c.taken_for, c.clips, c.of) for c in scores.confusions]
        assert confused == [("circle", "wave", 2, 3), ("rain", "lift", 1, 2)]
        f1 = {one.label: one.f1 for one in scores.classes}
        assert f1["wave"] == pytest.approx(1 / 2) == f1["circle"]
        assert f1["rain"] == pytest.approx(2 / 3) == f1["lift"] and f1["grasp"] == 1
        assert scores.macro_f1 == pytest.approx((6 + 2 * 1 / 2 + 2 * 2 / 3) / 10)
        assert [(s.signer, s.right, s.of) for s in scores.signers] == [
            ("ann", 5, 6),
            ("bob", 5, 7),
        ]
        wrong = [(Path(one.clip), one.label, one.taken_for) for one in model.wrong]
        assert sorted((path.name, *names) for path, *names in wrong) == [
            ("ann_2.pkl", "rain", "lift"),
            ("bob_2.pkl", "circle", "wave"),
            ("bob_3.pkl", "circle", "wave"),
        ]
        assert all(path.is_file() for path, *_ in wrong)
        shares = [one.probability for one in model.wrong]
        assert sorted(shares, reverse=True) == shares and 0.1 < shares[-1] <= shares[0] <= 1
    assert len({model.scores for model in found.models[:3]}) == 1


def test_clips_are_run_part_by_part(
    side_by_side: Evaluation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signbart_port.verbs.evaluate._FRAMES", 250)
    names = ("signs.pth", "signs.tflite")
    found = signbart_port.evaluate([folder / name for name in names], folder / "signs")
    for model, whole in zip(
        found.models, (side_by_side.models[0], side_by_side.models[2]), strict=True
    ):
        assert model == whole


def test_what_each_costs(side_by_side: Evaluation, folder: Path) -> None:
    torch, keras, tflite, other = side_by_side.models
    config = open_checkpoint(folder / "signs.pth").resolved.config
    parameters = mappings.plan_for(config).parameters
    lengths = sorted([42, 30, 47, 33, 49, 45, 34, 36, 40, 32, 42, 42, 36])
    assert torch.parameters == keras.parameters == parameters
    assert 0.8 * parameters < tflite.parameters < parameters  # half of the positions, folded ones
    for model in (torch, keras):
        assert (model.median.frames, model.longest.frames) == (lengths[6], 49)
        assert model.median.flops == flops.of_forward(config, lengths[6])
        assert model.longest.flops == flops.of_forward(config, 49)
    assert (tflite.median.frames, tflite.longest.frames) == (40, 64)  # of signatures
    assert 0 < (tflite.median.flops or 0) < flops.of_forward(config, 40)
    assert (other.median.frames, other.longest.frames) == (16, 16)
    assert [m.size for m in side_by_side.models] == [
        (folder / m.model).stat().st_size for m in side_by_side.models
    ]


def test_each_is_fed_as_it_was_trained(side_by_side: Evaluation, folder: Path) -> None:
    """Of the other model, whose weights are random, the very predictions."""
    import torch

    targets, predicted = [], []
    model = torch_model(OTHER, state_dict(OTHER))
    for path in (folder / "signs" / "test").glob("*/*.pkl"):
        targets.append(LABELS.index(path.parent.name))
        clip = preprocessing.shorten(samples.read(path).keypoints, 16)
        fed = preprocessing.prepare(clip, count_missing=False)[None][:, :, list(OTHER.joint_idx)]
        with torch.inference_mode():
            predicted.append(model(torch.from_numpy(fed), torch.ones(1, 16))[1][0].argmax().item())
    other = side_by_side.models[3]
    counts = np.bincount(predicted, minlength=10)
    assert [one.predicted for one in other.scores.classes] == counts.tolist()
    assert other.scores.right == sum(np.equal(predicted, targets))
    assert other.notes == ("config: other.yaml beside it",)


def test_every_pair_agrees_or_not(side_by_side: Evaluation) -> None:
    pairs = [(Path(a.first).name, Path(a.second).name) for a in side_by_side.agreement]
    names = ["signs.pth", "signs.h5", "signs.tflite", "other.pth"]
    assert pairs == [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    for pair, one in zip(pairs, side_by_side.agreement, strict=True):
        assert one.share == one.same / 13
        assert (one.same == 13) == ("other.pth" not in pair)


def test_what_a_person_reads(run: Run, folder: Path) -> None:
    files = (folder / "page.html", folder / "all.json", folder / "picture.svg")
    code, out, err = run(
        "signs.tflite bare.tflite --data signs --every-class"
        " --report page.html --confusion picture.svg"
    )
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "signs, split test: 13 clips"
    row = next(line for line in lines if line.startswith("signs.tflite TFLite float32"))
    assert row.startswith("signs.tflite TFLite float32 10 76.9% 49.7–91.8 100.0% 0.833")
    same = "the same class for 13 of 13 clips (100.0%)"
    assert f"agreement signs.tflite and bare.tflite: {same}" in lines
    assert "2 of 3: circle taken for wave" in lines
    assert "signers 83.3%, 83.3% of 6: ann" in lines and "71.4%, 71.4% of 7: bob" in lines
    assert any(line.startswith("note bare.tflite: bare.tflite has no model card") for line in lines)
    assert "│ circle │ 1.000 │ 0.333 │ 0.500 │ 3 │" in lines
    assert any(line.startswith("report page.html (") for line in lines)
    assert files[0].read_text().startswith("<!DOCTYPE html>")
    assert files[2].read_bytes().startswith(b"<?xml")
    before = [path.read_bytes() for path in (files[0], files[2])]
    code, out, err = run("signs.tflite --data signs --report page.html --confusion picture.svg")
    assert (code, out) == (2, "") and "page.html: exists; give --force" in err
    assert [path.read_bytes() for path in (files[0], files[2])] == before
    arguments = "signs.tflite --data signs -q --force --report page.html --confusion picture.svg"
    assert run(arguments) == (0, "", f"{UNSEEN}\n")
    assert all(p.read_bytes() != b for p, b in zip((files[0], files[2]), before, strict=True))
    given = told(run, "signs.tflite --data signs --report all.json")
    written = json.loads(files[1].read_text())
    assert {key: written[key] for key in given} == given
    assert written["environment"]["packages"].keys() >= {"scikit-learn", "matplotlib", "torch"}


def test_the_clips_of_choice(run: Run) -> None:
    def chosen(arguments: str) -> tuple[Any, ...]:
        found = told(run, f"signs.tflite --data signs {arguments}")
        (model,) = found["models"]
        signers = [one["signer"] for one in model["scores"]["signers"]]
        return found["split"], found["clips"], model["scores"]["right"], signers

    assert chosen("--split train") == ("train", 1, 1, ["zoe"])
    assert chosen("--split all") == ("all", 1, 1, [None])
    assert chosen("--signer ann") == ("test", 6, 5, ["ann"])
    assert chosen("--signer bob --signer ann") == ("test", 13, 10, ["ann", "bob"])


def test_bad_samples_are_left_out_by_wish(run: Run, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "signs", tmp_path / "some")
    (tmp_path / "some/test/wave/cid_1.pkl").write_bytes(b"nothing")
    arguments = f"signs.tflite --data {tmp_path / 'some'}"
    code, out, err = run(arguments)
    assert (code, out) == (2, "") and "cid_1.pkl" in err and err.count("\n") == 1
    found = told(run, f"{arguments} --skip-bad")
    assert found["clips"] == 13
    assert [Path(bad["path"]).name for bad in found["left_out"]] == ["cid_1.pkl"]


def test_a_dataset_without_test_clips_needs_the_split_s_name(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    """Figures on clips that the model was trained on, or chosen by, are others."""
    signs = tmp_path / "some"
    shutil.copytree(folder / "signs", signs)
    shutil.rmtree(signs / "all")
    (signs / "test").rename(signs / "valid")
    code, out, err = run(f"signs.tflite --data {signs}")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "some: has no test clips: it has train, val. Say which clips to run, such as" in err
    found = told(run, f"signs.tflite --data {signs} --split val")
    assert (found["split"], found["clips"]) == ("val", 13)
    assert found["notes"] == ["valid is read as val", UNSEEN]
    _, out, _ = run(f"signs.tflite --data {signs} --split val")
    assert "valid is read as val" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nothing.pth --data signs", "nothing.pth: does not exist"),
        ("signs.pth --data nothing", "nothing: does not exist"),
        ("page.txt --data signs", "page.txt: is a text file"),
        ("signs.tflite cut.h5 --data signs", "cut.h5: cannot be read as HDF5"),
        ("five.pth --data signs", "signs: has 10 labels, five.pth 5. Give the dataset"),
        ("signs.tflite five.pth --data signs", "signs: has 10 labels, five.pth 5"),
        ("signs.tflite --data turned", 'signs.tflite: its class 0 is "wave", that of turned "b'),
        ("signs.tflite --data signs --split val", 'signs: has no samples in "val". It has train'),
        ("signs.tflite --data signs --signer zoe", 'no clips of the signer "zoe" in test. It has'),
        ("signs.h5 --data hands", "hands/test/wave/one.pkl: 42 keypoints a frame: the model reads"),
        (
            "signs.tflite --data hands",
            "hands/test/wave/one.pkl: 42 keypoints a frame: the model reads",
        ),
        ("nan.tflite --data signs", "nan.tflite: gives numbers that are not finite"),
        ("other.pth --data signs --config lsa-64", "contradicts its config"),
        ("signs.tflite --data signs --joints x", "--joints x"),
        ("signs.tflite --data signs --report a.pdf", "a report is written as .html or .json"),
        ("signs.tflite --data signs --confusion a.jpg", "a picture is written as .png or .svg"),
        ("signs.tflite --data signs --confusion no/a.svg", "its folder does not exist"),
        (
            "signs.tflite --data signs --report signs/label2id.json --force",
            "is the input signs/label2id.json",
        ),
    ],
)
def test_bad_input(run: Run, folder: Path, arguments: str, says: str) -> None:
    """Exit 2, one line that names the file and what is wrong, nothing written."""
    bad_files(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, err = run(arguments)
    assert (code, out) == (2, "")
    assert err.startswith("signbart-port: ") and says in err and err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def bad_files(folder: Path) -> None:
    """Once: what the tests of bad input give."""
    if (folder / "page.txt").exists():
        return
    (folder / "cut.h5").write_bytes((folder / "signs.h5").read_bytes()[:-300])
    five = small_config()
    save_pth(folder / "five.pth", state_dict(five), config=five.model_dump())
    turned = Folder(folder / "turned", {f"b{label}": n for n, label in enumerate(LABELS)})
    turned.put("test/bwave/one", a_clip(0, 30))
    hands = Folder(folder / "hands", {label: n for n, label in enumerate(LABELS)})
    hands.put("test/wave/one", a_clip(0, 30, points=42))
    config = OTHER.replace(layout="full")
    weights = state_dict(config)
    weights["classification_head.out_proj.bias"][0] = np.nan
    emit_model(folder / "nan.tflite", keras_model(config, weights), (16,), labels=LABELS)
    (folder / "page.txt").write_text("a page")


def test_help_imports_nothing_heavy() -> None:
    ended = run_cli("evaluate", "--help")
    assert ended.code == 0
    assert not ended.imported & {"torch", "tensorflow", "keras", "sklearn", "matplotlib"}


@pytest.mark.release
def test_real_models(shared_data: Path, real_h5: Path, tmp_path: Path) -> None:
    """53 of 60 clips of the signer that the checkpoint never saw."""
    expand = [sys.executable, shared_data / "expand.py", tmp_path / "real", "--holdout", "user08"]
    subprocess.run(expand, check=True, capture_output=True)
    found = signbart_port.evaluate([shared_data / "user08.pth", real_h5], tmp_path / "real")
    assert found.clips == 60 and [model.scores.right for model in found.models] == [53, 53]
    assert [model.scores.signers[0].signer for model in found.models] == ["user08"] * 2
    assert found.agreement[0].same == 60
