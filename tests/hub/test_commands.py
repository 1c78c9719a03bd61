"""Whole commands on a model of a hub."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from signbart_port.model_files import h5, pair_file
from signbart_port.pairs.torch_conv import Convolutions
from tests.hub.conftest import CONFIG, RELEASE
from tests.support.framework_models import weights_of
from tests.support.hub import COMMIT, Hub, sha256
from tests.support.small_models import distinct_state_dict, state_dict

Program = Callable[..., tuple[int, str, str]]


def test_convert_writes_the_same_weights_and_where_they_are_from(
    hub: Hub, tmp_path: Path, program: Program
) -> None:
    code, printed, _ = program("convert", "hf://o/signs", "--json")
    assert code == 0 and json.loads(printed)["proven"]
    written, expected = weights_of(tmp_path / "signs.h5"), distinct_state_dict(CONFIG)
    assert written.keys() == expected.keys()
    assert all(np.array_equal(written[name], array) for name, array in expected.items())
    provenance = h5.read(tmp_path / "signs.h5").provenance
    assert provenance is not None
    assert provenance["source"]["notes"] == []
    assert provenance["source"]["sha256"] == sha256(RELEASE["model.safetensors"])
    assert provenance["source"]["hub"] == {
        "repository": "o/signs",
        "revision": "main",
        "commit": COMMIT,
        "files": {name: sha256(RELEASE[name]) for name in ("model.safetensors", "config.json")},
    }
    assert provenance["config_origin"] == "config.json beside it"


def test_inspect_and_plan_say_where_the_file_is_from(hub: Hub, program: Program) -> None:
    said = f"hf://o/signs at main, commit {COMMIT}"
    code, printed, _ = program("inspect", "hf://o/signs@main")
    assert code == 0 and said in " ".join(printed.split())
    code, printed, _ = program("plan", "hf://o/signs", "--json")
    assert code == 0 and said in json.loads(printed)["checkpoint"]["notes"]


def test_options_of_the_download_hold_for_one_command(hub: Hub, program: Program) -> None:
    code, _, err = program("inspect", "hf://o/signs", "--max-download", "1kB")
    assert code == 2 and "and 1,000 are allowed" in err
    assert program("inspect", "hf://o/signs", "--hf-token", "HF_TOKEN", "-q")[0] == 0
    assert hub.tokens() == {("hub", "Bearer hf_secret")}
    hub.log.clear()
    assert program("inspect", "hf://o/signs", "-q")[0] == 0
    assert hub.log and not hub.tokens()


def test_what_cannot_be_fetched_leaves_the_output_alone(
    hub: Hub, tmp_path: Path, program: Program
) -> None:
    hub.sent = lambda data: b"\0" * len(data)
    (tmp_path / "signs.h5").write_text("kept")
    code, printed, err = program("convert", "hf://o/signs", "--force")
    assert (code, printed, err.count("\n")) == (2, "", 1)
    assert "signbart-port: hf://o/signs: model.safetensors is damaged" in err
    assert (tmp_path / "signs.h5").read_text() == "kept"


@pytest.mark.release
def test_a_pair_takes_an_address(hub: Hub, tmp_path: Path, program: Program) -> None:
    module, data = Convolutions().torch_model(Convolutions.example), io.BytesIO()
    torch.save({"model": module.state_dict(), "config": {**Convolutions.example}}, data)
    hub.files[COMMIT]["conv.pth"] = data.getvalue()
    options = ("--pair", "torch-conv", "--hf-token", "HF_TOKEN")
    assert program("convert", "hf://o/signs/conv.pth", *options, "-q")[0] == 0
    assert hub.tokens() == {("hub", "Bearer hf_secret")}
    provenance = pair_file.provenance_of(tmp_path / "conv.keras")
    assert provenance is not None
    assert provenance["source"]["hub"]["files"]["conv.pth"] == sha256(data.getvalue())


@pytest.mark.release
def test_every_verb_takes_an_address(hub: Hub, tmp_path: Path, program: Program) -> None:
    # Weights that are all tiny are no test of a rounded file.
    hub.files[COMMIT]["model.safetensors"] = save(state_dict(CONFIG))
    np.save("clip.npy", np.random.default_rng(0).random((9, 75, 2), np.float32))
    assert program("predict", "hf://o/signs", "clip.npy", "-q")[0] == 0
    assert program("tflite", "hf://o/signs", "--frames", 8, "-q")[0] == 0
    assert program("verify", "hf://o/signs", "signs.tflite", "-q") == (0, "", "")
    code, printed, err = program(
        *("tflite", "hf://o/signs", "--frames", 8, "--quantize", "none,float16", "--force")
    )
    assert code == 0 and "hf://o/signs -> signs-float16.tflite" in printed, err
    assert {one.name for one in tmp_path.glob("*.tflite")} == {
        "signs.tflite",
        "signs-float16.tflite",
    }
