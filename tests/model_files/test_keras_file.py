"""Files that Keras saved otherwise than as model.h5: archives, and weights alone."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import signbart_port
from signbart_port import transfer
from signbart_port.errors import PortError
from signbart_port.model_files import keras_weights
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.mappings import signbart
from signbart_port.model_files.model_file import open_pair, open_weights
from signbart_port.transfer import Direction
from tests.support.running import run_python
from tests.support.small_models import distinct_state_dict, plan_of, small_config

CONFIG = small_config()
ARCHIVES = ("model.keras", "epoch.keras")
ALONE = ("model.weights.h5", "epoch.weights.h5")


def refused(path: Path, options: Options = Options()) -> str:
    with pytest.raises(PortError) as caught:
        open_weights(path, options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable()
    return message.removeprefix(f"{path}: ")


@pytest.fixture
def with_config(tmp_path: Path) -> Options:
    path = tmp_path / "signs.yaml"
    path.write_text(CONFIG.model_dump_json())
    return Options(config=str(path))


def same_bits(tensors: Any) -> None:
    """Every weight, in its place, with its bits: all elements differ."""
    apply = transfer.apply(plan_of(CONFIG), Direction.TORCH_TO_KERAS, distinct_state_dict(CONFIG))
    expected = dict(apply)
    assert tensors.keys() == expected.keys()
    for name, array in expected.items():
        assert transfer.same_bits(tensors[name], array), name


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_read_bit_for_bit(ported: Path, name: str) -> None:
    file = open_weights(ported / name)
    assert file.config == CONFIG and file.config_notes == ()
    same_bits(file.keras_tensors)
    assert file.notes == (("left behind: optimizer",) if name == "epoch.keras" else ())


@pytest.mark.parametrize("name", ALONE)
def test_weights_alone_are_read_bit_for_bit(ported: Path, with_config: Options, name: str) -> None:
    file = open_weights(ported / name, with_config)
    assert file.config == CONFIG
    same_bits(file.keras_tensors)
    assert file.notes[0] == f"config: {with_config.config}"
    assert file.notes[1:] == (("left behind: optimizer",) if name == "epoch.weights.h5" else ())


def test_the_order_of_keras_is_stated_for_every_weight(ported: Path) -> None:
    """That of the classes themselves, as they saved it."""
    places = {keras_weights.place_of(one.keras): one.keras for one in plan_of(CONFIG).transfers}
    with h5py.File(ported / "model.weights.h5") as file:
        found = dict[str, tuple[int, ...]]()
        file.visititems(
            lambda name, item: found.update({name: item.shape} if hasattr(item, "shape") else {})
        )
    shapes = {one.keras: one.keras_shape for one in plan_of(CONFIG).transfers}
    assert {places[name]: shape for name, shape in found.items()} == shapes


@pytest.mark.release
def test_nothing_of_it_imports_a_framework(ported: Path, with_config: Options) -> None:
    code = """
import sys
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.model_file import open_weights
from signbart_port.verbs.inspect_file import inspect_file
for path in sys.argv[2:]:
    open_weights(path, Options(config=sys.argv[1]))
    inspect_file(path)
