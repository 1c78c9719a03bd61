"""The weights inside: links, types, sizes and groups that no conversion writes."""

from __future__ import annotations

import os
import signal

import h5py
import numpy as np
import pytest

from signbart_port.errors import PortError
from signbart_port.model_files import h5, hdf5
from signbart_port.transfer import Code, Direction, check
from tests.support.small_models import plan_of, small_config

CONFIG = small_config()
KERNEL = "encoder/layers.0/fc1/kernel"
STORED = f"model_weights/encoder/{KERNEL}"


def put(file, where=STORED, *args, **kwargs):
    """Put another dataset in the place of a weight."""
    del file[where]
    return file.create_dataset(where, *args, **kwargs)


@pytest.mark.parametrize(
    "where",
    ["model_weights", "model_weights/encoder", f"{STORED}", "model_weights/encoder/encoder"],
)
@pytest.mark.parametrize("kind", ["external", "external, absent", "soft", "soft, absent"])
@pytest.mark.on_commit(
    "external-model_weights",
    "external, absent-model_weights/encoder/encoder",
    "soft-model_weights/encoder",
    "soft, absent-model_weights",
)
def test_a_link_is_not_followed(ported, spoilt, refusal, where, kind):
    absent = "absent" in kind
    with spoilt() as file:
        file.move(where, "elsewhere")
        if "external" in kind:
            other = "/none.h5" if absent else str(ported / "model.h5")
            file[where] = h5py.ExternalLink(other, where)
        else:
            file[where] = h5py.SoftLink("/none" if absent else "/elsewhere")
    assert refusal().startswith(f"{where.split('/')[-1]} is a link to somewhere else. Save the mod")


def test_model_weights_that_are_missing_or_no_group(spoilt, refusal):
    with spoilt() as file:
        del file["model_weights"]
    assert refusal().startswith("holds no model_weights. Save the model again")
    with spoilt() as file:
        put(file, "model_weights", data=np.zeros(3, np.float32))
    assert refusal().startswith("holds no model_weights. Save the model again")


def _virtual(file, path):
    layout = h5py.VirtualLayout((8, 12), np.float32)
    layout[:] = h5py.VirtualSource(path, STORED, (8, 12))
    del file[STORED]
    file.create_virtual_dataset(STORED, layout)


def _external(file, path):
    put(file, STORED, (8, 12), np.float32, external=[(str(path), 0, 8 * 12 * 4)])


@pytest.mark.parametrize("spoil", [_virtual, _external], ids=["virtual", "external"])
def test_values_in_other_files_are_not_read(ported, spoilt, refusal, spoil):
    with spoilt() as file:
        spoil(file, ported / "model.h5")
    assert refusal().startswith(f"{KERNEL} keeps its values in other files. Save the model again")


def test_a_committed_type_is_no_weight(spoilt, refusal):
    with spoilt() as file:
        file["model_weights/encoder/type"] = np.dtype(np.float32)
    assert refusal().startswith("cannot be read as HDF5: ")


@pytest.mark.parametrize(
    "dtype",
    ["f8", "f2", ">f4", "i4", "i8", "u1", "?", "S4", h5py.string_dtype(), h5py.ref_dtype,
     h5py.vlen_dtype(np.float32), [("a", "f4")], ("f4", (2,)), "c8",
     h5py.enum_dtype({"A": 1}), "V4"],
    ids=str,
)  # fmt: skip
def test_a_type_other_than_float32_is_refused(spoilt, refusal, dtype):
    with spoilt() as file:
        put(file, STORED, (8, 12), dtype)
    said = refusal()
    assert said.startswith(f"{KERNEL} holds ") and ", expected float32. Save the mod" in said


def test_a_float_of_no_machine_is_refused(spoilt, refusal):
    with spoilt() as file:
        strange = h5py.h5t.IEEE_F32LE.copy()
        strange.set_fields(31, 23, 8, 0, 22)
        strange.set_ebias(2**30)
        del file[STORED]
        space = h5py.h5s.create_simple((8, 12))
        h5py.h5d.create(file.id, STORED.encode(), strange, space)
    assert refusal().startswith("cannot be read as HDF5: Insufficient precision")


def test_a_weight_without_values_or_compressed_is_refused(spoilt, refusal):
    said = f"{KERNEL} is empty or compressed. Save the model again"
    zeros = np.zeros((8, 12), np.float32)
    with spoilt() as file:
        put(file, STORED, data=h5py.Empty("f4"))
    assert refusal().startswith(said)
    for options in ({"compression": "gzip"}, {"fletcher32": True}, {"shuffle": True}):
        with spoilt() as file:
            put(file, STORED, data=zeros, **options)
        assert refusal().startswith(said)


