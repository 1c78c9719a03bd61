"""The verb `predict`, as its users run it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signbart_port.cli import main
from signbart_port.data.labels import read_labels
from signbart_port.tflite import metadata
from signbart_port.verbs.load import load
from tests.support.cards import a_card, bare, emit, emit_model
from tests.support.datasets import a_clip
from tests.support.framework_models import keras_model
from tests.support.running import run_python
from tests.support.small_models import save_pth, small_config, state_dict

Run = Callable[..., tuple[int, str, str]]
CONFIG = small_config()
LABELS = ("سلام", "[red]dog", "a\x1b[2Jb", "cat", "two words")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_tflite: Callable[..., Path]) -> Path:
    """One model as .pth, .h5 and .tflite; a .tflite that says nothing; two clips and labels."""
    folder = tmp_path_factory.mktemp("predict")
    weights = state_dict(CONFIG)
    save_pth(folder / "model.pth", weights, config=CONFIG.model_dump())
    keras_model(CONFIG, weights).save(folder / "model.h5")
    plain = bare(small_tflite(4, 16))
    (folder / "bare.tflite").write_bytes(plain)
    card = a_card(CONFIG, (4, 16), labels=LABELS)
    (folder / "model.tflite").write_bytes(metadata.attach(plain, card))
    np.save(folder / "a.npy", a_clip(0, 6))
    sample = {"keypoints": a_clip(1, 30).astype(np.float64), "class": "c\x1b[2J"}
    (folder / "b.pkl").write_bytes(pickle.dumps(sample))
    (folder / "label2id.json").write_text(json.dumps({f"label {n}": n for n in range(5)}))
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def program(*arguments: str) -> tuple[int, str, str]:
        words = [word for argument in arguments for word in argument.split()]
        monkeypatch.setattr("sys.argv", ["signbart-port", "predict", *words])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return program


def told(run: Run, *arguments: str) -> dict:
    code, out, err = run(*arguments, "--json")
    found: dict = json.loads(out)
    assert code == 0 and set(err.splitlines()) <= set(found["notes"])
    return found


def test_clips_in_other_forms_and_what_was_taken_for_what(run: Run, tmp_path: Path) -> None:
    clip = a_clip(0, 6)
    masked = np.ma.masked_array(clip, np.zeros(clip.shape, bool))
    masked.mask[2, 11] = True
    holed = clip.copy()
    holed[2, 11] = 0
    np.save(tmp_path / "holed.npy", holed)
    (tmp_path / "masked.pkl").write_bytes(pickle.dumps(masked))
    (tmp_path / "list.json").write_text(json.dumps({"keypoints": clip.tolist()}))
    names = ("a.npy", "list.json", "holed.npy", "masked.pkl")
    paths = [str(tmp_path / name) if name != "a.npy" else name for name in names]
    code, out, _ = run("model.tflite", *paths, "--json")
    assert code == 0
    found = json.loads(out)
    plain, listed, zeros, missing = (clip["scores"] for clip in found["clips"])
    assert plain == listed != zeros == missing
    note = f"{tmp_path / 'masked.pkl'}: 1 of 450 points are masked: missing ones"
    assert found["notes"] == [note]
    for quiet in ("", "-q", "--json"):
        _, out, err = run("model.tflite", *paths, *quiet.split())
        assert err == f"{note}\n" and (note in out) == (quiet == "--json")


def test_the_clips_of_one_file(run: Run, folder: Path, tmp_path: Path) -> None:
    """As `samples/clips.npz` has them; in a folder, a bad one refuses the file and no other."""
    clips = [a_clip(seed, frames=3 + seed) for seed in range(2)]
    (several := tmp_path / "several").mkdir()
    np.savez(path := several / "clips.npz", keypoints=np.concatenate(clips), lengths=[3, 4])
    found = told(run, "model.tflite", str(path))["clips"]
    assert [(one["clip"], one["frames"]) for one in found] == [
        (f"{path}, clip 1", 3),
        (f"{path}, clip 2", 4),
    ]
    np.save(alone := tmp_path / "alone.npy", clips[1])
    (single,) = told(run, "model.tflite", str(alone))["clips"]
    assert found[1]["scores"] == single["scores"]
    clips[1] = 900 * clips[1]  # pixels, without --frame-size
    np.savez(several / "bad.npz", keypoints=np.concatenate(clips), lengths=[3, 4])
    code, out, err = run("model.tflite", str(several))
    assert code == 2 and "bad.npz, clip 2: " in err
    assert out.count("clips.npz, clip ") == 2 and "1 refused, 2 classified" in out


def test_every_kind_of_model_says_the_same(run: Run) -> None:
    """Clips of 6 frames, which are padded, and of 30, which are shortened."""
    kinds = [told(run, f"model.{kind} a.npy b.pkl") for kind in ("pth", "h5", "tflite")]
    scores = np.array([[clip["scores"] for clip in kind["clips"]] for kind in kinds])
    assert scores.shape == (3, 2, 5)
    assert np.ptp(scores, axis=0).max() < 1e-5 < 0.1 < np.ptp(scores, axis=1).max()
    for kind in kinds:
        assert [clip["frames"] for clip in kind["clips"]] == [6, 30]
        assert [clip["label"] for clip in kind["clips"]] == [None, "c\x1b[2J"]
        for clip, row in zip(kind["clips"], scores[0], strict=True):
            powers = np.exp(row)
            assert [guess["id"] for guess in clip["top"]] == np.argsort(-row).tolist()
            for guess in clip["top"]:
                share = powers[guess["id"]] / powers.sum()
                assert guess["probability"] == pytest.approx(share, abs=1e-5)
    assert kinds[2]["clips"][0]["top"][0]["label"] in LABELS
    assert kinds[0]["clips"][0]["top"][0]["label"] is None
    shortened = "b.pkl: 30 frames, of which the model reads 16, evenly chosen"
    assert kinds[0]["notes"] == ["config: stored in the checkpoint", shortened]
    assert all(kind["notes"][-1] == shortened for kind in kinds)


def test_what_a_person_reads(run: Run) -> None:
    code, out, err = run("model.tflite a.npy b.pkl --top 3")
    assert (code, err) == (0, "")
    shortened, *lines = out.splitlines()
    assert shortened == "b.pkl: 30 frames, of which the model reads 16, evenly chosen"
    assert lines[0] == "a.npy" and lines[4] == r"b.pkl, said to be c\x1b[2J"
    assert len(lines) == 8 and "\x1b" not in out
    shown = [line.strip().split("%  ") for line in (*lines[1:4], *lines[5:])]
    known = {label.replace("\x1b", r"\x1b") for label in LABELS}
    assert {label for _, label in shown} <= known
    shares = [float(share) for share, _ in shown]
    assert shares[:3] == sorted(shares[:3], reverse=True) and 0 < sum(shares[:3]) <= 100.1
    assert run("model.tflite a.npy -q") == (0, "", "")


@pytest.mark.parametrize("model", ["model.pth", "model.h5", "model.tflite", "bare.tflite"])
@pytest.mark.on_commit("model.tflite")
def test_labels_of_a_file(run: Run, model: str) -> None:
    code, out, err = run(f"{model} a.npy --labels label2id.json --top 1")
    assert (code, err) == (0, "") and "%  label " in out


def test_without_labels_there_are_numbers(run: Run) -> None:
    code, out, _ = run("bare.tflite a.npy --top 1")
    first, *rest = out.splitlines()
    assert code == 0 and first.startswith("bare.tflite has no model card: taken for")
    assert rest[0] == "a.npy" and "%  class " in rest[1]
    assert rest[2:] == ["The model does not name its classes: --labels FILE does"]


@pytest.mark.release
def test_probabilities_are_not_made_again(run: Run, folder: Path) -> None:
    emit(folder / "shares.tflite", CONFIG, (16,), probabilities=True)
    logits, shares = (told(run, f"{name}.tflite a.npy") for name in ("model", "shares"))
    assert (logits["output"], shares["output"]) == ("logits", "probabilities")
    a, b = (
        [guess["probability"] for guess in found["clips"][0]["top"]] for found in (logits, shares)
    )
    assert a == pytest.approx(b, abs=1e-6) and sum(b) == pytest.approx(1, abs=1e-6)


@pytest.mark.release
def test_the_config_of_the_command_line(run: Run, folder: Path) -> None:
    save_pth(folder / "plain.pth", state_dict(CONFIG))
    (folder / "given.yaml").write_text(CONFIG.model_dump_json())
    code, out, err = run("plain.pth a.npy")
    assert (code, out) == (2, "") and "--config FILE|NAME" in err
    given = told(run, "plain.pth a.npy --config given.yaml")
    assert given["clips"] == told(run, "model.pth a.npy")["clips"]
    code, out, err = run("plain.pth a.npy --config given.yaml --joints 0-5")
    assert (code, out) == (2, "") and "--joints contradicts its config (given.yaml)" in err
    meant = "plain.pth a.npy --config given.yaml --joints 0-5 --override-config"
    code, out, err = run(f"{meant} --json")
    other = json.loads(out)
    assert code == 0 and other["clips"][0]["scores"] != given["clips"][0]["scores"]
    said = "--override-config: joint_idx 0-5, not joint_idx 11,0,2-3,5,7 (given.yaml)"
    assert said in err.replace("\n", "") and said in other["notes"]
    assert said in run(f"{meant} -q")[2].replace("\n", "")


@pytest.mark.parametrize("name", ["model.pth", "model.h5"])
def test_options_that_contradict_the_file_are_refused(run: Run, folder: Path, name: str) -> None:
    code, out, err = run(f"{name} a.npy --heads 8")
    assert (code, out) == (2, "") and "--heads contradicts" in err
    assert "heads 8 against encoder_attention_heads 2, decoder_attention_heads 4" in err
    assert ("--override-config" in err) == (name == "model.pth")


def test_a_tflite_takes_no_config(run: Run) -> None:
    code, _, err = run("model.tflite a.npy --heads 8")
    assert code == 2 and "is a whole model" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nothing.tflite a.npy", "nothing.tflite: does not exist"),
        ("nothing.pth a.npy", "nothing.pth: does not exist"),
        ("a.npy a.npy", "a.npy: is a NumPy array (.npy), not a .pth"),
        ("text.tflite a.npy", "text.tflite: is a text file"),
        ("cut.tflite a.npy", "cut.tflite: is damaged or truncated"),
        ("cut.h5 a.npy", "cut.h5: cannot be read as HDF5"),
        ("nan.pth a.npy", "nan.pth: "),
        ("model.tflite nothing.npy", "nothing.npy: does not exist"),
        ("model.tflite text.tflite", "text.tflite: is a text file, not a clip of keypoints. Give"),
        ("model.tflite video.mp4", "a video, not a clip of keypoints. MediaPipe or another"),
        ("model.tflite a.npy hands.npy", "hands.npy: 42 keypoints a frame: the model reads"),
        ("model.h5 hands.npy", "hands.npy: 42 keypoints a frame: the model reads"),
        ("model.pth hands.npy", "hands.npy: 42 keypoints a frame: the model reads"),
        ("model.tflite a.npy --labels a.npy", "a.npy: is not UTF-8 text"),
        ("model.tflite a.npy --labels two.json", "two.json: has 2 labels, the model 5 classes"),
        ("model.pth a.npy --labels two.json", "two.json: has 2 labels, the model 5 classes"),
    ],
)
def test_bad_input(run: Run, folder: Path, arguments: str, says: str) -> None:
    """Exit 2, one line that names the file and what is wrong, nothing written."""
    (folder / "text.tflite").write_text("a model")
    (folder / "video.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    for name in ("model.tflite", "model.h5"):
        cut = (folder / name).with_stem("cut")
        cut.write_bytes((folder / name).read_bytes()[:-300])
    (folder / "two.json").write_text('{"a": 0, "b": 1}')
    np.save(folder / "hands.npy", a_clip(0, 5, points=42))
    broken = state_dict(CONFIG)
    broken["classification_head.out_proj.bias"][0] = np.nan
    save_pth(folder / "nan.pth", broken, config=CONFIG.model_dump())
    before = sorted(folder.iterdir())
    code, out, err = run(arguments)
    assert (code, out) == (2, "")
    assert err.startswith("signbart-port: ") and says in err and err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.release
def test_numbers_that_are_none_are_no_prediction(run: Run, folder: Path) -> None:
    weights = state_dict(CONFIG)
    weights["classification_head.out_proj.bias"][0] = np.nan
    emit_model(folder / "nan.tflite", keras_model(CONFIG, weights), (16,))
    code, out, err = run("nan.tflite a.npy")
    assert (code, out) == (2, "")
    assert err == "signbart-port: nan.tflite: gives numbers that are not finite\n"


REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"{name} is not for this")

sys.meta_path.insert(0, Refuse())
"""
FRAMEWORKS = {"torch", "tensorflow", "keras", "h5py", "yaml", "safetensors", "jinja2"}


