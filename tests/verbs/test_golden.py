"""Golden vectors: what is in the file, that it is exact, and that a replay can fail."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from signbart_port.cli import main
from signbart_port.data import preprocessing
from signbart_port.errors import PortError
from signbart_port.system import digest
from signbart_port.tflite.description import describe
from signbart_port.tflite.golden import replay
from signbart_port.tflite.golden_record import Record
from signbart_port.verbs.replay_golden import replay_golden
from tests.support.cards import bare, emit
from tests.support.datasets import a_clip
from tests.support.small_models import save_pth, small_config, state_dict

CONFIG = small_config()
Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_tflite: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    shutil.copy(small_tflite(4, 16), folder / "model.tflite")
    (folder / "bare.tflite").write_bytes(bare(folder / "model.tflite"))
    clip = a_clip(0, 3).astype(np.float64)
    clip[0, :9], clip[1, 2, 0], clip[2, 3, 1], clip[2, 4] = 0, np.nan, np.inf, (1e300, 1 / 3)
    np.savez(folder / "short.npz", **{"keypoints": clip, "class": "sign 2"})
    np.save(folder / "long.npy", a_clip(1, 30))
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def program(arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", "predict", *arguments.split()])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return program


@pytest.fixture
def golden(run: Run, folder: Path) -> dict[str, Any]:
    """The file's content, made once: JSON of the strict kind."""
    if not (folder / "golden.json").exists():
        code, out, err = run("model.tflite short.npz long.npy --golden golden.json -q")
        assert (code, out) == (0, "") and err.startswith("short.npz: ") and "1e+300" in err

    def refuse(number: str) -> None:
        raise AssertionError(f"{number} is no JSON")

    return json.loads((folder / "golden.json").read_text(), parse_constant=refuse)


def test_what_is_recorded(golden: dict[str, Any], folder: Path) -> None:
    assert golden["schema"] == 2
    assert golden["model"] == {
        "name": "model.tflite",
        "sha256": digest.of_file(folder / "model.tflite"),
    }
    assert golden["output"] == "logits" and golden["labels"][2] == "sign 2"
    short, long = golden["clips"]
    assert (short["clip"], short["label"]) == ("short.npz", "sign 2")
    assert (long["clip"], long["label"]) == ("long.npy", None)
    assert (short["signature"], long["signature"]) == ("frames_4", "serving_default")
    assert short["attention_mask"] == [1, 1, 1, 0]
    assert short["keypoints"][3] == [[0, 0]] * 12 and len(short["raw"]) == 3
    assert short["raw"][1][2] == [None, pytest.approx(a_clip(0, 3)[1, 2, 1])]
    assert short["raw"][2][3][1] is None and short["raw"][2][4] == [None, pytest.approx(1 / 3)]
    assert short["raw"][0][0] == [0, 0]


def test_it_explains_itself(golden: dict[str, Any]) -> None:
    """A line for each field that there is, and for none that is not."""
    fields = {*golden} - {"schema", "about", "clips"}
    fields |= {f"clips[].{name}" for clip in golden["clips"] for name in clip}
    assert golden["about"].keys() == fields


def test_every_number_is_the_float32_that_was_computed(
    golden: dict[str, Any], folder: Path
) -> None:
    """Held against the interpreter and NumPy themselves, bit for bit."""
    interpreter = Interpreter(str(folder / "model.tflite"))
    with np.load(folder / "short.npz") as arrays:
        raws = [arrays["keypoints"], np.load(folder / "long.npy")]
    for clip, raw in zip(golden["clips"], raws, strict=True):
        with np.errstate(over="ignore"):
            told, given = np.array(clip["raw"], np.float32), raw.astype(np.float32)
        finite = np.isfinite(given)
        assert np.isnan(told[~finite]).all()
        assert told[finite].tobytes() == given[finite].tobytes()

        kept = preprocessing.prepare(preprocessing.shorten(raw, 16))[:, :12]
        fed = np.array(clip["keypoints"], np.float32)
        assert fed[: len(kept)].tobytes() == kept.tobytes() and not fed[len(kept) :].any()
        mask = np.array(clip["attention_mask"], np.float32)
        runner = interpreter.get_signature_runner(clip["signature"])
        logits = runner(keypoints=fed[None], attention_mask=mask[None])["logits"]
        assert np.array(clip["scores"], np.float32).tobytes() == logits[0].tobytes()


def test_numbers_are_short(golden: dict[str, Any]) -> None:
    """As short as a float32 needs: a double would take twice the digits."""
    digits = [len(re.sub(r"\D", "", repr(x).split("e")[0])) for x in golden["clips"][1]["scores"]]
    assert max(digits) <= 10


