"""What a .tflite cannot be, or cannot be made with: refused before anything is converted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.config.skeletons import KNOWN, MEDIAPIPE_75, MEDIAPIPE_100
from signbart_port.data.model_interface import Interface
from signbart_port.errors import PortError
from signbart_port.metrics.accuracy import Accuracy, Score
from signbart_port.model_files import h5
from signbart_port.tflite.modes import Gate, Quantization
from signbart_port.tflite_export.request import TFLiteOptions, TFLiteRequest, validate_options
from signbart_port.verbs._tflite_files import _about_calibration
from tests.support.datasets import Folder, a_clip
from tests.support.framework_models import keras_model
from tests.support.running import run_python
from tests.support.small_models import save_pth, small_config, state_dict
from tests.support.trained_models import CONFIG

Understand = Callable[..., TFLiteRequest]
INTEGERS = ("int8", "int8_full", "int16x8")


@pytest.fixture
def understand(fitted_h5: Path) -> Understand:
    file = h5.read(fitted_h5)
    return lambda **options: validate_options(TFLiteOptions(**options), file)


def dataset(root: Path, clips: int, points: int = 75, labels: int = CONFIG.num_labels) -> Path:
    """So many clips to train with, and one to test, of each label in turn."""
    folder = Folder(root, {f"sign{label}": label for label in range(labels)})
    for number in range(clips):
        folder.put(f"train/sign{number % labels}/{number}", a_clip(number, 2, points))
    folder.put("test/sign0/test", a_clip(0, 2, points))
    return root


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("few") / "signs", 99)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"quantization": "int4"}, "'int4' is not available. Available: none, float16, dynamic"),
        *(
            ({"quantization": mode}, f"{mode} needs real clips, .* Give --calibration DIR")
            for mode in INTEGERS
        ),
        *(
            (
                {"quantization": mode, "calibration": "signs", "dynamic_frames": True},
                f"{mode} needs a static number of frames",
            )
            for mode in INTEGERS
        ),
        (
            {"quantization": "int8_full", "calibration": "signs", "preprocessing": True},
            "int8_full reads keypoints as integers: too coarse",
        ),
        (
            {"quantization": "int8", "calibration": "signs", "frames": (1, 8)},
            "int8 cannot have a signature for 1 frame beside others",
        ),
        ({"quantization": "int8", "calibration": "signs", "clips": 0}, "0 clips to calibrate on"),
        ({"quantization": "int8", "calibration": "nowhere"}, "nowhere: does not exist"),
        ({"data": "nowhere"}, "nowhere: does not exist"),
        ({"skeleton": 75}, "--skeleton is that of raw clips, and there are none"),
        ({"preprocessing": True, "skeleton": 74}, "--skeleton 74: .74. is no skeleton that is"),
        ({"min_agreement": 0.9}, "--min-agreement and --max-drop need real clips. Give --data"),
        ({"max_drop": 0.0}, "--min-agreement and --max-drop need real clips. Give --data"),
        ({"pytorch": "model.pth"}, "model.pth: is compared on real clips. Give --data"),
        *(
            ({"data": "signs", "min_agreement": share}, "--min-agreement .*: it is a share, 0 to 1")
            for share in (-0.1, 1.1, 98, float("nan"))
        ),
        *(
            ({"data": "signs", "max_drop": points}, "--max-drop .*: it is in percentage points")
            for points in (-1, 100.1, float("nan"))
        ),
        ({"frames": ()}, "no number of frames"),
        ({"frames": (4, 4)}, "--frames names a length twice"),
        ({"frames": (4, 17)}, "takes 1 to 16 frames, not 17"),
        ({"frames": (4, 8), "dynamic_frames": True}, "--frames and --dynamic-frames do not go"),
    ],
)
def test_refused(understand: Understand, signs: Path, options: dict[str, Any], says: str) -> None:
    folders = {"signs": signs}
    with pytest.raises(PortError, match=says) as refused:
        understand(**{name: folders.get(value, value) for name, value in hashable(options)})
    assert str(refused.value).isprintable(), "one line"


def hashable(options: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, tuple(v) if isinstance(v, list) else v) for name, v in options.items()]


@pytest.mark.parametrize("use", ["calibration", "data"])
def test_a_dataset_of_other_labels(understand: Understand, tmp_path: Path, use: str) -> None:
    other = dataset(tmp_path / "signs", 101, labels=7)
    with pytest.raises(PortError, match="has 7 labels, the model 5"):
        understand(quantization="int8" if use == "calibration" else "none", **{use: other})


@pytest.mark.parametrize(
    ("points", "options", "says"),
    [
        (60, {}, "60 keypoints a frame: the model reads mediapipe-75"),
        (60, {"preprocessing": True}, "60 keypoints a frame: the model reads mediapipe-75"),
        (75, {"preprocessing": True, "skeleton": 100}, "has 75 points a frame, mediapipe-100 100"),
    ],
)
@pytest.mark.parametrize("use", ["calibration", "data"])
def test_clips_of_too_few_keypoints(
    understand: Understand, tmp_path: Path, points: int, options: Any, says: str, use: str
) -> None:
    folder = dataset(tmp_path / "signs", 100, points)
    with pytest.raises(PortError, match=says) as refused:
        understand(
            quantization="int8" if use == "calibration" else "none", **{use: folder} | options
        )
    assert Path(refused.value.path or "").is_relative_to(folder), "names a clip"


def test_a_model_of_few_joints_needs_the_whole_skeleton(tmp_path: Path) -> None:
    """Its hands and body are normalized by all of their points."""
    config = small_config(joint_idx=(11, 0, 3))
    keras_model(config, state_dict(config)).save(tmp_path / "model.h5")
    folder = dataset(tmp_path / "signs", 5, points=60)
    with pytest.raises(PortError, match="60 keypoints a frame: the model reads mediapipe-75"):
        validate_options(TFLiteOptions(data=folder), h5.read(tmp_path / "model.h5"))


def test_labels(understand: Understand, signs: Path, tmp_path: Path) -> None:
    path = tmp_path / "label2id.json"
    path.write_text(json.dumps({f"word{n}": n for n in range(CONFIG.num_labels)}))
    names = tuple(f"word{n}" for n in range(CONFIG.num_labels))
    assert understand().labels is None
    assert understand(data=signs).labels == tuple(f"sign{n}" for n in range(CONFIG.num_labels))
    assert understand(labels=path).labels == understand(labels=path, data=signs).labels == names
    path.write_text(json.dumps({"one": 0, "two": 1}))
    with pytest.raises(PortError, match=r"label2id\.json: has 2 labels, the model 5"):
        understand(labels=path)


def test_the_skeleton(understand: Understand, fitted_h5: Path, tmp_path: Path) -> None:
    """The usual one, or one with all face points where the model reads one of them."""
    assert understand().interface == Interface(CONFIG.keypoints)
    assert understand(preprocessing=True).interface == Interface(75, preprocessing=True)
    for skeleton in (100, "100", "mediapipe-100"):
        taken = understand(preprocessing=True, skeleton=skeleton).interface
        assert (taken.keypoints, taken.takes) == (100, MEDIAPIPE_100)
    assert understand(preprocessing=True, skeleton=75) == understand(preprocessing=True)
    face = small_config(joint_idx=(3, 80), count_missing=False)
    keras_model(face, state_dict(face)).save(tmp_path / "face.h5")
    file = h5.read(tmp_path / "face.h5")
    made = validate_options(TFLiteOptions(preprocessing=True, softmax=True), file).interface
    assert made == Interface(
        100,
        preprocessing=True,
        count_missing=False,
        probabilities=True,
        skeleton=MEDIAPIPE_100,
    )
    with pytest.raises(PortError, match="'80' is no skeleton that is known"):
        validate_options(TFLiteOptions(preprocessing=True, skeleton=80), file)
    with pytest.raises(PortError, match="a clip of mediapipe-75 lacks face 10, face 338, face 297"):
        validate_options(TFLiteOptions(preprocessing=True, skeleton=75), file)


def test_another_skeleton_is_selected_in_the_graph(understand: Understand) -> None:
    taken = understand(preprocessing=True, skeleton="holistic-543").interface
    assert (taken.keypoints, taken.takes) == (543, KNOWN["holistic-543"])
    assert taken.skeleton == MEDIAPIPE_75
    with pytest.raises(PortError, match="--skeleton is that of raw clips, and there are none"):
        understand(skeleton="holistic-543")
    with pytest.raises(PortError, match="--frame-size is for --data and --calibration"):
        understand(preprocessing=True, frame_size="640,480")


def test_what_is_calibrated_on_and_judged_on(understand: Understand, signs: Path) -> None:
    """By training clips and by test clips; by the whole of a dataset that has one split."""
    made = understand(quantization="int8", calibration=signs, seed=3)
    assert made.calibration is not None and made.data is not None
    assert {entry.split for entry in made.calibration.entries} == {"train"}
    assert {entry.split for entry in made.data.entries} == {"test"}
    again = understand(quantization="int8", calibration=signs, seed=3).calibration
    assert again is not None and again.names == made.calibration.names
    alone = understand(data=signs)
    assert alone.calibration is None and alone.data is not None
    assert alone.data.names == made.data.names


@pytest.mark.parametrize("mode", ["none", "float16", "dynamic"])
def test_nothing_is_calibrated_without_need(understand: Understand, few: Path, mode: str) -> None:
    """However few clips there are: they are judged on."""
    made = understand(quantization=mode, calibration=few)
    assert made.calibration is None and made.data is not None
    assert made.data.names == ("test",)


def test_the_number_of_clips(understand: Understand, tmp_path: Path) -> None:
    folder = dataset(tmp_path / "signs", 130)
    for asked, got in ((None, 128), (100, 100), (500, 130), (7, 7), (1, 1)):
        options = {} if asked is None else {"clips": asked}
        made = understand(quantization="int8", calibration=folder, **options).calibration
        assert made is not None and len(set(made.names)) == got
        most, *_, fewest = sorted(np.bincount(made.targets).tolist(), reverse=True)
        assert most - fewest <= 1


def test_bad_samples(understand: Understand, tmp_path: Path) -> None:
    folder = dataset(tmp_path / "signs", 101)
    bad = [folder / "train/sign0/0.pkl", folder / "test/sign0/other.pkl"]
    for path in bad:
        path.write_bytes(b"no pickle")
    with pytest.raises(PortError, match=r"0\.pkl"):
        understand(quantization="int8", calibration=folder)
    made = understand(quantization="int8", calibration=folder, skip_bad=True)
    assert made.skipped == frozenset(bad)
    assert made.calibration is not None and len(made.calibration.entries) == 100


def test_few_clips_are_calibrated_on_and_their_cost_is_said(
    understand: Understand, few: Path, signs: Path
) -> None:
    made = understand(quantization="int8", calibration=few).calibration
    assert made is not None and len(made.entries) == 99
    scores = (Score("Keras", 0.9, 1.0, 1.0), Score("int8", 0.8, 1.0, 0.85))
    (said,) = _about_calibration(made, Accuracy(20, scores, ()))
    assert said == (
        "calibrated on 99 clips, fewer than 100: activations beyond the ranges that these show are"
        " cut off. On 20 clips the file predicts what Keras does for 85.0%, and loses 10.0 points"
        " of top-1 accuracy"
    )
    enough = understand(quantization="int8", calibration=signs).calibration
    assert list(_about_calibration(enough, None)) == list(_about_calibration(None, None)) == []


def test_another_split_than_usual_is_said(understand: Understand, tmp_path: Path) -> None:
    root = dataset(tmp_path / "signs", 7)
    assert understand(quantization="int8", calibration=root).notes == ()
    (root / "train").rename(root / "valid")
    (root / "test").rename(root / "videos")
    assert understand(quantization="int8", calibration=root).notes == (
        "valid is read as val",
        "not read, no split: videos; splits are train, val, test and all",
        f"calibrated on the clips of val: {root} has no train",
        f"measured on the clips of val: {root} has no test",
    )


@pytest.mark.parametrize("mode", Quantization)
def test_the_gate(understand: Understand, signs: Path, mode: Quantization) -> None:
    """Stricter where less is lost; what a person says instead stands, each alone."""
    options = {"quantization": mode, "calibration": signs}
    own = understand(**options).gate
    exact = mode in (Quantization.NONE, Quantization.FLOAT16)
    assert (own == Gate(min_agreement=1, max_drop=0)) == exact
    assert 0.95 <= own.min_agreement <= 1 and 0 <= own.max_drop <= 2
    assert understand(**options, min_agreement=0.5).gate == Gate(0.5, own.max_drop)
    assert understand(**options, max_drop=50).gate == Gate(own.min_agreement, 50)
    assert understand(**options, min_agreement=0, max_drop=0.0).gate == Gate(0, 0.0)


def test_frames(understand: Understand) -> None:
    """Proven on those that were asked for, or on short and long ones where any can be fed."""
    assert understand().frames == understand().proof_lengths == (16,)
    made = understand(frames=(8, 2, 16))
    assert made.frames == made.proof_lengths == (2, 8, 16) and made.longest == 16
    assert understand(frames=5).frames == (5,)
    free = understand(dynamic_frames=True)
    assert free.frames == () and free.proof_lengths == (1, 16)
    assert understand(dynamic_frames=True, frames=5).proof_lengths == (1, 5, 16)


def test_the_command_line(fitted_h5: Path, signs: Path, tmp_path: Path) -> None:
    """One line, exit code 2, nothing written, and nothing heavy imported to say so."""
    checkpoint = save_pth(tmp_path / "model.pth", state_dict(CONFIG))
    code = """