def test_a_tflite_needs_no_framework(folder: Path) -> None:
    """Nor does it need what typer does, where it is called from Python."""
    verb = f"""
REFUSED = {FRAMEWORKS}
{REFUSE}
from signbart_port.cli import main
main()
"""
    printed = run_python(
        verb, "predict", folder / "model.tflite", folder / "a.npy", folder / "b.pkl", "--top", "1"
    )
    assert len(printed.splitlines()) == 5
    library = f"""
REFUSED = {FRAMEWORKS | {"pydantic", "typer", "rich"}}
{REFUSE}
from signbart_port.verbs.predict import predict
found = predict(sys.argv[1], sys.argv[2:])
print(len(found.clips), found.labels[0])
"""
    printed = run_python(library, folder / "model.tflite", folder / "a.npy", folder / "b.pkl")
    assert printed == "2 سلام\n"
    assert "is not for this" in _refused(library, folder / "model.h5", folder / "a.npy")


def _refused(code: str, *arguments: object) -> str:
    with pytest.raises(AssertionError) as failed:
        run_python(code, *arguments)
    return str(failed.value)


def test_help_imports_nothing_heavy() -> None:
    code = f"""
REFUSED = {FRAMEWORKS | {"ai_edge_litert", "numpy"}}
{REFUSE}
from signbart_port.cli import main
main()
"""
    assert "--golden" in run_python(code, "predict", "--help")


@pytest.mark.release
def test_real_clips(
    shared_data: Path, recorded: dict[str, np.ndarray], real_h5: Path, tmp_path: Path, run: Run
) -> None:
    """From the detector's keypoints to the logits that the published code gave."""
    expand = [sys.executable, shared_data / "expand.py", tmp_path / "real", "--holdout", "user08"]
    subprocess.run(expand, check=True, capture_output=True)
    signs = tmp_path / "real"
    clips = {path.stem: path for path in sorted((signs / "test").glob("*/*.pkl"))}
    model, labels = load(real_h5), read_labels(signs / "label2id.json")
    path = tmp_path / "user08.tflite"
    emit_model(path, model, (32, 64), labels=labels)
    names = recorded["names"].tolist()
    found = told(run, f"{path} {' '.join(str(clips[name]) for name in names)} --top 1")
    scores = np.array([clip["scores"] for clip in found["clips"]])
    assert np.abs(scores - recorded["logits_float64"]).max() < 1e-4
    right = [clip["top"][0]["label"] == clip["label"] for clip in found["clips"]]
    assert sum(right) == (recorded["logits_float64"].argmax(1) == recorded["labels"]).sum() == 53
