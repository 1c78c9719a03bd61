"""Every verb that reads a model of Keras, on each file that Keras saves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port import config as configs
from signbart_port.keras_model import SignBart
from signbart_port.model_files.model_file import open_weights
from signbart_port.verbs.load import load
from tests.support.datasets import Folder, a_clip
from tests.support.framework_models import keras_model
from tests.support.small_models import distinct_state_dict, small_config

CONFIG = small_config()
FILES = ("model.h5", "epoch.keras", "epoch.weights.h5")
Program = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(ported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model in every format, and its config under another name: nothing stands beside."""
    for name in (*FILES, "model.pth"):
        shutil.copy(ported / name, tmp_path / name)
    (tmp_path / "signs.yaml").write_text(CONFIG.model_dump_json())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(program: Program, *arguments: str) -> Any:
    code, out, _ = program(*arguments, "--json")
    assert code == 0
    return json.loads(out)


@pytest.mark.release
def test_a_clip_is_predicted_alike(program: Program, folder: Path) -> None:
    np.save("clip.npy", a_clip(0, 6))
    given = [told(program, "predict", name, "clip.npy", "--config", "signs.yaml") for name in FILES]
    scores = [one["clips"][0]["scores"] for one in given]
    assert scores[0] == scores[1] == scores[2]
    assert given[1]["notes"] == ["left behind: optimizer"]
    assert given[2]["notes"] == ["config: signs.yaml", "left behind: optimizer"]


@pytest.mark.release
def test_what_was_chosen_is_said_even_quietly(program: Program, folder: Path) -> None:
    shutil.copy("epoch.weights.h5", "s[1].weights.h5")
    shutil.copy("signs.yaml", "s[1].yaml")
    other = CONFIG.replace(encoder_attention_heads=4)
    (folder / "config.yaml").write_text(other.model_dump_json())
    code, out, err = program("export", "s[1].weights.h5", "--no-verify", "-q")
    assert code == 0 and not out
    assert "not used: config.yaml beside it, which has encoder_attention_heads 4" in err
    np.save("clip.npy", a_clip(0, 6))
    chosen = ("--heads", "4", "--override-config", "--json")
    code, _, err = program("predict", "s[1].weights.h5", "clip.npy", *chosen)
    assert code == 0 and "encoder_attention_heads 2 (s[1].yaml beside it)" in err


@pytest.mark.release
def test_a_dataset_is_evaluated_alike(program: Program, folder: Path) -> None:
    signs = Folder(folder / "signs", {f"sign{n}": n for n in range(CONFIG.num_labels)})
    for n in range(CONFIG.num_labels):
        signs.put(f"test/sign{n}/a", a_clip(n, 4))
    found = told(program, "evaluate", *FILES, "--data", "signs", "--config", "signs.yaml")
    assert [one["same"] for one in found["agreement"]] == [CONFIG.num_labels] * 3
    assert [one["format"] for one in found["models"]] == ["Keras"] * 3


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.on_commit("epoch.weights.h5")
def test_it_is_carried_back_to_pytorch(program: Program, folder: Path, name: str) -> None:
    """By default under the name before all of Keras' suffixes."""
    alone = ["--config", "signs.yaml"] if name.endswith(".weights.h5") else []
    done = told(program, "export", name, *alone)
    assert done["out"] == "epoch.pth" and done["proven"]
    weights = done["report"]["weights"]
    assert weights["tensors"] == len(distinct_state_dict(CONFIG)) and not weights["differing"]
    assert "left behind: optimizer" in done["notes"]
    again = open_weights("epoch.pth", options_of("signs.yaml"))
    for tensor, array in distinct_state_dict(CONFIG).items():
        np.testing.assert_array_equal(again.torch_tensors[tensor], array)


def options_of(config: str) -> Any:
    from signbart_port.model_files.config_resolution import Options

    return Options(config=config)


@pytest.mark.release
def test_weights_alone_need_a_config(program: Program, folder: Path) -> None:
    np.save("clip.npy", a_clip(0, 6))
    for arguments in (
        ["export", "epoch.weights.h5", "--out", "o.pth"],
        ["tflite", "epoch.weights.h5", "--out", "o.tflite"],
        ["predict", "epoch.weights.h5", "clip.npy"],
    ):
        code, out, err = program(*arguments)
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert "epoch.weights.h5: its shapes settle all but the number of heads" in err
        assert "Give --config FILE|NAME" in err
    assert not list(folder.glob("o.*"))


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.release
def test_it_is_held_against_the_checkpoint(program: Program, folder: Path, name: str) -> None:
    """Whose config serves both."""
    report = told(program, "verify", "model.pth", name)
    assert report["passed"]
    origin = [note for note in report["notes"] if "config of model.pth" in note]
    assert len(origin) == name.endswith(".weights.h5")


@pytest.mark.release
@pytest.mark.usefixtures("converter_here")
def test_a_tflite_is_made_of_it(program: Program, folder: Path) -> None:
    made = [
        told(program, "tflite", name, "--config", "signs.yaml", "--out", f"{name}.tflite")
        for name in FILES
    ]
    for one in made:
        assert not one["source_proven"] or one["out"] == "model.h5.tflite"
    assert made[2]["notes"] == ["config: signs.yaml", "left behind: optimizer"]
    stems = [told(program, "inspect", f"{name}.tflite")["tensors"] for name in FILES]
    assert stems[0] == stems[1] == stems[2]


def test_it_is_described(program: Program, folder: Path) -> None:
    archive, alone = (told(program, "inspect", name) for name in FILES[1:])
    assert archive["config"] == json.loads(CONFIG.model_dump_json())
    assert archive["config_note"] == "stored in the file"
    assert alone["config"] is None and "the number of heads" in alone["config_note"]
    assert archive["tensors"] == alone["tensors"] != []
    shutil.copy("signs.yaml", "epoch.yaml")
    found = told(program, "inspect", "epoch.weights.h5")
    assert found["config"] == archive["config"]
    assert found["config_note"] == "epoch.yaml beside it"


@pytest.mark.release
def test_a_file_of_version_0_1_names_no_skeleton(program: Program, folder: Path) -> None:
    """Its joints take a part of a hand: in a config of today that is refused without a name."""
    config = CONFIG.replace(joint_idx=(0, 37, 41, 45, 49, 53))
    assert "skeleton" not in config.model_dump()
    keras_model(config, distinct_state_dict(config)).save("tips.h5")
    np.save("clip.npy", a_clip(0, 6))
    code, out, err = program("predict", "tips.h5", "clip.npy", "-q")
    assert (code, out) == (0, "")
    assert err.startswith("taken for mediapipe-75, as version 0.1 did: joint_idx 0,37,41")
    assert load("tips.h5").config == config
    assert program("export", "tips.h5", "--container", "training", "--no-verify", "-q")[0] == 0
    back = open_weights(folder / "tips.pth").config
    assert back.skeleton == "mediapipe-75" and back.replace(skeleton=None) == config
    assert program("inspect", "tips.h5", "--config-out", "tips.yaml")[0] == 0
    assert configs.load("tips.yaml") == back


def test_it_is_loaded_in_keras(folder: Path) -> None:
    models = [load(name, options=options_of("signs.yaml")) for name in FILES]
    for one in models[1:]:
        assert type(one) is SignBart and one.config == CONFIG
        for weight, other in zip(one.weights, models[0].weights, strict=True):
            np.testing.assert_array_equal(weight, other)