def test_a_replay(golden: dict[str, Any], folder: Path) -> None:
    replayed = replay(folder / "golden.json", folder / "model.tflite")
    assert (replayed.clips, replayed.passed) == (2, True)
    assert replayed.keypoints == replayed.scores == 0
    largest = max(abs(x) for clip in golden["clips"] for x in clip["scores"])
    assert 0 < golden["tolerance"]["scores"] <= 1e-3 * largest
    assert 0 < golden["tolerance"]["keypoints"] <= 1e-3


def changed(golden: dict[str, Any], what: str, by: float) -> None:
    one = golden["clips"][1][what]
    while isinstance(one[-1], list):
        one = one[-1]
    one[-1] += by


@pytest.mark.parametrize("what", ["keypoints", "attention_mask", "scores", "raw"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_replay_that_is_not_equal(
    golden: dict[str, Any], folder: Path, tmp_path: Path, what: str, sign: int
) -> None:
    """One number of one clip, in each place; a little less than is allowed still passes."""
    path = tmp_path / "golden.json"
    for share, passes in ((0.9, True), (1.1, False)):
        other = json.loads(json.dumps(golden))
        if what == "raw":
            other["clips"][1]["raw"][-1][11][0] += 0 if passes else sign * 0.02
        else:
            name = "scores" if what == "scores" else "keypoints"
            changed(other, what, sign * share * golden["tolerance"][name])
        path.write_text(json.dumps(other))
        assert replay(path, folder / "model.tflite").passed is passes


def test_nan_never_passes(golden: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    golden["clips"][0]["scores"][1] = None
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    assert not replay(tmp_path / "golden.json", folder / "model.tflite").passed


def test_of_another_model(golden: dict[str, Any], folder: Path) -> None:
    for replayed in (replay, replay_golden):
        with pytest.raises(
            PortError, match=r"golden\.json: was made with another model\. Give the model"
        ):
            replayed(folder / "golden.json", folder / "bare.tflite")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 3}', "\x00", "[" * 100_000]
)
def test_what_is_no_golden_file(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "golden.json").write_text(text)
    with pytest.raises(PortError, match=r"golden\.json: "):
        replay(tmp_path / "golden.json", folder / "model.tflite")


def test_the_schema_is_published(golden: dict[str, Any]) -> None:
    """The file beside the code is what the reader holds golden vectors to."""
    published = resources.files("signbart_port.tflite") / "golden.schema.json"
    schema = json.loads(published.read_text())
    assert schema == Record.model_json_schema(by_alias=True)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(golden, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(golden | {"clips": []}, schema)


def test_a_file_of_schema_1(golden: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    del golden["description"]
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(golden | {"schema": 1}))
    assert replay(path, folder / "model.tflite").passed
    assert replay_golden(path, folder / "model.tflite").passed


def test_it_describes_its_model(golden: dict[str, Any], folder: Path) -> None:
    assert golden["description"] == describe(folder / "model.tflite")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 3}, "schema: Input should be 1 or 2"),
        ({"clips": []}, "clips: "),
        ({"tolerance": {"keypoints": -1, "scores": 1}}, "tolerance.keypoints: "),
        ({"skeleton": "hand-21"}, "'hand-21' is no skeleton that is known"),
        ({"frame_size": [0, 1]}, "it is width and height in pixels"),
        ({"description": None}, "has no description of its model"),
        (
            {"model": {"name": "other", "sha256": "0" * 64}},
            "the file: its description is that of another",
        ),
    ],
)
def test_a_record_that_is_refused(
    golden: dict[str, Any], folder: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    (tmp_path / "golden.json").write_text(json.dumps(golden | change))
    with pytest.raises(PortError) as refused:
        replay_golden(tmp_path / "golden.json", folder / "model.tflite")
    assert str(refused.value).startswith(f"{tmp_path}/golden.json: ") and says in str(refused.value)


@pytest.mark.parametrize(
    ("what", "value", "says"),
    [
        ("raw", [[[0.0, 0.0]], [[0.0]]], "frames are of several lengths"),
        ("raw", [[[0.0, "0"]]], "Input should be a valid number"),
        ("scores", [0.0] * 10_001, "clips.0.scores"),
        ("raw", [[[0.0, 0.0]] * 42], "42 keypoints a frame"),
        ("keypoints", [[[0.0, 0.0]]], "another shape"),
        (
            "signature",
            "frames_9",
            "its clip short.npz goes to frames_4, and frames_9 is recorded. W",
        ),
    ],
)
def test_a_clip_that_is_refused(
    golden: dict[str, Any], folder: Path, tmp_path: Path, what: str, value: Any, says: str
) -> None:
    golden["clips"][0][what] = value
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    with pytest.raises(PortError) as refused:
        replay_golden(tmp_path / "golden.json", folder / "model.tflite")
    assert says in str(refused.value) and f"{tmp_path}/golden.json" in str(refused.value)


def test_check(golden: dict[str, Any], run: Run, folder: Path) -> None:
    """A line a clip; the model is found beside the file."""
    code, out, err = run("--check golden.json")
    assert (code, err) == (0, "") and out.count("\n") == 3
    assert out.startswith("PASS short.npz, frames_4: ") and "\n2 of 2 clips pass" in out
    assert run("--check golden.json -q") == (0, "", "")


def test_writing_is_said(run: Run, folder: Path) -> None:
    """Whoever reads the classes reads the name of the file; a machine and -q get neither."""
    line = "written said.json ("
    assert run("model.tflite long.npy --golden said.json")[1].splitlines()[-1].startswith(line)
    assert json.loads(run("model.tflite long.npy --golden said.json --force --json")[1])
    assert run("model.tflite long.npy --golden said.json --force -q")[1] == ""


def test_check_of_a_model_that_computes_something_else(
    golden: dict[str, Any], run: Run, folder: Path
) -> None:
    golden["clips"][1]["scores"][0] += 1
    (folder / "other.json").write_text(json.dumps(golden))
    code, out, _ = run("model.tflite --check other.json --json")
    found = json.loads(out)
    assert code == 1 and [one["passed"] for one in found["clips"]] == [True, False]
    assert found["clips"][1]["scores"] == pytest.approx(1) and not found["passed"]
    code, out, err = run("--check other.json -q")
    assert (code, out) == (1, "") and "1 of 2 clips FAIL" in err


@pytest.mark.parametrize("name", ["gone.tflite", "../model.tflite", "/etc/passwd", ".."])
def test_check_without_its_model(golden: dict[str, Any], run: Run, folder: Path, name: str) -> None:
    model = golden["model"] | {"name": name}
    golden |= {"model": model, "description": golden["description"] | {"model": model}}
    (folder / "inner").mkdir(exist_ok=True)
    (folder / "inner" / "alone.json").write_text(json.dumps(golden))
    code, out, err = run("--check inner/alone.json")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "is not beside it. Give the model as well" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("model.tflite long.npy --check golden.json", "long.npy: --check replays the clips"),
        ("--check golden.json --top 3", "--top cannot be combined with --check"),
        ("--check nothing.json", "nothing.json: does not exist"),
        ("--check long.npy", "long.npy: "),
        ("model.tflite", "predict needs a model and a clip"),
    ],
)
def test_check_of_bad_input(golden: dict[str, Any], run: Run, arguments: str, says: str) -> None:
    code, out, err = run(arguments)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1


