"""The Keras model of a pair as a .tflite."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import signbart_port
from signbart_port.errors import PortError, ProofError
from signbart_port.model_files import pair_file
from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.workers.torch_perturbed import perturb
from signbart_port.tflite import object_tree
from signbart_port.tflite_export.correspondence import Correspondence
from signbart_port.verbs import _pair_tflite_files
from tests.support.modified_tflite import flip, packed, weights_in

PAIR = """
from collections import OrderedDict

import numpy as np
import signbart_port


class Two(signbart_port.Pair):
    mapping = "two.yaml"

    def torch_model(self, config):
        from torch import nn

        layers = {"one": nn.Linear(8, 40), "relu": nn.ReLU(), "two": nn.Linear(40, 30)}
        return nn.Sequential(OrderedDict(layers))

    def keras_model(self, config):
        import keras

        given = keras.Input((None, 8), name="x")
        x = keras.layers.Dense(40, activation="relu", name="one")(given)
        return keras.Model(given, keras.layers.Dense(30, name="two")(x))

    def cases(self, config, seed):
        random = np.random.default_rng(seed)
        given = [random.standard_normal((3, n, 8), np.float32) for n in (5, 9)]
        return [signbart_port.Case(f"{x.shape[1]} frames", {"x": x}, {"x": x}) for x in given]

    def call_torch(self, model, inputs):
        return model(inputs["x"])
"""
SIGNATURES = """
    def tflite(self, config):
        five, nine = self.cases(config, 1)
        inputs, outputs = {"x": (1, 9, 8)}, {"scores": (1, 9, 30)}
        free = {"x": (1, None, 8)}, {"scores": (1, None, 30)}
        return [
            signbart_port.Signature("serving_default", inputs, outputs, calibration=[nine]),
            signbart_port.Signature("any", *free, calibration=[five, nine]),
        ]
"""
MAPPING = """
schema: 2
family: two
kinds:
  linear:
    - {torch: weight, keras: kernel, axes: out in -> in out}
    - {torch: bias, keras: bias, axes: out}
modules:
  - {path: one, kind: linear}
  - {path: two, kind: linear}
"""


@pytest.fixture
def model(tmp_path, monkeypatch) -> torch.nn.Module:
    """PyTorch's model; its checkpoint, its pair and mapping are in the folder."""
    monkeypatch.chdir(tmp_path)
    Path("pair.py").write_text(PAIR)
    Path("two.yaml").write_text(MAPPING)
    made = perturb(load_pair("pair.py").pair.torch_model({}))
    torch.save(made.state_dict(), "net.pth")
    yield made
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]
    sys.modules.pop("signbart_port_pair_pair", None)