def test_a_huge_shape_is_refused_before_it_is_allocated(spoilt, refusal, tmp_path):
    for shape, chunks in (((10**12,), None), ((10**6, 10**6), (2**10, 2**10)), ((8, 12), None)):
        with spoilt() as file:
            put(file, STORED, shape, np.float32, chunks=chunks)
        declared = 4 * int(np.prod(shape))
        said = f"{KERNEL} declares {declared:,} bytes, more than the file has for it. Save the"
        assert refusal().startswith(said)


def test_a_sparse_file_of_any_length_is_refused(spoilt, refusal, tmp_path):
    with spoilt() as file:
        put(file, STORED, (2**31,), np.float32)[-1] = 1
    assert (tmp_path / "spoilt.h5").stat().st_size > 2**33
    assert refusal().endswith(" bytes, more than any SignBART")


def test_one_weight_under_many_names_takes_no_more_than_the_file(spoilt, refusal):
    with spoilt() as file:
        del file.attrs[h5.PROVENANCE]  # as of a file that another program wrote
        big = file.create_dataset("model_weights/encoder/big", data=np.zeros(10**5, np.float32))
        for i in range(200):
            file[f"model_weights/encoder/big{i:03}"] = big
    assert "declares 400,000 bytes, more than the file has for it" in refusal()


@pytest.mark.parametrize("wide", [1, 5])
@pytest.mark.on_commit("1")
def test_deep_groups_end_soon(spoilt, refusal, wide):
    """Many levels; or 15 of them, each linked five times to the next: few bytes, 5^15 ways."""
    with spoilt() as file:
        group = file["model_weights/encoder"]
        for level in range(40 if wide == 1 else 15):
            below = group.create_group(f"g{level}")
            for i in range(1, wide):
                group[f"g{level}_{i}"] = below
            group = below
    assert refusal().startswith("encoder holds too many or too deep groups")


def test_a_group_that_holds_itself_ends_soon(spoilt, refusal):
    with spoilt() as file:
        file["model_weights/encoder/again"] = file["model_weights/encoder"]
        file["model_weights/encoder/and_again"] = file["model_weights/encoder"]
    said = refusal()
    assert "holds too many or too deep groups" in said


def test_two_weights_of_one_name_collide(spoilt, refusal):
    with spoilt() as file:
        file.copy(STORED, f"model_weights/decoder/{KERNEL}")
    assert refusal().startswith(f"COLLISION: {KERNEL} is there twice")


@pytest.mark.parametrize("name", ["a\x1b[31m", "two\nlines", "\u202eleft"])
def test_a_name_that_a_terminal_would_obey_is_refused(spoilt, refusal, name):
    with spoilt() as file:
        file.copy(STORED, f"model_weights/encoder/{name}")
    assert refusal().startswith('has a weight with the unusable name "')


def test_a_weight_that_was_replaced_is_refused(spoilt, refusal):
    """Its digest went with it, and the file would still claim to be proven."""
    with spoilt() as file:
        values = file[STORED][()] + np.float32(0.5)
        put(file, STORED, data=values)
    says = f"{KERNEL} was replaced after the conversion: it has no digest. Convert it again"
    assert refusal() == says


def test_a_wrong_shape_a_missing_and_an_extra_weight_are_found_by_the_check(spoilt, tmp_path):
    with spoilt() as file:
        del file.attrs[h5.PROVENANCE]
        put(file, STORED, data=np.zeros((12, 8), np.float32))
        file.move("model_weights/encoder/encoder/layers.1/fc1/bias", "elsewhere")
        file.copy("elsewhere", "model_weights/encoder/encoder/layers.2/fc1/bias")
    tensors = h5.read(tmp_path / "spoilt.h5").tensors
    found = check(plan_of(CONFIG), Direction.KERAS_TO_TORCH, tensors)
    assert {(f.code, f.name) for f in found} == {
        (Code.SHAPE, KERNEL),
        (Code.MISSING, "encoder/layers.1/fc1/bias"),
        (Code.UNMAPPED, "encoder/layers.2/fc1/bias"),
    }


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGXCPU"])
def test_a_file_that_ends_the_library_is_refused(ported, name, monkeypatch):
    """Found by the fuzzer: damaged attributes let libhdf5 itself crash."""
    with monkeypatch.context() as patch, pytest.raises(PortError) as refused:
        patch.setattr(hdf5, "_visit", lambda file: os.kill(os.getpid(), signal.Signals[name]))
        h5.read(ported / "model.h5")
    says = f"is damaged: the HDF5 library cannot read it, and is ended by {name}. Copy or convert"
    assert says in str(refused.value)
    assert h5.read(ported / "model.h5").tensors


def test_what_a_fork_raises_is_found_again(ported, monkeypatch, capfd):
    """In this process, where it is told; the fork itself says nothing."""
    monkeypatch.setattr(hdf5, "_visit", lambda file: 1 / 0)
    assert h5.read(ported / "model.h5").tensors
    assert capfd.readouterr() == ("", "")