@pytest.mark.release
def test_raw_keypoints_and_probabilities(run: Run, folder: Path, tmp_path: Path) -> None:
    """Of a file that prepares them itself, what it is fed is what the detector gave."""
    path = tmp_path / "raw.tflite"
    emit(path, CONFIG, (4, 16), skeleton=75, probabilities=True)
    assert run(f"{path} long.npy --golden {tmp_path}/golden.json -q") == (0, "", "")
    golden = json.loads((tmp_path / "golden.json").read_text())
    (clip,) = golden["clips"]
    assert golden["output"] == "probabilities" and sum(clip["scores"]) == pytest.approx(1)
    assert clip["keypoints"][0] == clip["raw"][0] and clip["keypoints"][-1] == clip["raw"][-1]
    assert replay(tmp_path / "golden.json", path).passed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("model.pth long.npy --golden new.json", "model.pth: is a zip archive, such as torch.save"),
        ("model.tflite long.npy --golden new.txt", "new.txt: golden vectors are written as .json"),
        ("model.tflite long.npy --golden old.json", "old.json: exists; give --force"),
        ("model.tflite long.npy --golden no/new.json", "no/new.json: its folder does not exist"),
        ("model.tflite nothing.npy --golden new.json", "nothing.npy: does not exist"),
    ],
)
def test_bad_input(run: Run, folder: Path, arguments: str, says: str) -> None:
    """Exit 2, one line that names the file and what is wrong, nothing written."""
    save_pth(folder / "model.pth", state_dict(CONFIG), config=CONFIG.model_dump())
    (folder / "old.json").write_text("the vectors of yesterday")
    before = sorted(folder.iterdir())
    code, out, err = run(arguments)
    assert (code, out) == (2, "")
    assert err.startswith("signbart-port: ") and says in err and err.count("\n") == 1
    assert sorted(folder.iterdir()) == before
    assert (folder / "old.json").read_text() == "the vectors of yesterday"