def run(path: str, signature: str, x: np.ndarray) -> dict[str, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(path).get_signature_runner(signature)(x=x)


def test_a_checkpoint_becomes_a_file(model):
    x = np.random.default_rng(5).standard_normal((1, 5, 8), np.float32)
    expected = model(torch.from_numpy(x)).detach().numpy()
    done = signbart_port.to_tflite_pair("net.pth", "pair.py")
    assert done.out == Path("net.tflite") and done.proven and done.source_proven
    assert done.conversion.passed and not done.folded and not done.cautions
    assert [report.facts["case"] for report in done.reports] == ["5 frames"]
    assert any("the pair names no signature" in note for note in done.notes)
    assert np.allclose(run("net.tflite", "serving_default", x)["output"], expected, atol=1e-5)
    card = pair_file.provenance_of(done.out)
    assert card["pair"]["name"] == "pair.py:Two" and card["source"]["name"] == "net.pth"
    assert card["proof"]["proven"] and card["quantization"] == "none"
    report = signbart_port.verify_pair("net.pth", "net.tflite", "pair.py")
    assert report.passed and report.weights.passed and report.weights.rule == "equal in every bit"


@pytest.mark.release
def test_an_integer_file_is_verified_and_a_range_is_found(model, program):
    Path("pair.py").write_text(PAIR + SIGNATURES)
    options = {"quantization": "int8", "max_error": 0.3}
    signbart_port.to_tflite_pair("net.pth", "pair.py", **options)
    report = signbart_port.verify_pair("net.pth", "net.tflite", "pair.py")
    assert report.passed and "but for 8 that are rounded" in report.weights.rule
    assert any("(int8) they are off by" in note and "scores by" in note for note in report.notes)
    tree = object_tree.parsed(Path("net.tflite").read_bytes())
    (graph, *_) = tree.subgraphs
    last = next(op for op in reversed(graph.operators) if len(op.inputs) > 1)
    made = graph.tensors[last.outputs[0]].quantization
    made.scale = made.scale * np.float32(0.97)
    Path("net.tflite").write_bytes(packed(tree))
    code, _, said = program("verify", "net.pth", "net.tflite", "--pair", "pair.py", "-q")
    assert code == 1 and said.startswith("NOT EQUAL") and "calibration gives" in said
    given = ("net.pth", "--pair", "pair.py", "--quantization", "int8", "--out", "other.tflite")
    code, _, said = program("tflite", *given, "--max-error", "0.001", "-q")
    assert code == 1 and "scores is off by" in said and not Path("other.tflite").exists()


@pytest.mark.release
def test_a_rounded_file_is_verified_and_one_bit_is_found(model, program):
    signbart_port.to_tflite_pair("net.pth", "pair.py", quantization="dynamic")
    report = signbart_port.verify_pair("net.pth", "net.tflite", "pair.py")
    assert report.passed and "but for 1 that are rounded" in report.weights.rule
    assert any("with the weights rounded (dynamic)" in note for note in report.notes)
    data = bytearray(Path("net.tflite").read_bytes())
    values, _ = next(one for one in weights_in(data).values() if one[0].size == 40 * 30)
    flip(values, 7, 6)
    Path("net.tflite").write_bytes(data)
    report = signbart_port.verify_pair("net.pth", "net.tflite", "pair.py")
    assert not report.passed and "1 of 1,200 values differ" in report.verdict()
    state = model.state_dict()
    state["two.bias"][3] += 1e-6
    torch.save(state, "other.pth")
    code, _, said = program("verify", "other.pth", "net.tflite", "--pair", "pair.py", "-q")
    assert code == 1 and said.startswith("NOT EQUAL")
    Path("net.tflite").write_bytes(data[:5000])
    code, _, said = program("verify", "net.pth", "net.tflite", "--pair", "pair.py", "-q")
    assert code == 2 and said.count("\n") == 1


def test_signatures_and_modes_from_one_conversion(model, program):
    Path("pair.py").write_text(PAIR + SIGNATURES)
    signbart_port.convert_pair("net.pth", "pair.py", "net.weights.h5")
    code, printed, said = program(
        *("tflite", "net.weights.h5", "--pair", "pair.py"),
        *("--quantization", "none,float16,dynamic,int8_full", "--json"),
    )
    assert code == 0 and not said
    exact, half, dynamic, integers, summary = map(json.loads, printed.splitlines())
    assert exact["signatures"].keys() == {"serving_default", "any"} and exact["source_proven"]
    assert exact["signatures"]["any"]["inputs"] == {"x": [1, -1, 8]}
    assert len(exact["reports"]) == 3  # one case for the one signature, both for the other
    for rounded in (half, dynamic, integers):
        assert rounded["proven"] and all("is that of" in one for one in rounded["graph"].values())
        assert all(0 < one["scores"] < 0.3 for one in rounded["errors"].values())
    assert exact["drift"] < half["drift"] < dynamic["drift"] < integers["drift"] < 0.1
    steps = integers["signatures"]["any"]["integers"]
    assert steps.keys() == {"x", "scores"} and steps["x"]["type"] == "int8"
    (said,) = (note for note in integers["notes"] if note.startswith("calibrated on 9 examples"))
    assert said.endswith("compared on 9, none among them")
    assert summary["summary"]["proven"] == 4
    card = pair_file.provenance_of(Path("net-int8_full.tflite"))
    assert card["signatures"]["any"]["integers"] == steps and card["proof"]["errors"]
    x = np.random.default_rng(5).standard_normal((1, 7, 8), np.float32)
    expected = model(torch.from_numpy(x)).detach().numpy()
    assert np.allclose(run("net.tflite", "any", x)["scores"], expected, atol=1e-5)
    code, printed, said = program("inspect", "net-dynamic.tflite")
    assert code == 0 and "pair.py:Two" in printed and "dynamic" in printed


def test_a_graph_that_computes_something_else_is_refused(model):
    wrong = "\n    def keras_output(self, outputs):\n        import tensorflow as tf\n\n"
    wrong += "        return outputs if tf.executing_eagerly() else outputs + 1e-3\n"
    Path("pair.py").write_text(PAIR + wrong)
    with pytest.raises(ProofError, match=r"net\.pth: the \.tflite is NOT EQUAL, logits: "):
        signbart_port.to_tflite_pair("net.pth", "pair.py")
    assert not Path("net.tflite").exists()


def test_what_cannot_be_matched_is_written_only_where_that_is_wanted(model, program, monkeypatch):
    monkeypatch.setattr(
        _pair_tflite_files,
        "correspond",
        lambda *_: Correspondence(3, 9, 1, (), "ADD stands for MUL"),
    )
    pair = load_pair("pair.py").pair  # an object runs in this process
    with pytest.raises(ProofError, match="not that of the float32 file: ADD stands for MUL"):
        signbart_port.to_tflite_pair("net.pth", pair, quantization="dynamic")
    assert not Path("net.tflite").exists()
    done = signbart_port.to_tflite_pair("net.pth", pair, quantization="dynamic", not_proven=True)
    assert not done.proven and "NOT PROVEN" in repr(done)
    assert any("ADD stands for MUL" in caution for caution in done.cautions)
    assert not pair_file.provenance_of(done.out)["proof"]["proven"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"quantization": "dynamic", "max_error": -1.0}, "a largest error of -1 is no share"),
        ({"out": "net.h5"}, "the file is written as .tflite"),
        ({"weights": "ema"}, "ema"),
    ],
)
def test_wrong_uses(model, options, said):
    with pytest.raises(PortError, match=said):
        signbart_port.to_tflite_pair("net.pth", "pair.py", **options)
    assert not list(Path().glob("*.tflite"))


def test_a_signature_that_no_case_fits(model):
    unfit = SIGNATURES.replace("(1, 9, 8)", "(1, 7, 8)")
    Path("pair.py").write_text(PAIR + unfit)
    with pytest.raises(PortError, match="no case fits its signature serving_default"):
        signbart_port.to_tflite_pair("net.pth", "pair.py")


def test_a_file_of_another_pair_is_named(model):
    signbart_port.convert_pair("net.pth", "pair.py", "net.keras")
    Path("pair.py").write_text(PAIR + "\n")
    done = signbart_port.to_tflite_pair("net.keras", "pair.py")
    assert done.cautions == ("net.keras was made with another version of pair.py:Two",)
