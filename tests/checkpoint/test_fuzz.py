"""A few hundred seeded mutations of small real files: a PortError or a Checkpoint, nothing else."""

from __future__ import annotations

import random

import pytest
import torch
from safetensors.torch import save_file

from signbart_port.checkpoint import read
from signbart_port.errors import PortError


def _mutated(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    at, to = sorted(dice.sample(range(len(data)), 2))
    to = min(to, at + dice.choice([1, 4, 64, 4096]))
    match dice.randrange(7):
        case 0:
            data[at] ^= 1 << dice.randrange(8)
        case 1:
            data[at:to] = dice.randbytes(to - at)
        case 2:
            del data[at:to]
        case 3:
            data[at:at] = dice.randbytes(dice.choice([1, 8, 64]))
        case 4:
            data[at:at] = data[at:to]
        case 5:
            data[at:to] = dice.choice([b"\0", b"\xff"]) * (to - at)
        case 6:
            other = dice.randrange(len(data))
            data[at:to] = data[other : other + to - at]
    return bytes(data)


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_mutations(tmp_path, rules, weights, container):
    path = tmp_path / "model.pth"
    if container == "safetensors":
        save_file(weights, path)
    else:
        kind = {"_use_new_zipfile_serialization": container == "zip"}
        torch.save({"model": weights, "epoch": 3}, path, **kind)
    content = path.read_bytes()
    original = {name: array.tobytes() for name, array in read(path, rules).tensors.items()}
    dice = random.Random(379)
    accepted = refused = 0
    for _ in range(400):
        path.write_bytes(_mutated(content, dice))
        try:
            found = read(path, rules)
        except PortError as error:
            assert str(error).isprintable()
            refused += 1
            continue
        accepted += 1
        if container == "zip":  # the others carry no checksum
            assert {name: a.tobytes() for name, a in found.tensors.items()} == original
    assert accepted and refused