print(sorted({"torch", "tensorflow", "keras"} & set(sys.modules)))
"""
    files = [ported / name for name in (*ARCHIVES, *ALONE)]
    assert run_python(code, with_config.config, *files).strip() == "[]"


def test_a_config_beside_the_weights(ported: Path, tmp_path: Path) -> None:
    path = shutil.copy(ported / "model.weights.h5", tmp_path / "best.weights.h5")
    said = refused(path)
    assert said.startswith("its shapes settle all but the number of heads")
    assert "Give --config FILE|NAME" in said
    (tmp_path / "best.yaml").write_text(CONFIG.model_dump_json())
    file = open_weights(path)
    assert file.config == CONFIG and file.notes == ("config: best.yaml beside it",)


def test_of_two_configs_the_nearer_is_taken_and_said_always(ported: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(ported / "model.weights.h5", tmp_path / "best.weights.h5"))
    (tmp_path / "best.yaml").write_text(CONFIG.model_dump_json())
    other = CONFIG.replace(encoder_attention_heads=4, decoder_attention_heads=4)
    (tmp_path / "config.yaml").write_text(other.model_dump_json())
    (said,) = open_weights(path).cautions
    assert said.startswith("not used: config.yaml beside it, which has encoder_attention_heads 4")


def test_an_option_may_override_the_config_of_weights_alone(ported: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(ported / "model.weights.h5", tmp_path / "best.weights.h5"))
    (tmp_path / "best.yaml").write_text(CONFIG.model_dump_json())
    assert refused(path, Options(heads=4)).startswith("--heads contradicts its config")
    file = open_weights(path, Options(heads=4, override_config=True))
    assert file.config is not None and file.config.encoder_attention_heads == 4
    (said,) = file.cautions
    assert said == (
        "--override-config: encoder_attention_heads 4, not encoder_attention_heads 2"
        " (best.yaml beside it)"
    )
    assert said in file.notes
    stated = Options(config=str(tmp_path / "best.yaml"), heads=4, override_config=True)
    assert open_weights(path, stated).config == file.config


@pytest.mark.parametrize("name", ["model.h5", *ARCHIVES])
@pytest.mark.on_commit("model.keras")
def test_options_against_a_file_with_a_config(ported: Path, tmp_path: Path, name: str) -> None:
    """Whichever verb reads it: they would be without effect."""
    with pytest.raises(PortError, match=f"{name}: --heads contradicts the config in it"):
        open_weights(ported / name, Options(heads=4))
    said = rf"{name}: Options\.heads contradicts the config in it"
    with pytest.raises(PortError, match=said):
        signbart_port.export(ported / name, tmp_path / "o.pth", options=Options(heads=4))
    with pytest.raises(PortError, match=said):
        signbart_port.to_tflite(ported / name, tmp_path / "o.tflite", options=Options(heads=4))
    assert not list(tmp_path.iterdir())


def test_the_config_of_the_other_file_where_two_are_compared(ported: Path) -> None:
    for names in (("model.pth", "model.weights.h5"), ("model.weights.h5", "model.keras")):
        files = open_pair(*(ported / name for name in names), Options(), signbart())
        assert {file.path.name for file in files} == set(names)
        assert all(file.config == CONFIG for file in files)
        alone = next(file for file in files if file.path.name == "model.weights.h5")
        other = next(name for name in names if name != "model.weights.h5")
        assert alone.config_notes == (f"config: config of {other}",)
    pair = ported / "model.weights.h5", ported / "epoch.weights.h5"
    with pytest.raises(PortError, match="its shapes settle all but the number of heads"):
        open_pair(*pair, Options(), signbart())


def test_a_config_that_the_weights_contradict(ported: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    for change, words in (
        ({"d_model": 16}, "d_model: the config says 16, the checkpoint 8"),
        ({"encoder_layers": 3}, "encoder_layers: the config says 3, the checkpoint 2"),
        ({"joint_idx": [0, 1]}, "joints: the config says 2, the checkpoint 6"),
    ):
        path.write_text(small_config(**change).model_dump_json())
        assert words in refused(ported / "model.weights.h5", Options(config=str(path)))


def test_layers_in_another_order_are_refused(ported: Path, with_config: Options) -> None:
    assert refused(ported / "turned.weights.h5", with_config) == (
        'its layers are in another order: "layers.1" stands where a SignBart has "layers.0". '
        "Load it where it was saved, and save it with model.save('model.h5')"
    )


def test_other_models_are_refused(ported: Path, with_config: Options) -> None:
    assert refused(ported / "other.weights.h5", with_config).startswith(
        "holds no weights of a SignBart (first: layers/dense/vars/0). Load it where it was saved"
    )
    for name in ("other.keras", "lambda.keras"):
        assert refused(ported / name) == (
            "holds a Keras Sequential model, not a SignBart. If a SignBart is one of its layers,"
            " save that alone: layer.save('model.keras')"
        )
    assert not (ported / "canary").exists()


Spoil = Callable[..., Any]


@pytest.fixture
def spoilt(ported: Path, tmp_path: Path) -> Spoil:
    """A copy of the weights, open for writing."""

    @contextmanager
    def spoil() -> Iterator[h5py.File]:
        shutil.copy(ported / "model.weights.h5", tmp_path / "spoilt.weights.h5")
        with h5py.File(tmp_path / "spoilt.weights.h5", "r+") as file:
            yield file

    return spoil


FC1 = "layers/encoder/layers/encoder_layer/fc1/vars"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.pop(f"{FC1}/1"), "MISSING encoder/layers.0/fc1/bias"),
        (lambda f: f[FC1].create_dataset("2", data=np.ones(2, "f4")), f"UNMAPPED {FC1}/2"),
        (lambda f: f["vars"].create_dataset("0", data=np.ones(2, "f4")), "UNMAPPED vars/0"),
        (lambda f: f[FC1].attrs.update(name="fc2"), 'another order: "fc2" stands where a SignBart'),
        (lambda f: f[FC1].attrs.update(name=[1, 2]), "another order: "),
        (lambda f: f.move(f"{FC1}/0", f"{FC1}/00"), "MISSING encoder/layers.0/fc1/kernel"),
        (lambda f: (f.move(f"{FC1}/0", "a"), f.move(f"{FC1}/1", f"{FC1}/0"),
                    f.move("a", f"{FC1}/1")), "SHAPE encoder/layers.0/fc1/"),
        (lambda f: f.__setitem__("layers/more", h5py.ExternalLink("/etc/x", "/")), "is a link to"),
        (lambda f: f[FC1].__setitem__("2", h5py.SoftLink(f"/{FC1}/1")), "is a link to"),
        (lambda f: (f.pop(f"{FC1}/1"), f[FC1].create_dataset("1", (12,), "f8")), "holds float64"),
        (lambda f: (f.pop(f"{FC1}/1"), f[FC1].create_dataset("1", (1 << 40,), "f4")), "declares "),
        (lambda f: f.pop("layers"), "holds no model config: weights alone"),
        (lambda f: (f.pop("layers"), f.__setitem__("layers", h5py.ExternalLink("pipe", "/"))),
         "layers is a link to somewhere else"),
        (lambda f: (f.pop("vars"), f.__setitem__("vars", h5py.SoftLink("/layers"))),
         "vars is a link to somewhere else"),
    ],
)  # fmt: skip
def test_weights_that_keras_did_not_save_so(
    spoilt: Spoil, tmp_path: Path, with_config: Options, change: Any, says: str
) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for its writer
    with spoilt() as file:
        change(file)
    assert says in refused(tmp_path / "spoilt.weights.h5", with_config)


def test_a_file_of_an_older_keras_does_not_name_its_layers(
    spoilt: Spoil, tmp_path: Path, with_config: Options
) -> None:
    with spoilt() as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)
    file = open_weights(tmp_path / "spoilt.weights.h5", with_config)
    same_bits(file.keras_tensors)
    assert file.notes[1:] == (
        "the file does not name its layers: they are taken in the order of a SignBart",
    )


def repacked(
    source: Path, out: Path, change: dict[str, Any], compression: int = zipfile.ZIP_STORED
) -> Path:
    """Write an archive again; a member is changed by a function of its bytes, or added."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name in (*members, *(change.keys() - members.keys())):
            content = change[name] if name in change else members[name]
            content = content(members[name]) if callable(content) else content
            if content is not None:
                archive.writestr(name, content)
    return out


