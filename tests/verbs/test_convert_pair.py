"""Checkpoints of other models, by a pair's file: converted, proven, verified."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest
import torch

import signbart_port
from signbart_port.errors import PortError, ProofError
from signbart_port.parity.load_pair import installed, load_pair
from signbart_port.parity.pair import Pair
from signbart_port.parity.workers.torch_perturbed import perturb
from signbart_port.system import digest
from signbart_port.verbs.inspect_file import inspect_file
from tests.support.tutorial import FENCES, written


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with written(tmp_path):
        yield tmp_path


@pytest.mark.release
@pytest.mark.parametrize("out", ["net.keras", "net.weights.h5"])
def test_it_is_converted_and_verified(folder, out):
    before = list(sys.path)
    done = signbart_port.convert_pair("net.pth", "my_pair.py", out)
    assert done.report.passed and done.report.same_structure
    assert (len(done.report.rows), len(done.report.isolated), done.tensors) == (5, 3, 14)
    assert done.pair == "my_pair.py:MyPair" and not done.cautions
    assert sys.path == before and "my_models" not in sys.modules
    if out.endswith(".keras"):
        with zipfile.ZipFile(out) as archive:
            provenance = json.loads(archive.read("signbart_port.json"))
    else:
        with h5py.File(out) as file:
            provenance = json.loads(file.attrs["signbart_port"])
    assert provenance["pair"] == {
        "name": "my_pair.py:MyPair",
        "sha256": digest.of_file(folder / "my_pair.py"),
    }
    assert provenance["proof"]["passed"] and provenance["proof"]["float64"] == 5
    report = signbart_port.verify_pair("net.pth", out, "my_pair.py:MyPair")
    assert report.passed and report.weights.passed and report.weights.tensors == 14
    report.save("proof.json")
    report.save("proof.html")
    assert json.loads(Path("proof.json").read_text())["case"] == "noise"
    assert "case noise" in Path("proof.html").read_text()


@pytest.mark.release
def test_other_code_is_found_and_nothing_is_written(folder):
    pair = folder / "my_pair.py"
    pair.write_text(pair.read_text().replace("keras_net()", "keras_net(epsilon=1e-3)"))
    with pytest.raises(ProofError, match="NOT EQUAL, norm: wrong for the reference's own inputs"):
        signbart_port.convert_pair("net.pth", "my_pair.py")
    assert not list(folder.glob("*.keras"))
    done = signbart_port.convert_pair("net.pth", "my_pair.py", verify=False)
    assert done.report is None and "nothing was compared" in repr(done)
    report = signbart_port.verify_pair("net.pth", "net.keras", "my_pair.py")
    assert not report.passed and report.weights.passed and report.blame.module == "norm"


@pytest.mark.release
def test_an_h5_is_written_where_keras_can_open_it_again(folder):
    models = folder / "my_models.py"
    with pytest.raises(PortError, match=r"net.h5: a fresh process cannot open the .h5 file"):
        signbart_port.convert_pair("net.pth", "my_pair.py", "net.h5")  # for its "+"
    assert not (folder / "net.h5").exists()
    added = 'keras.layers.Add()([x, keras.layers.MultiHeadAttention(4, 4, name="attention")(x, x)])'
    text = models.read_text()
    line = next(line for line in text.splitlines() if "x = x + keras" in line)
    models.write_text(text.replace(line, f"    x = {added}"))
    assert signbart_port.convert_pair("net.pth", "my_pair.py", "net.h5").report.passed
    assert signbart_port.verify_pair("net.pth", "net.h5", "my_pair.py").passed


@pytest.mark.release
def test_other_weights_are_found(folder):
    signbart_port.convert_pair("net.pth", "my_pair.py", "net.weights.h5", verify=False)
    state = torch.load("net.pth")
    state["model"]["head.bias"][1] += 1e-6
    torch.save(state, "other.pth")
    report = signbart_port.verify_pair("other.pth", "net.weights.h5", "my_pair.py")
    assert not report.passed and report.blame.module == "head"
    assert [one.values for one in report.weights.differing] == [1]


REFUSED = {
    "no such file": ("other.py", None, r"other.py: there is no such file"),
    "no such name": ("my_pair.py:Net", None, r"my_pair.py: has no pair Net. It has: MyPair"),
    "no pair": ("my_models.py", None, r"my_models.py: has 0 subclasses of signbart_port.Pair"),
    "no such pair": ("mine", None, r"mine: neither FILE.py nor an installed pair. Installed: .*ru"),
    "it fails": ("my_pair.py", ("class MyPair", "1 / 0\nclass MyPair"), r"line \d+: cannot be run"),
    "its model fails": (
        *("my_pair.py", ("return keras_net()", "raise OSError('no disk')")),
        r"my_pair.py:MyPair: MyPair.keras_model fails \(OSError: no disk\)",
    ),
    "its PyTorch model fails": (
        *("my_pair.py", ("return Net()", "raise OSError('no disk')")),
        r"net.pth: PyTorch refuses to read or run it .*no disk",
    ),
    "its config": (
        "my_pair.py",
        (
            "    def cases",
            "    def read_config(self, stated, stored):\n"
            "        raise ValueError('there is no width')\n\n    def cases",
        ),
        r"net.pth: there is no width",
    ),
    "no cases": (
        "my_pair.py",
        ("return [signbart_port", "return [] and [signbart_port"),
        "no case",
    ),
    "names": ("my_pair.py", ('"net.yaml"', '"other.yaml"'), r"other.yaml"),
}


@pytest.mark.on_commit("no such name", "no pair", "no such pair", "it fails", "no cases")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_pair_is_refused(folder, name):
    pair, change, said = REFUSED[name]
    if change:
        text = (folder / pair).read_text()
        assert change[0] in text
        (folder / pair).write_text(text.replace(*change))
    before = sorted(folder.iterdir())
    with pytest.raises(PortError, match=said):
        signbart_port.convert_pair("net.pth", pair)
    left = {path for path in folder.iterdir() if path.name != "__pycache__"}
    assert left <= set(before)


def test_a_mapping_that_does_not_fit_is_refused(folder):
    mapping = folder / "net.yaml"
    mapping.write_text(mapping.read_text().replace("  - {path: head, kind: linear}\n", ""))
    with pytest.raises(PortError, match=r"net.pth: UNMAPPED head.weight"):
        signbart_port.convert_pair("net.pth", "my_pair.py")


def test_a_file_that_changes_is_run_again(folder):
    first = load_pair("my_pair.py").pair
    (folder / "my_pair.py").write_text((folder / "my_pair.py").read_text() + "\nx = 1\n")
    assert type(load_pair("my_pair.py").pair) is not type(first)
    again = load_pair("my_pair.py").pair
    assert type(load_pair("my_pair.py").pair) is type(again)


def test_a_class_of_the_session_is_refused():
    class Mine(Pair):
        pass

    with pytest.raises(PortError, match="Mine: is a class of this session"):
        signbart_port.convert_pair("net.pth", Mine())


def test_installed_pairs_are_listed_and_not_imported():
    assert "torch-gru" in installed()
    code = (
        "import sys; from signbart_port.parity.load_pair import installed; installed();"
        "sys.exit('signbart_port.pairs.torch_rnn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert load_pair("torch-gru").place == "signbart_port.pairs.torch_rnn:GRU"


def test_an_installed_pair_converts(tmp_path):
    config = {"inputs": 5, "units": 6, "layers": 1, "outputs": 3}
    pair = load_pair("torch-lstm").pair
    torch.save({"w": perturb(pair.torch_model(config)).state_dict()}, tmp_path / "rnn.pth")
    (tmp_path / "rnn.json").write_text(json.dumps(config))
    done = signbart_port.convert_pair(
        tmp_path / "rnn.pth", "torch-lstm", config=tmp_path / "rnn.json"
    )
    assert done.report.passed and done.out == tmp_path / "rnn.keras"
    assert [said for said in done.cautions if "the sum in bias_ih, zeros in bias_hh" in said]
    versions = inspect_file(done.out).provenance["versions"]
    assert versions["torch"] == torch.__version__ and "transformers" not in versions
    assert versions.keys() == {"signbart-port", "torch", "keras", "tensorflow", "numpy"}


def test_the_commands(folder, program):
    code, printed, _ = program("convert", "net.pth", "--pair", "my_pair.py", "--out", "net.keras")
    assert code == 0 and "my_pair.py:MyPair" in printed and "14 variables" in printed
    assert "clips" not in printed
    assert program("verify", "net.pth", "net.keras", "--pair", "my_pair.py", "-q") == (0, "", "")
    for arguments, said in (
        (("net.pth", "--heads", "4"), "--heads is of SignBART, and --pair names other models"),
        (("net.pth", "net.pth"), "--pair takes one model at a time"),
        (("net.pth", "--out", "net.tflite"), "the Keras model is written as"),
    ):
        code, printed, refused = program("convert", *arguments, "--pair", "my_pair.py", "--force")
        assert code == 2 and not printed and said in refused


@pytest.mark.release
def test_the_signature_of_the_page(folder):
    signature = next(fence.text for fence in FENCES if "def tflite" in fence.text)
    pair = folder / "my_pair.py"
    pair.write_text(pair.read_text() + "\n" + signature)
    done = signbart_port.to_tflite_pair("net.pth", "my_pair.py", quantization="float16")
    assert done.proven and done.correspondences["serving_default"].same
    (found,) = done.signatures.values()
    assert found.inputs["x"].shape == (1, -1, 10) and found.outputs["scores"].shape == (1, 3)