import contextlib, io, json, sys
from signbart_port.cli import main

for arguments in json.load(open(sys.argv[1])):
    sys.argv[1:] = arguments
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code
    print(json.dumps([code, said.getvalue()]))
print(json.dumps(sorted({"torch", "tensorflow", "keras"} & set(sys.modules))))
"""
    folder = tmp_path / "out"
    folder.mkdir()
    options = {
        "--quantization int8": "int8 needs real clips",
        "--quantize int16x8": "int16x8 needs real clips",
        f"--quantization int8_full --calibration {signs} --preprocessing": "too coarse",
        f"--quantization int8 --calibration {signs} --clips 0": "0 clips to calibrate on",
        f"--data {signs} --min-agreement 98": "it is a share",
        f"--pytorch {checkpoint}": "Give --data DIR",
        "--quantization int4": "int4",
        "--frames 4,x": "--frames 4,x: not a number",
    }
    calls = [
        [
            "tflite",
            str(fitted_h5),
            "--quiet",
            "--out",
            str(folder / "model.tflite"),
            *option.split(),
        ]
        for option in options
    ]
    (tmp_path / "calls.json").write_text(json.dumps(calls))
    *ended, imported = map(json.loads, run_python(code, tmp_path / "calls.json").splitlines())
    assert imported == []
    for (status, said), says in zip(ended, options.values(), strict=True):
        assert status == 2 and says in said, said
        assert said.startswith("signbart-port: ") and said.count("\n") == 1
    assert not list(folder.iterdir())


def test_every_option_is_on_the_command_line() -> None:
    """The command line says all that Python can."""
    from inspect import signature

    from signbart_port.cli.tflite import tflite

    assert {field.name for field in fields(TFLiteOptions)} <= set(signature(tflite).parameters)