def stated(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        config = json.loads(content)
        change(config)
        return json.dumps(config).encode()

    return changed


def test_an_archive_that_was_zipped_again(ported: Path, tmp_path: Path) -> None:
    path = repacked(
        ported / "model.keras", tmp_path / "a.keras", {"assets/x.txt": b"x"}, zipfile.ZIP_DEFLATED
    )
    same_bits(open_weights(path).keras_tensors)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"config.json": None}, "is a Keras archive without config.json. Save the model again"),
        ({"model.weights.h5": None}, "is a Keras archive without model.weights.h5"),
        ({"model.weights.h5": b"no"}, "cannot be read as HDF5"),
        ({"model.weights.h5": lambda b: b[: len(b) // 2]}, "cannot be read as HDF5"),
        ({"../up": b""}, 'has a member "../up", whose path leads out of it'),
        ({"/etc/x": b""}, 'has a member "/etc/x", whose path leads out of it'),
        ({"a\\b": b""}, "whose path leads out of it"),
        ({"CONFIG.JSON": b"{}"}, 'has two members named "CONFIG.JSON"'),
        ({f"assets/{n}": b"" for n in range(1000)}, "too many members"),
        ({"config.json": b"{"}, "its config.json: line 1: is not valid JSON"),
        ({"config.json": b"[]"}, "its config.json: expected an object"),
        ({"config.json": b"\xff"}, "its config.json is not UTF-8 text"),
        ({"config.json": b'{"a": 1, "a": 2}'}, "its config.json: has the key 'a' twice"),
        ({"config.json": b'{"a": NaN}'}, "its config.json: has NaN"),
        ({"config.json": b" " * (2 << 20)}, "unpacks to more than it may hold"),
        ({"config.json": b"{}"}, "its model config cannot be read"),
        (
            {"config.json": stated(lambda c: c.update(registered_name="mine>SignBart"))},
            "holds a Keras mine>SignBart model, not a SignBart",
        ),
        (
            {"config.json": stated(lambda c: c["config"]["config"].update(d_model=-8))},
            "d_model: Input should be greater than or equal to 1, got -8",
        ),
        (
            {"config.json": stated(lambda c: c["config"]["config"].update(d_model=16))},
            "SHAPE projection/proj_x1/kernel: has another shape (expected (6, 16), got (6, 8)",
        ),
    ],
)
def test_archives_that_keras_does_not_write(
    ported: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = repacked(ported / "model.keras", tmp_path / "a.keras", change)
    assert says in refused(path)
    assert {one.name for one in tmp_path.iterdir()} == {"a.keras"}


def test_a_flipped_bit_and_a_bomb(ported: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    data = bytearray((ported / "model.keras").read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "Bad CRC-32" in refused(path)
    path.write_bytes(data[: len(data) // 2])
    assert refused(path).startswith("is damaged or truncated")
    bomb = {"model.weights.h5": bytes(64 << 20)}
    repacked(ported / "model.keras", path, bomb, zipfile.ZIP_DEFLATED)
    assert "unpacks to more than it may hold" in refused(path)
    lying = io.BytesIO(path.read_bytes())
    path.write_bytes(lying.getvalue().replace((64 << 20).to_bytes(4, "little"), b"\x00\x01\0\0"))
    refused(path)
