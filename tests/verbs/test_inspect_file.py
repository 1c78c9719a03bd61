"""What `inspect` says of each kind of file, and that it needs no framework for it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from signbart_port import config as configs
from signbart_port.cli import main
from signbart_port.errors import PortError
from signbart_port.model_files.config_resolution import Options
from signbart_port.system import digest
from signbart_port.untrusted.model_kind import ModelKind, check_kind, kind_of
from signbart_port.verbs.inspect_file import Listed, inspect_file
from tests.support.running import run_python
from tests.support.small_models import LSA_64, distinct_state_dict, plan_of, save_pth, small_config

CONFIG = small_config()
FORMATS = {
    "model.pth": ModelKind.CHECKPOINT,
    "model.safetensors": ModelKind.CHECKPOINT,
    "model.h5": ModelKind.KERAS,
    "plain.h5": ModelKind.KERAS,
    "model.tflite": ModelKind.TFLITE,
}


@pytest.fixture(scope="module")
def folder(ported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspected")
    for name in FORMATS:
        if (ported / name).exists():
            shutil.copy(ported / name, folder)
    save_file(distinct_state_dict(CONFIG), folder / "model.safetensors")
    return folder


def test_no_framework_is_imported_for_any_of_them(folder):
    kinds = run_python(
        """
import sys
from signbart_port.verbs.inspect_file import inspect_file
print(*(inspect_file(path).kind.name for path in sys.argv[1:]))
loaded = {name.split(".")[0] for name in sys.modules}
print(*sorted(loaded & {"torch", "tensorflow", "keras", "jax", "numpy"}))
""",
        *(folder / name for name in FORMATS),
    )
    expected = " ".join(kind.name for kind in FORMATS.values())
    assert kinds.splitlines() == [expected, "numpy"]


def test_a_checkpoint_needs_no_reader_of_other_files(folder):
    loaded = run_python(
        """
