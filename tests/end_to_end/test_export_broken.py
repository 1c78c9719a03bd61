"""export, with a writer or a model that is wrong on purpose: disproved, and nothing is left."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

import signbart_port
from signbart_port import PortError, ProofError
from signbart_port.checkpoint import writer
from signbart_port.cli import main
from signbart_port.keras_model import layers
from signbart_port.system import processes
from tests.support.framework_models import keras_model
from tests.support.small_models import Arrays, small_config, state_dict

CONFIG = small_config()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Keras saves it, with nothing of this program's in it."""
    path = tmp_path_factory.mktemp("saved") / "model.h5"
    keras_model(CONFIG, state_dict(CONFIG)).save(path)
    return path


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(saved, tmp_path / "model.h5"))


Change = Callable[[Arrays], Any]


def one_bit(arrays: Arrays) -> None:
    array = arrays["decoder.layers.2.fc1.weight"].copy()
    array[3, 4] = np.nextafter(array[3, 4], np.float32(1))
    arrays["decoder.layers.2.fc1.weight"] = array


def untransposed(arrays: Arrays) -> None:
    name = "encoder.layers.0.self_attn.q_proj.weight"  # square: no shape tells
    arrays[name] = arrays[name].T


def swapped(arrays: Arrays) -> None:
    names = [f"encoder.layers.1.self_attn.{projection}_proj.weight" for projection in "qk"]
    arrays[names[0]], arrays[names[1]] = arrays[names[1]], arrays[names[0]]


def lost(arrays: Arrays) -> None:
    del arrays["projection.proj_y1.bias"]


def added(arrays: Arrays) -> None:
    arrays["encoder.embed_scale"] = np.ones(1, np.float32)


def half(arrays: Arrays) -> None:
    for name in arrays:
        arrays[name] = arrays[name].astype(np.float16)


IN_THE_WRITER: dict[Change, str] = {
    one_bit: "VALUE decoder.layers.2.fc1.weight: ",
    untransposed: "VALUE encoder.layers.0.self_attn.q_proj.weight: ",
    swapped: "VALUE encoder.layers.1.self_attn.q_proj.weight: ",
    lost: "MISSING projection.proj_y1.bias: ",
    added: "UNMAPPED encoder.embed_scale: ",
    half: "VALUE ",
}


def disproved(model: Path, out: str = "model.pth", **options: Any) -> str:
    """The message of an export that fails its proof, and leaves everything as it was."""
    path = model.with_name(out)
    path.write_bytes(b"the checkpoint of yesterday")
    before = sorted(model.parent.iterdir())
    with pytest.raises(ProofError) as failure:
        signbart_port.export(model, path, force=True, **options)
    assert path.read_bytes() == b"the checkpoint of yesterday"
    assert sorted(model.parent.iterdir()) == before
    assert str(failure.value).startswith(f"{model}: the checkpoint made of it ")
    return str(failure.value)


@pytest.mark.parametrize("change", IN_THE_WRITER, ids=lambda change: change.__name__)
def test_another_tensor_in_the_file(
    model: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """Found without PyTorch, and so in spite of --no-verify."""

    def spoiling(write: Callable[..., bytes]) -> Callable[..., bytes]:
        def spoil(tensors: Arrays, *others: Any) -> bytes:
            change(tensors := dict(tensors))
            return write(tensors, *others)

        return spoil

    monkeypatch.setattr(writer, "safetensors_bytes", spoiling(writer.safetensors_bytes))
    monkeypatch.setattr(writer, "torch_bytes", spoiling(writer.torch_bytes))
    assert IN_THE_WRITER[change] in disproved(model, "model.safetensors", verify=False)
    if change not in (lost, added, half):  # of these PyTorch would make another file
        assert IN_THE_WRITER[change] in disproved(model, verify=False)


def test_another_config_in_the_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = writer.torch_bytes

    def spoil(tensors: Arrays, layout: writer.StateLayout, beside: dict[str, Any]) -> bytes:
        wrong = beside["config"] | {"decoder_attention_heads": 1}
        return write(tensors, layout, beside | {"config": wrong})

    monkeypatch.setattr(writer, "torch_bytes", spoil)
    assert "holds another config" in disproved(model, container="training", verify=False)


def test_half_a_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = writer.torch_bytes
    monkeypatch.setattr(writer, "torch_bytes", lambda *contents: write(*contents)[:-100])
    assert "is truncated" in disproved(model, verify=False)


def test_a_model_that_computes_something_else(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are right: only the runs of both can tell."""
    monkeypatch.setattr(layers, "exact_gelu", lambda x: ops.gelu(x, approximate=True))
    assert "is NOT EQUAL, encoder.layers.0.activation_fn: " in disproved(model)

    model.with_name("model.pth").unlink()
    monkeypatch.setattr("sys.argv", ["signbart-port", "export", str(model)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert end.value.code == 1 and printed.out == "" and len(printed.err.splitlines()) == 1
    assert printed.err.startswith(f"signbart-port: {model}: the checkpoint made of it is NOT EQUAL")
    assert list(model.parent.iterdir()) == [model]


def test_pytorch_that_cannot_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "command", lambda *_: [sys.executable, "-c", "exit('BadFile')"])
    message = disproved(model, "model.safetensors")
    assert "fails its proof: PyTorch refuses to read or run it (BadFile)" in message


def test_a_full_temporary_folder_is_named(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(model.with_name("gone")))
    with pytest.raises(PortError, match="gone: cannot hold temporary files: No such file"):
        signbart_port.export(model, model.with_name("model.safetensors"))
    assert list(model.parent.iterdir()) == [model]


def test_pytorch_that_cannot_write(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        processes, "command", lambda *_: [sys.executable, "-c", "exit('MemoryError')"]
    )
    with pytest.raises(PortError, match=r"^PyTorch cannot write the checkpoint \(MemoryError\)$"):
        signbart_port.export(model)
    assert list(model.parent.iterdir()) == [model]
