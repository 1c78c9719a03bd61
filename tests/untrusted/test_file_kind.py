from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from signbart_port.errors import PortError
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.file_kind import Kind, sniff


def test_checkpoints(tmp_path):
    weights = {"fc1.weight": torch.ones(2, 3)}
    path = tmp_path / "file"
    torch.save(weights, path)
    assert sniff(path) is Kind.ZIP
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    assert sniff(path) is Kind.LEGACY
    save_file(weights, path)
    assert sniff(path) is Kind.SAFETENSORS


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89HDF\r\n\x1a\n", Kind.HDF5),
        (b"\x20\0\0\0TFL3", Kind.TFLITE),
        (b"", Kind.EMPTY),
        (bytes(10_000), Kind.ZEROS),
        (b"\x89PNG\r\n\x1a\n", Kind.PICTURE),
        (b"\xff\xd8\xff\xe0", Kind.PICTURE),
        (b"RIFF\0\0\0\0WEBP", Kind.PICTURE),
        (b"RIFF\0\0\0\0AVI ", Kind.VIDEO),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"\0\0\0\x20ftypisom", Kind.VIDEO),
        (b"\x1aE\xdf\xa3\x01", Kind.VIDEO),
        (b"d_model: 128\n", Kind.TEXT),
        (b"text\x07", None),
        (b"\xff\xfe", None),
    ],
)
def test_others(tmp_path, head, kind):
    path = tmp_path / "file.pth"
    path.write_bytes(head)
    assert sniff(path) is kind


def test_kinds_are_their_short_names():
    assert Kind.ZIP == "zip"
    assert Kind("tflite").noun == "a TFLite model"


def test_missing_file(tmp_path):
    with pytest.raises(PortError, match="does not exist"):
        sniff(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("model.h5", "model"),
        ("best.v2.h5", "best.v2"),
        ("best.v2.weights.h5", "best.v2"),
        ("best.weights.pth", "best.weights"),
        ("model", "model"),
    ],
)
def test_the_name_without_the_suffix_of_its_kind(name: str, stem: str) -> None:
    assert model_kind.stem_of(Path("folder") / name) == stem
