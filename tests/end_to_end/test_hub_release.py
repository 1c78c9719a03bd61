"""A release as the hub has it: a folder, converted without a word, its classes' names kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import signbart_port
from signbart_port.model_files import h5
from signbart_port.tflite_export.request import TFLiteOptions, validate_options
from tests.support.framework_models import weights_of
from tests.support.small_models import distinct_state_dict, small_config

CONFIG = small_config()
WORDS = ("شكرا", "كتاب", "أب", "two words", "猫")
BART = {
    "activation_function": "gelu",
    "architectures": ["SignBart"],
    "classifier_dropout": None,
    "dtype": "float32",
    "forced_eos_token_id": 2,
    "model_type": "bart",
    "num_hidden_layers": 6,
    "scale_embedding": False,
    "transformers_version": "5.1.0",
    "vocab_size": 4,
}
Program = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.safetensors and config.json, and what a trainer leaves beside them."""
    folder = tmp_path_factory.mktemp("hub") / "signs"
    folder.mkdir()
    tokens = np.ones((4, CONFIG.d_model), np.float32)
    extra = {f"{stack}.embed_tokens.weight": tokens for stack in ("encoder", "decoder")}
    save_file(distinct_state_dict(CONFIG) | extra, folder / "model.safetensors", {"format": "pt"})
    config = CONFIG.model_dump(mode="json", exclude={"training", "num_labels"}) | BART
    config["id2label"] = {str(number): word for number, word in enumerate(WORDS)}
    config["label2id"] = {word: number for number, word in enumerate(WORDS)}
    (folder / "config.json").write_text(json.dumps(config, indent="\t", ensure_ascii=False))
    for name in ("optimizer.pt", "training_args.bin", "trainer_state.json"):
        (folder / name).write_bytes(b"{}")
    return folder


@pytest.fixture(scope="module")
def converted(release: Path) -> Path:
    done = signbart_port.convert(release, release.parent / "signs.h5")
    assert done.report is not None and done.report.passed
    assert done.source.resolved.origin == "config.json beside it"
    notes = ", ".join((*done.source.checkpoint.notes, *done.source.resolved.notes))
    for stack in ("encoder", "decoder"):
        assert f"left behind: {stack}.embed_tokens.weight (embeds tokens; a SignBART" in notes
    assert "num_labels 5, the number of names in id2label" in notes
    assert "null, so not set: classifier_dropout" in notes
    return done.out


@pytest.mark.release
def test_every_weight_and_every_name_is_kept(converted: Path) -> None:
    written, expected = weights_of(converted), distinct_state_dict(CONFIG)
    assert written.keys() == expected.keys()
    assert all(np.array_equal(written[name], array) for name, array in expected.items())
    model = h5.read(converted)
    assert model.config == CONFIG.replace(class_names=WORDS, classifier_dropout=0.0)
    assert model.class_names == WORDS
    assert signbart_port.load(converted).config == model.config


def test_the_names_go_into_a_tflite_and_come_back_to_pytorch(
    converted: Path, tmp_path: Path
) -> None:
    assert validate_options(TFLiteOptions(), h5.read(converted)).labels == WORDS
    back = signbart_port.export(converted, tmp_path / "back.safetensors")
    assert back.config.class_names == WORDS
    again = signbart_port.inspect_file(back.out)
    assert again.config is not None and again.config["class_names"] == WORDS


def test_the_names_are_printed(release: Path, tmp_path: Path, program: Program) -> None:
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).random((9, 75, 2), np.float32))
    code, out, _ = program("predict", release, tmp_path / "clip.npy", "--top", "5", "--json")
    assert code == 0
    assert {guess["label"] for guess in json.loads(out)["clips"][0]["top"]} == {*WORDS}


@pytest.mark.release
def test_what_was_overridden_is_in_the_output_and_in_the_file(
    release: Path, tmp_path: Path, program: Program
) -> None:
    arguments = ("convert", release, "--out", tmp_path / "out.h5", "--no-verify", "--heads", 8)
    code, _, err = program(*arguments)
    assert code == 2 and "--heads contradicts its config (config.json beside it)" in err
    assert not (tmp_path / "out.h5").exists()
    code, out, err = program(*arguments, "--override-config", "-q")
    assert (code, out) == (0, "")
    said = "--override-config: heads 8, not encoder_attention_heads 2, decoder_attention_heads 4"
    assert said in " ".join(err.split())
    provenance = h5.read(tmp_path / "out.h5").provenance
    assert provenance is not None
    assert any(said in note for note in provenance["config_notes"])


@pytest.mark.parametrize("name", ["out.yaml", "out.json"])
@pytest.mark.on_commit("out.yaml")
def test_the_config_of_a_file_is_written(
    converted: Path, tmp_path: Path, program: Program, name: str
) -> None:
    out = tmp_path / name
    code, printed, _ = program("inspect", converted, "--config-out", out)
    assert code == 0 and name in printed
    stated = signbart_port.Options(config=str(out))
    assert signbart_port.inspect_file(converted, options=stated).config
    from signbart_port import config as configs

    assert configs.load(out) == h5.read(converted).config
    assert program("inspect", converted, "--config-out", out)[0] == 2
    assert program("inspect", converted, "--config-out", out, "--force")[0] == 0


def test_a_folder_with_several_checkpoints_is_refused(
    release: Path, tmp_path: Path, program: Program
) -> None:
    folder = Path(shutil.copytree(release, tmp_path / "signs"))
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    code, _, err = program("convert", folder, "--out", tmp_path / "out.h5")
    assert code == 2 and "--out is the name of one output. Give --out-dir DIR" in err
    (tmp_path / "out.h5").touch()
    code, _, err = program("verify", folder, tmp_path / "out.h5")
    assert code == 2 and "is a folder with 2 checkpoints" in err