import sys
from signbart_port.verbs.inspect_file import inspect_file
inspect_file(sys.argv[1])
print(*sorted({name.split(".")[0] for name in sys.modules} & {"h5py", "ai_edge_litert"}))
""",
        next(folder / name for name, kind in FORMATS.items() if kind is ModelKind.CHECKPOINT),
    )
    assert loaded.split() == []


@pytest.mark.parametrize("name", FORMATS)
def test_every_kind_is_told_by_content_and_described_in_plain_data(folder, tmp_path, name):
    shutil.copy(folder / name, tmp_path / "model")
    found = inspect_file(tmp_path / "model")
    assert found.kind is FORMATS[name] is kind_of(tmp_path / "model")
    assert found.path == tmp_path / "model"
    assert found.sha256 == digest.of_file(folder / name)
    assert found.size == (folder / name).stat().st_size
    assert found.tensors and all(type(n) is int for t in found.tensors for n in t.shape)
    data = json.loads(json.dumps(dataclasses.asdict(found), default=str))
    assert data["sha256"] == found.sha256


def test_a_checkpoint(folder):
    found = inspect_file(folder / "model.pth")
    assert found.tensors == tuple(
        Listed(t.torch, t.torch_shape, "float32") for t in plan_of(CONFIG).transfers
    )
    assert found.config == CONFIG.model_dump()
    assert found.config_note == "stored in the checkpoint"
    assert found.facts == {"container": "zip"}
    assert found.notes == ("training container: weights under model",)
    assert found.provenance is None
    assert inspect_file(folder / "model.safetensors").facts == {"container": "safetensors"}


def test_types_are_those_in_the_file(tmp_path):
    halves = {name: a.astype(np.float16) for name, a in distinct_state_dict(CONFIG).items()}
    found = inspect_file(save_pth(tmp_path / "half.pth", halves | {"steps": np.array(3)}))
    assert {t.dtype for t in found.tensors} == {"float16", "int64"}
    assert Listed("steps", (), "int64") in found.tensors
    assert any("float16 upcast" in note for note in found.notes)


def test_a_checkpoint_whose_config_nobody_knows_says_why(tmp_path, folder):
    found = inspect_file(folder / "model.safetensors")
    assert found.config is None
    assert found.config_note.startswith("its shapes settle all but the number of heads and the jo")

    path = tmp_path / "karsl.safetensors"
    karsl = configs.named("karsl-100-signers-01-02")
    save_file(
        {t.torch: np.zeros(t.torch_shape, np.float32) for t in plan_of(karsl).transfers}, path
    )
    found = inspect_file(path)
    assert found.config is None
    assert "--config karsl-100-signers-01-02" in found.config_note

    other = tmp_path / "resnet.safetensors"
    save_file({"conv1.weight": np.zeros((3, 3), np.float32)}, other)
    assert inspect_file(other).config_note == "holds no tensor of a SignBART (first: conv1.weight)"


def test_a_broken_config_beside_a_checkpoint_is_named(tmp_path, folder):
    shutil.copy(folder / "model.safetensors", tmp_path)
    beside = tmp_path / "model.yaml"
    beside.write_text("d_model: 8\nd_model: 8\n")
    found = inspect_file(tmp_path / "model.safetensors")
    assert found.config is None
    assert found.config_note.startswith(f"{beside}: line 2: key 'd_model' repeats that of line 1")


def test_published_shapes_are_no_config(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(
        {t.torch: np.zeros(t.torch_shape, np.float32) for t in plan_of(LSA_64).transfers}, path
    )
    found = inspect_file(path)
    assert found.config is None and "--config lsa-64 if it is that model" in found.config_note
    found = inspect_file(path, options=Options(config="lsa-64"))
    assert found.config == LSA_64.model_dump()
    assert found.config_note == "lsa-64"
    assert (len(found.tensors), sum(np.prod(t.shape) for t in found.tensors)) == (96, 749_888)


@pytest.mark.parametrize("name", ["model.h5", "plain.h5"])
def test_a_keras_model(folder, name):
    found = inspect_file(folder / name)
    assert set(found.tensors) == {
        Listed(t.keras, t.keras_shape, "float32") for t in plan_of(CONFIG).transfers
    }
    assert found.config == CONFIG.model_dump()
    assert found.config_note == "stored in the file"
    if name == "plain.h5":
        assert found.provenance is None
    else:
        assert found.provenance["source"]["sha256"] == digest.of_file(folder / "model.pth")


def test_a_tflite_model(folder):
    found = inspect_file(folder / "model.tflite")
    assert found.config is None and found.provenance is None
    assert found.facts["labels"] == CONFIG.num_labels
    assert found.facts["joints"] == CONFIG.keypoints == 12
    assert found.facts["precision"] == "float32"
    assert found.facts["operators"]["FULLY_CONNECTED"] > 10
    weights = sum(np.prod(t.shape) for t in found.tensors if t.dtype == "float32")
    assert weights > plan_of(CONFIG).parameters / 2, "not all rows of positions are in the graph"


@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (b"", "is an empty file", "Download or copy it again"),
        (b"d_model: 5\n", "is a text file", "Give the file of a model"),
        (b"\x1f\x8b" + b"\0" * 99, "is gzip-compressed", "Unpack it first (gunzip)"),
        (b"\xfe\xdc" * 99, "is of no known kind", "Give the file of a model"),
    ],
)
def test_what_is_no_model_is_named(tmp_path, content, what, remedy):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    for refuse in (inspect_file, kind_of):
        with pytest.raises(PortError) as refused:
            refuse(path)
        said = f"{path}: {what}, not a .pth, .safetensors, .h5, .keras or .tflite model"
        assert str(refused.value) == f"{said}. {remedy}"
    with pytest.raises(PortError, match=f"{what}, not a TFLite model"):
        check_kind(path, ModelKind.TFLITE)


def test_a_model_of_another_kind_is_named(folder):
    for name, kind in FORMATS.items():
        check_kind(folder / name, kind)
        for other in set(ModelKind) - {kind}:
            with pytest.raises(PortError, match=f", not a {other.value}"):
                check_kind(folder / name, other)


def test_a_damaged_model_is_refused(folder, tmp_path):
    for name in FORMATS:
        path = tmp_path / name
        path.write_bytes((folder / name).read_bytes()[:-400])
        with pytest.raises(PortError) as refused:
            inspect_file(path)
        assert str(refused.value).startswith(f"{path}: ")


def test_what_a_stranger_wrote_is_printed_and_not_obeyed(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Keys of the provenance are labels: escape codes, markup, lines, a page of text."""
    shutil.copy(folder / "model.h5", tmp_path / "stranger.h5")
    keys = ("\x1b]0;pwned\x07", "[/nope]", "[red]x", "a\nsha256   FORGED", "k" * 50_000)
    with h5py.File(tmp_path / "stranger.h5", "r+") as file:
        provenance = json.loads(file.attrs["signbart_port"])
        file.attrs["signbart_port"] = json.dumps(provenance | dict.fromkeys(keys, "x"))
    monkeypatch.setattr("sys.argv", ["signbart-port", "inspect", str(tmp_path / "stranger.h5")])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    out = capsys.readouterr().out
    assert "\x1b" not in out and "[/nope]" in out and "[red]x" in out
    assert not any(line.startswith("sha256   FORGED") for line in out.splitlines())
    assert max(len(line) for line in out.splitlines()) < 5_000


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    weights = distinct_state_dict(CONFIG)
    names = [name for name in weights if name.endswith("fc1.bias")]
    for name in names:
        weights[name] = weights[name] * np.float32(np.inf)
    found = inspect_file(save_pth(tmp_path / "model.pth", weights, config=CONFIG.model_dump()))
    assert f"NaN or infinity in {len(names)} tensors: {', '.join(names)}" in found.notes


def test_the_provenance_is_lines_and_no_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["signbart-port", "inspect", str(folder / "model.h5")])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    sha256 = digest.of_file(folder / "model.pth")
    assert {"source name model.pth", f"sha256 {sha256}"} <= set(lines)
    assert not any(mark in line for line in lines for mark in '{}["')
    assert sum("d_model" in line for line in lines) == 1, "the config is said once"
