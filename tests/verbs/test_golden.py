"""Golden vectors: what is in the file, that it is exact, and that a replay can fail."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from signbart_port.cli import main
from signbart_port.data import preprocessing
from signbart_port.errors import PortError
from signbart_port.system import digest
from signbart_port.tflite.golden import replay
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
    assert golden["schema"] == 1
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
    with pytest.raises(PortError, match=r"golden\.json: was made with another model"):
        replay(folder / "golden.json", folder / "bare.tflite")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', "\x00", "[" * 100_000])
def test_what_is_no_golden_file(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "golden.json").write_text(text)
    with pytest.raises(PortError, match=r"golden\.json: "):
        replay(tmp_path / "golden.json", folder / "model.tflite")


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
