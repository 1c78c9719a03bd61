"""model.h5 as a whole: what is accepted, what is something else, its config and provenance."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct

import h5py
import numpy as np
import pytest

from signbart_port import transfer
from signbart_port.model_files import h5
from signbart_port.system import digest
from signbart_port.transfer import Direction
from tests.support.small_models import distinct_state_dict, plan_of, small_config

CONFIG = small_config()
KERNEL = "encoder/layers.0/fc1/kernel"
STORED = f"model_weights/encoder/{KERNEL}"


def expected_tensors():
    apply = transfer.apply(plan_of(CONFIG), Direction.TORCH_TO_KERAS, distinct_state_dict(CONFIG))
    return {name: np.ascontiguousarray(array) for name, array in apply}


@pytest.mark.parametrize("name", ["model.h5", "plain.h5"])
def test_a_model_is_read_bit_for_bit(ported, name):
    file = h5.read(ported / name)
    assert file.config == CONFIG
    assert file.sha256 == digest.of_file(ported / name)
    expected = expected_tensors()
    assert file.tensors.keys() == expected.keys()
    for path, array in expected.items():
        assert transfer.same_bits(file.tensors[path], array), path
    assert (file.provenance is None) == (name == "plain.h5")


def test_a_converted_model_knows_where_it_comes_from(ported):
    provenance = h5.read(ported / "model.h5").provenance
    assert provenance["source"]["name"] == "model.pth"
    assert provenance["source"]["sha256"] == digest.of_file(ported / "model.pth")


@pytest.mark.parametrize("name", ["model.weights.h5", "model", "model.pth"])
def test_a_model_is_told_by_its_content_whatever_it_is_called(ported, tmp_path, name):
    shutil.copy(ported / "model.h5", tmp_path / name)
    assert h5.read(tmp_path / name).config == CONFIG


def test_every_weight_and_the_provenance_are_annotated(ported, tmp_path, refusal):
    path = tmp_path / "spoilt.h5"
    digests = {name: digest.of_tensor(array) for name, array in expected_tensors().items()}
    shutil.copy(ported / "plain.h5", path)
    provenance = {"a": [1, "é"], "config": json.loads(CONFIG.model_dump_json())}
    with h5py.File(path, "r+") as file:
        h5.annotate(file, provenance, digests)
    assert h5.read(path).provenance == provenance
    with h5py.File(path) as file:
        assert file[STORED].attrs["sha256"] == digests[KERNEL]
    with h5py.File(path, "r+") as file:
        h5.annotate(file, provenance, digests | {KERNEL: digests["encoder/layers.0/fc1/bias"]})
    assert refusal().startswith(f"{KERNEL} is damaged: its values do not match their digest")


@pytest.mark.parametrize(
    "change", [{"decoder_attention_heads": 1}, {"joint_idx": [11, 0, 2, 3, 5, 8]}]
)
def test_a_config_changed_after_the_proof_is_refused(ported, tmp_path, refusal, change):
    path = tmp_path / "spoilt.h5"
    shutil.copy(ported / "model.h5", path)
    with h5py.File(path, "r+") as file:
        model = json.loads(file.attrs["model_config"])
        model["config"]["config"] |= change
        file.attrs["model_config"] = json.dumps(model)
    assert refusal().startswith("its config is not the one it was converted with")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is an empty file, not a Keras model. Download or copy it"),
        (b"\0" * 4096, "is a run of zero bytes, not a Keras model"),
        (b"d_model: 128\n", "is a text file, not a Keras model"),
        (b"<!DOCTYPE html>", "is a web page (HTML), not a Keras model. Download the file itself"),
        (b"version https://git-lfs", "is a Git LFS pointer, not a Keras model. Fetch the file"),
        (b"\xfe\xdc" * 600, "is of no known kind, not a Keras model"),
        (b"\x89HDF\r\n\x1a\n", "cannot be read as HDF5: "),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 4096, "cannot be read as HDF5: "),
        (b"\x89HDF\r\n\x1a\n" + b"\xff" * 4096, "cannot be read as HDF5: "),
    ],
)
def test_what_is_no_hdf5_is_named(tmp_path, refusal, content, said):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    assert refusal(path).startswith(said)


def test_other_models_and_what_is_no_file_are_named(ported, tmp_path, refusal):
    assert refusal(ported / "model.pth").startswith("is a zip archive, such as torch.")
    assert refusal(ported / "model.tflite").startswith("is a TFLite model, not a Keras model")
    assert refusal(tmp_path / "none.h5") == "does not exist. Check the path"
    assert refusal(tmp_path) == "is a directory, not a file. Give the file itself"
    os.mkfifo(tmp_path / "fifo.h5")
    assert refusal(tmp_path / "fifo.h5") == "is a pipe, a socket or a device, not a regular file"


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.999, 1])
def test_a_truncated_file_is_refused(ported, tmp_path, refusal, share):
    data = (ported / "model.h5").read_bytes()
    path = tmp_path / "model.h5"
    path.write_bytes(data[: min(int(len(data) * share), len(data) - 1)])
    assert refusal(path).startswith("cannot be read as HDF5: ")


def test_weights_alone_are_no_model(ported, refusal):
    assert refusal(ported / "model.weights.h5") == (
        "holds no model config: weights alone, or not a Keras model. "
        "Save the model again with model.save('model.h5')"
    )


def test_a_lambda_layer_is_refused_and_not_run(ported, refusal):
    said = refusal(ported / "lambda.h5")
    assert said.startswith("holds a Keras Sequential model, not a SignBart. If a SignBart is one")
    assert not (ported / "canary").exists()


def test_a_lambda_layer_hidden_in_a_signbart_is_not_looked_at(ported, spoilt, tmp_path):
    with h5py.File(ported / "lambda.h5") as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
    assert "Lambda" in {layer["class_name"] for layer in layers}
    with spoilt() as file:
        model = json.loads(file.attrs["model_config"])
        model["config"]["layers"] = model["layers"] = layers
        file.attrs["model_config"] = json.dumps(model)
    assert h5.read(tmp_path / "spoilt.h5").config == CONFIG
    assert not (ported / "canary").exists()


MODEL_CONFIGS = {
    "not JSON": ("{", "its model config cannot be read"),
    "a number": (5, "holds no model config"),
    "an array": ([1, 2], "holds no model config"),
    "not UTF-8": (b"\xff\xfe", "its model config cannot be read"),
    "a list": ("[]", "its model config cannot be read"),
    "empty": ("{}", "its model config cannot be read"),
    "deep": ("[" * 100_000, "its model config cannot be read"),
    "no config": ('{"class_name": "SignBart"}', "its model config cannot be read"),
    "config a list": ('{"class_name": "SignBart", "config": []}', "its model config cannot be"),
    "null inside": ('{"class_name": "SignBart", "config": {"config": null}}', "its model config c"),
    "list inside": ('{"class_name": "SignBart", "config": {"config": [1]}}', "its model config ca"),
    "Functional": ('{"class_name": "Functional", "config": {}}', "holds a Keras Functional model"),
    "class a list": (
        '{"class_name": ["SignBart"], "config": {}}',
        "holds a Keras ['SignBart'] mod",
    ),
    "escape codes": ('{"class_name": "\\u001b[31m", "config": {}}', r"holds a Keras \x1b[31m mod"),
}


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_a_damaged_model_config_is_refused(spoilt, refusal, name):
    value, said = MODEL_CONFIGS[name]
    with spoilt() as file:
        file.attrs["model_config"] = value
    assert refusal().startswith(said)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("d_model", -8, "d_model: Input should be greater than or equal to 1, got -8"),
        ("d_model", "8", "d_model: Input should be a valid integer, got the text '8'"),
        ("d_model", 9, "config: encoder_attention_heads 2 does not divide d_model 9"),
        ("dropout", float("nan"), "dropout: Input should be less than 1, got nan"),
        (
            "encoder_layers",
            100_000,
            "encoder_layers: Input should be less than or equal to 100, got",
        ),
        ("layers", [], "unknown key 'layers'. Known keys: "),
        ("joint_idx", None, "joint_idx: Input should be a list of joint numbers, got None"),
    ],
)
def test_a_config_inside_is_held_to_what_any_config_is(spoilt, refusal, key, value, said):
    with spoilt() as file:
        model = json.loads(file.attrs["model_config"])
        model["config"]["config"][key] = value
        file.attrs["model_config"] = json.dumps(model)
    assert refusal().startswith(said)


@pytest.mark.parametrize("value", ["{", "[]", "5", "[" * 100_000, 5, [1.0, 2.0]])
def test_a_damaged_provenance_is_refused(spoilt, refusal, value):
    with spoilt() as file:
        file.attrs["signbart_port"] = value
    assert refusal() == "its provenance cannot be read. Convert it again"


def test_a_digest_is_of_the_values_alone():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    values = hashlib.sha256(struct.pack("<6f", *range(6))).hexdigest()
    assert digest.of_tensor(array) == values
    assert digest.of_tensor(array.astype(">f4")) == values
    assert digest.of_tensor(np.asfortranarray(array)) == values
    assert digest.of_tensor(array) != digest.of_tensor(-array)
    assert digest.of_tensor(np.float32([0.0])) != digest.of_tensor(np.float32([-0.0]))
    assert len({digest.of_tensor(np.zeros(n, np.float32)) for n in range(3)}) == 3
