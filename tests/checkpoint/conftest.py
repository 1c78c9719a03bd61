from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from signbart_port.checkpoint import Checkpoint, NameRules, read
from signbart_port.checkpoint.names import strip, unwrap
from signbart_port.errors import PortError

RULES = NameRules(("model", "state_dict", "model_state_dict"), ("module.", "_orig_mod."))

Members = list[tuple[str, bytes]]


@pytest.fixture
def rules() -> NameRules:
    return RULES


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """A small state dict whose every value is distinct."""
    return {
        "fc.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4) / 7,
        "fc.bias": torch.tensor([-0.0, 1e-40, 3.0]),
        "scale": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Assert that a file is refused, in one line with its name and each word, without a trace."""

    def check(path: Path, *words: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(PortError) as caught:
            read(path, RULES)
        message = str(caught.value)
        assert message.startswith(str(path))
        assert message.isprintable(), "one line, no control characters"
        for word in words:
            assert word in message.removeprefix(str(path))
        assert sorted(tmp_path.rglob("*")) == before
        return message

    return check


@pytest.fixture
def same_as_torch() -> Callable[[Path], Checkpoint]:
    """Read a file twice, with the package and with torch.load, and assert equal bits."""

    def check(path: Path) -> Checkpoint:
        found = read(path, RULES)
        assert_same(found, torch.load(path, map_location="cpu", weights_only=True))
        return found

    return check


@pytest.fixture
def rewrite(tmp_path: Path) -> Callable[..., Path]:
    """Write an archive of torch.save again, its members changed by a function."""

    def write(source: Path, change: Callable[[Members], Members], compress: int = 0) -> Path:
        with zipfile.ZipFile(source) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        target = tmp_path / f"rewritten_{source.name}"
        with zipfile.ZipFile(target, "w", compress) as archive:
            for name, content in change(members):
                archive.writestr(name, content)
        return target

    return write


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write anything as torch.save does, in either of its containers."""

    def write(content: object, container: str = "zip", **options: int) -> Path:
        path = tmp_path / "model.pth"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about deprecated kinds of tensors, still met in files
            torch.save(content, path, _use_new_zipfile_serialization=container == "zip", **options)
        return path

    return write


@pytest.fixture
def with_pickle(save: Callable[..., Path], rewrite: Callable[..., Path]) -> Callable[..., Path]:
    """An archive of torch.save whose pickle is replaced by the given bytes."""

    def write(content: bytes) -> Path:
        source = save({"a": torch.ones(3)})
        return rewrite(source, lambda ms: [(n, content if "pkl" in n else c) for n, c in ms])

    return write


def assert_same(found: Checkpoint, root: dict) -> None:
    state, opened = unwrap(root, RULES)
    renamed = strip(state, RULES)
    assert found.unwrapped == opened
    assert list(found.tensors) == list(renamed.values())
    for name, tensor in state.items():
        array = found.tensors[renamed[name]]
        wanted = tensor.detach()
        wanted = (wanted.float() if wanted.is_floating_point() else wanted).numpy()
        assert found.dtypes[renamed[name]] == str(tensor.dtype).removeprefix("torch.")
        assert array.dtype == wanted.dtype and array.shape == wanted.shape
        assert array.flags.c_contiguous and array.flags.aligned and not array.flags.writeable
        if tensor.dtype == torch.float16:  # torch itself upcasts a NaN in two ways, by its place
            assert np.array_equal(np.isnan(array), np.isnan(wanted))
            array, wanted = np.nan_to_num(array, nan=0.0), np.nan_to_num(wanted, nan=0.0)
        assert array.tobytes() == np.ascontiguousarray(wanted).tobytes(), name
