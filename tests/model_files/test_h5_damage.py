"""Flipped bits: in a weight, in its digest, in the structure around them."""

from __future__ import annotations

import random

import h5py
import pytest

from signbart_port.errors import PortError
from signbart_port.model_files import h5

KERNEL = "encoder/layers.0/fc1/kernel"
STORED = f"model_weights/encoder/{KERNEL}"


@pytest.mark.parametrize("weights", [2, 20])
@pytest.mark.on_commit("2")
def test_one_flipped_bit_in_a_weight_is_found_and_named(ported, tmp_path, refusal, weights):
    source = ported / "model.h5"
    data = source.read_bytes()
    with h5py.File(source) as file:
        places = {name: (d.id.get_offset(), d.size * 4) for name, d in h5._datasets(source, file)}
    path = tmp_path / "model.h5"
    random_ = random.Random(0)
    for name in [*random_.sample(sorted(places), weights), KERNEL]:
        offset, size = places[name]
        damaged = bytearray(data)
        damaged[offset + random_.randrange(size)] ^= 1 << random_.randrange(8)
        path.write_bytes(damaged)
        assert refusal(path).startswith(f"{name} is damaged: its values do not match their digest")


@pytest.mark.parametrize("value", ["", "0" * 64, 5, [1.0, 2.0], b"\xff", h5py.Empty("f4")], ids=str)
def test_a_strange_digest_is_a_mismatch(spoilt, refusal, value):
    with spoilt() as file:
        file[STORED].attrs["sha256"] = value
    assert refusal().startswith(f"{KERNEL} is damaged")


@pytest.mark.release
def test_bytes_damaged_anywhere_are_refused_in_one_line_or_change_nothing(
    ported, tmp_path, in_seconds
):
    """Outside of the weights, where the structure of the file is."""
    source = ported / "model.h5"
    data = source.read_bytes()
    with h5py.File(source) as file:
        weights = [(d.id.get_offset(), d.size * 4) for _, d in h5._datasets(source, file)]
    inside = {byte for offset, size in weights for byte in range(offset, offset + size)}
    structure = [i for i, value in enumerate(data) if value and i not in inside]
    path, random_ = tmp_path / "model.h5", random.Random(2)
    refused = 0
    for _ in range(100):
        damaged = bytearray(data)
        for place in random_.sample(structure, random_.choice([1, 1, 2, 8])):
            damaged[place] = random_.choice([damaged[place] ^ 1, 0, 255, random_.randrange(256)])
        path.write_bytes(damaged)
        try:
            with in_seconds(20):
                h5.read(path)
        except PortError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and str(error).isprintable()
    assert refused > 30
