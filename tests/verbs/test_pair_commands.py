"""The commands that a pair changes little, and those where it has no place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import signbart_port

CONFIG = {"inputs": 3, "channels": 4, "outputs": 2}


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    from signbart_port.parity.load_pair import load_pair

    monkeypatch.chdir(tmp_path)
    state = load_pair("torch-conv").pair.torch_model(CONFIG).state_dict()
    torch.save(state | {"more.weight": torch.zeros(3)}, "net.pth")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return state


def test_a_checkpoint_as_a_pair_reads_it(checkpoint, program):
    code, printed, said = program("inspect", "net.pth", "--pair", "torch-conv")
    assert code == 0 and not said
    assert " 10 of 12 tensors\n" in printed  # batches that were tracked are left behind
    assert "more.weight" in printed and "config.json beside the checkpoint" in printed
    assert "inputs 3, channels 4, outputs 2" in printed
    code, printed, _ = program("inspect", "net.pth", "--pair", "torch-conv", "--json")
    assert code == 0 and json.loads(printed)["facts"]["pair"] == "torch-conv"
    code, printed, said = program("inspect", "net.pth", "--pair", "torch-conv", "--heads", "2")
    assert code == 2 and "--heads is of SignBART" in said


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_what_is_signbarts_alone_says_so(command, program):
    code, printed, said = program(command, "net.pth", "--pair", "torch-conv")
    assert code == 2 and not printed
    assert said.startswith(f"signbart-port: --pair: {command} is for SignBART alone")
    assert said.count("\n") == 1


def test_the_way_back(checkpoint, program):
    (state := dict(checkpoint))["norm.num_batches_tracked"] = torch.tensor(7)
    torch.save(state, "net.pth")
    signbart_port.convert_pair("net.pth", "torch-conv", "net.weights.h5")
    code, printed, said = program(
        "export", "net.weights.h5", "--pair", "torch-conv", "-o", "back.pth"
    )
    assert code == 0 and "10 tensors, read back equal in every bit" in printed
    assert said.startswith("1 tensor is not from the Keras model") and "num_batches" in said
    back = torch.load("back.pth", weights_only=True)
    assert back.keys() == state.keys()
    same = {name for name, value in back.items() if torch.equal(value, state[name])}
    assert state.keys() - same == {"norm.num_batches_tracked"}
    assert signbart_port.verify_pair("back.pth", "net.weights.h5", "torch-conv").passed
    Path("config.json").write_text(json.dumps(CONFIG | {"outputs": 3}))
    code, _, said = program(
        *("export", "net.weights.h5", "--pair", "torch-conv", "-o", "two.pth"),
        *("--config", "config.json"),
    )
    assert code == 2 and not Path("two.pth").exists()
    assert said.startswith("signbart-port: net.weights.h5: does not hold the weights of torch-conv")
    code, _, said = program("export", "net.pth", "--pair", "torch-conv", "-o", "two.pth")
    assert code == 2 and said.startswith("signbart-port: net.pth: ")
