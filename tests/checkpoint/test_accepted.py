"""What is accepted, bit for bit as torch.load(weights_only=True) reads it."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import tracemalloc
import warnings
from argparse import Namespace
from collections import defaultdict
from datetime import datetime
from enum import Enum
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from signbart_port.checkpoint import read
from signbart_port.parity.workers import torch_weights


class Color(Enum):
    RED = 1


DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.bool,
]
REAL = Path(__file__).parents[3] / "shared" / "data" / "user08.pth"


def _write(path: Path, container: str, state: dict) -> None:
    if container == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=container == "zip")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_every_dtype_in_every_container(tmp_path, same_as_torch, rules, container, dtype):
    special = [0.0, -0.0, 1.0, -1.5, 1e-7, 65504.0, float("inf"), float("-inf"), float("nan")]
    values = torch.tensor(special if dtype.is_floating_point else [0, 1, 2, 100, 5, 6], dtype=dtype)
    state = {"b.weight": values, "a.matrix": values[:6].reshape(2, 3).clone(), "one": values[1]}
    state = {name: tensor.clone() for name, tensor in state.items()}
    path = tmp_path / "model.pth"
    _write(path, container, state)
    unsigned = dtype in (torch.uint16, torch.uint32, torch.uint64)
    if container == "safetensors" or (container == "legacy" and unsigned):
        found = read(path, rules)  # torch.load has no reader for these
        torch.save(state, tmp_path / "twin.pth")
        twin = same_as_torch(tmp_path / "twin.pth")
        assert {name: array.tobytes() for name, array in found.tensors.items()} == {
            name: array.tobytes() for name, array in twin.tensors.items()
        }
        assert found.dtypes == {name: twin.dtypes[name] for name in found.dtypes}
        assert all(found.tensors[name].shape == tensor.shape for name, tensor in state.items())
    else:
        found = same_as_torch(path)
    assert found.container == container
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_every_half_precision_value_is_upcast_exactly(tmp_path, same_as_torch, dtype):
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    path = tmp_path / "all.pth"
    torch.save({"all": bits.view(dtype)[~bits.view(dtype).isnan()]}, path)
    found = same_as_torch(path)
    assert found.notes == (f"{str(dtype)[6:]} upcast to float32, exactly: 1 of 1 tensors",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "view",
    [
        lambda t: t.T,
        lambda t: t[1:, ::2],
        lambda t: t[:, 1],
        lambda t: t[2, 3],
        lambda t: t.reshape(2, 5, 6).permute(2, 0, 1),
        lambda t: t[:0],
        lambda t: t.as_strided((3, 2), (1, 1)),
    ],
)
def test_views_of_a_storage_are_read_rightly(tmp_path, same_as_torch, view, legacy):
    whole = torch.arange(60, dtype=torch.float32).reshape(6, 10)
    path = tmp_path / "views.pth"
    state = {"view": view(whole), "half": view(whole.bfloat16()), "whole": whole}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    same_as_torch(path)


def test_float32_of_an_archive_stays_a_view_of_the_file(tmp_path, rules):
    path = tmp_path / "large.pth"
    torch.save({"a": torch.ones(1000, 1000), "b": torch.zeros(1000, 1000)}, path)
    read(path, rules)  # what is imported or cached at the first call is no part of the peak
    tracemalloc.start()
    found = read(path, rules)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.tensors) == 2
    assert peak < 1.05 * path.stat().st_size


def test_float64_is_rounded_and_counted(tmp_path, same_as_torch):
    path = tmp_path / "wide.pth"
    exact = torch.tensor([1.0, 0.5, float("inf"), float("nan")], dtype=torch.float64)
    torch.save({"exact": exact, "inexact": torch.tensor([0.1, 2.0, -0.3]).double() / 3}, path)
    found = same_as_torch(path)
    inexact = torch.load(path, weights_only=True)["inexact"].numpy()
    lost = np.abs(inexact - inexact.astype(np.float32))
    assert found.rounded["exact"].changed == 0
    assert found.rounded["exact"].largest == 0.0
    assert found.rounded["inexact"].changed == np.count_nonzero(lost) > 0
    assert found.rounded["inexact"].largest == lost.max()
    assert found.notes[0].startswith("float64 rounded to float32: 2 of 2 tensors, 3 values changed")


def test_training_container_with_prefixes_and_config(tmp_path, same_as_torch, weights):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))], lr=1e-3)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(3)
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])  # keeps a Counter
    prefixed = {
        "_orig_mod.module.fc.weight": weights["fc.weight"],
        "module._orig_mod.module.fc.bias": weights["fc.bias"],
        "scale": weights["scale"],
    }
    container = {
        "model": prefixed,
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": 12,
        "config": {"d_model": 128, "joint_idx": [1, 2], "pe": None, "nested": {"a": 0.5}},
        "rng": torch.get_rng_state(),
        "extras": [torch.float16, torch.device("cpu"), {1, 2}, 1j, b"bytes", {(1, 2): 3}],
        "sparse": torch.eye(2).to_sparse(),
    }
    path = tmp_path / "train.pth"
    torch.save(container, path)
    found = same_as_torch(path)
    assert list(found.tensors) == ["fc.weight", "fc.bias", "scale"]
    assert found.unwrapped == ("model",)
    assert found.prefixes == ("module.", "_orig_mod.")
    assert found.config == container["config"]
    assert found.notes == (
        "training container: weights under model, epoch 12",
        "prefixes stripped: module., _orig_mod.",
    )


def test_nested_container(tmp_path, same_as_torch, weights):
    path = tmp_path / "nested.pth"
    torch.save({"model": {"state_dict": weights}}, path)
    assert same_as_torch(path).unwrapped == ("model", "state_dict")


@pytest.mark.parametrize(
    "config", [{"device": torch.device("cpu")}, {}, [1], {"many": list(range(200_000))}]
)
def test_config_that_is_not_small_plain_data_is_not_used(tmp_path, rules, weights, config):
    path = tmp_path / "train.pth"
    torch.save({"model": weights, "config": config}, path)
    found = read(path, rules)
    assert found.config is None
    assert found.notes[-1] == "the config beside the weights is not plain data: not used"


def test_endless_config_ends(tmp_path, rules, weights):
    cyclic: dict = {}
    cyclic["self"] = cyclic
    path = tmp_path / "train.pth"
    torch.save({"model": weights, "config": cyclic}, path)
    assert read(path, rules).config is None


@pytest.mark.parametrize("legacy", [False, True])
def test_tied_tensors_are_one_array_and_said(tmp_path, same_as_torch, legacy):
    shared = torch.arange(6.0).reshape(2, 3)
    path = tmp_path / "tied.pth"
    state = {"a": shared, "b": shared, "c": shared.T, "d": torch.ones(2)}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    found = same_as_torch(path)
    assert found.notes == ("tied tensors: a = b",)
    assert found.tensors["a"] is found.tensors["b"]


def test_parameters_and_tensors_with_attributes(tmp_path, same_as_torch):
    with_state = torch.nn.Parameter(torch.ones(2))
    with_state.kept = True
    with_attribute = torch.arange(3.0)
    with_attribute.kept = True
    path = tmp_path / "parameters.pth"
    state = {"a": torch.nn.Parameter(torch.ones(3)), "b": with_state, "c": with_attribute}
    torch.save(state, path)
    same_as_torch(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_state_dict_of_a_module_with_metadata(tmp_path, same_as_torch, legacy):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    path = tmp_path / "module.pth"
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    assert same_as_torch(path).dtypes["1.num_batches_tracked"] == "int64"


def test_weights_saved_from_another_device(tmp_path, same_as_torch, rewrite, weights):
    torch.save(weights, tmp_path / "cpu.pth")

    def on_cuda(members):
        return [
            (name, content.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"))
            for name, content in members
        ]

    path = rewrite(tmp_path / "cpu.pth", on_cuda)
    assert b"cuda:0" in path.read_bytes()
    same_as_torch(path)


def test_archive_of_an_early_torch_without_byteorder(tmp_path, same_as_torch, rewrite, weights):
    torch.save(weights, tmp_path / "new.pth")
    kept = ("data.pkl", "version")
    same_as_torch(
        rewrite(
            tmp_path / "new.pth",
            lambda members: [m for m in members if m[0].endswith(kept) or "/data/" in m[0]],
        )
    )


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_other_pickle_protocols(tmp_path, rules, weights, protocol, legacy):
    extras = {"set": {1, 2}, "frozen": frozenset([3]), "bytes": b"ab", "tuple": (1, 2, 3, 4)}
    path, twin = tmp_path / "model.pth", tmp_path / "twin.pth"
    kind = {"_use_new_zipfile_serialization": not legacy}
    torch.save({"model": weights, **extras}, path, pickle_protocol=protocol, **kind)
    torch.save(weights, twin)
    found = read(path, rules)
    wanted = read(twin, rules).tensors
    assert {name: array.tobytes() for name, array in found.tensors.items()} == {
        name: array.tobytes() for name, array in wanted.items()
    }
    assert any("pickle protocol" in note for note in found.notes) == (protocol >= 4)


def test_content_tells_the_container_not_the_suffix(tmp_path, rules, weights):
    save_file(weights, tmp_path / "model.pth")
    torch.save(weights, tmp_path / "model.safetensors")
    assert read(tmp_path / "model.pth", rules).container == "safetensors"
    assert read(tmp_path / "model.safetensors", rules).container == "zip"


def test_config_in_safetensors_metadata(tmp_path, rules, weights):
    path = tmp_path / "model.safetensors"
    config = {"d_model": 128, "joint_idx": [1, 2]}
    save_file(weights, path, {"config": json.dumps(config), "format": "pt"})
    assert read(path, rules).config == config
    save_file(weights, path, {"config": "not JSON"})
    assert read(path, rules).config is None


OBJECTS = {
    "argparse.Namespace": Namespace(lr=1),
    "types.SimpleNamespace": SimpleNamespace(lr=1),
    "numpy": np.float32(1),
    "numpy integer": np.int64(7),
    "array": np.ones(2),
    "pathlib": PurePosixPath("/tmp"),
    "datetime.datetime": datetime(2026, 3, 1, 12),
    "collections.defaultdict": defaultdict(list, {"a": [1]}),
    "enum": Color.RED,
    "torch.optim": torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1),
    "random state": random.getstate(),
    "range": range(3),
    "torch version": torch.__version__,
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", OBJECTS)
def test_objects_beside_weights_are_left_unread_and_named(
    tmp_path, rules, weights, name, legacy, protocol
):
    path = tmp_path / "train.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own deprecations
        torch.save(
            {"model": weights, "what": OBJECTS[name]},
            path,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=not legacy,
        )
    found = read(path, rules)
    twin = tmp_path / "twin.pth"
    torch.save(weights, twin)
    wanted = read(twin, rules).tensors
    assert {n: a.tobytes() for n, a in found.tensors.items()} == {
        n: a.tobytes() for n, a in wanted.items()
    }
    said = [note for note in found.notes if "left unread" in note]
    assert bool(said) == (name not in ("range", "random state"))
    assert not said or "what" in said[0]
    tensors, itself = torch_weights.read(found.location)
    assert {n: t.numpy().tobytes() for n, t in tensors.items()} == {
        n: a.astype(np.float32).tobytes() for n, a in wanted.items()
    }
    if protocol > 3:
        assert not itself
    elif protocol == 2 and name not in ("collections.defaultdict", "torch.optim", "torch version"):
        assert itself


def test_real_checkpoint(same_as_torch):
    if not REAL.exists():
        pytest.skip("needs the trained checkpoint ../shared/data/user08.pth")
    found = same_as_torch(REAL)
    assert len(found.tensors) == 96
    assert found.unwrapped == ("model",)
    assert found.notes == ("training container: weights under model, epoch 39",)


def test_importing_the_package_imports_no_framework():
    code = (
        "import sys, signbart_port.checkpoint\n"
        "print({'torch', 'tensorflow', 'keras', 'jax', 'h5py', 'safetensors'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
