"""The plan of a pair, by its mapping or by a draft of one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.transfer import Code
from signbart_port.verbs.plan_pair import plan_pair, write_pair_draft
from tests.support.tutorial import written


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with written(tmp_path):
        yield tmp_path


def test_the_tutorials_mapping_could_have_been_drafted(folder):
    shipped = plan_pair("net.pth", "my_pair.py")
    assert not shipped.findings and shipped.draft is None and not shipped.guesses
    assert [(use.found, use.of) for use in shipped.uses()] == [(2, 2), (2, 2), (8, 8), (2, 2)]
    (folder / "net.yaml").unlink()
    drafted = plan_pair("net.pth", "my_pair.py")
    assert drafted.draft and not drafted.findings and not drafted.guesses

    def places(plan):
        return {(t.torch, t.keras, t.op, str(t.torch_part)) for t in plan.plan.transfers}

    assert places(drafted) == places(shipped)
    write_pair_draft(drafted, "net.yaml")
    done = signbart_port.convert_pair("net.pth", "my_pair.py", "net.keras")
    assert done.report.passed and done.tensors == 14


def test_the_commands(folder, program):
    code, printed, said = program("plan", "--pair", "my_pair.py", "--all")
    assert (code, said) == (0, "") and "none: the names are those of the pair's" in printed
    assert "8 of 8: attention -> attention, attention, heads 4, width 4, in 16" in printed
    assert "(net.yaml:22)" in printed
    for wrong, remark in (
        (("net.pth", "--heads", "4"), "--heads is of SignBART"),
        (("net.pth", "--mapping", "x.yaml"), "--mapping is of SignBART"),
        (("gone.pth",), "gone.pth: does not exist"),
        (("--out", "net.keras"), "a mapping"),
        (("--out", "net.yaml"), "net.yaml: exists"),
    ):
        code, printed, said = program("plan", *wrong, "--pair", "my_pair.py")
        assert code == 2 and not printed and remark in said and said.count("\n") == 1
    code, printed, said = program("plan")
    assert code == 2 and "a checkpoint is needed" in said
    (folder / "net.yaml").unlink()
    code, printed, said = program("plan", "--pair", "my_pair.py")
    assert code == 2 and "kind: three_to_heads}" in printed
    assert (
        "net.yaml: there is no such file. Write a draft: signbart-port plan --pair my_pai" in said
    )
    code, printed, said = program("plan", "net.pth", "--pair", "my_pair.py", "--out", "net.yaml")
    assert (code, said) == (0, "") and "written      net.yaml" in printed
    code, printed, _ = program("plan", "net.pth", "--pair", "my_pair.py", "--json")
    found = json.loads(printed)
    assert code == 0 and found["complete"] and found["rules"][3]["axes"]["heads"] == [4]
    assert found["left_behind"] == {"torch": {}, "keras": {}}


def test_findings_of_both_sides_have_the_line_of_the_rule(folder, program):
    mapping = folder / "net.yaml"
    text = mapping.read_text().replace("{path: head, kind: linear}", "{path: tail, kind: linear}")
    text = text.replace("keras: gamma", "keras: gain").replace("path: tail", "path: tail, out: 3")
    mapping.write_text(text.replace("out: 3", "out: 3, in: 16"))
    found = plan_pair(None, "my_pair.py")
    by_code = {(finding.code, finding.name): finding.detail for finding in found.findings}
    assert by_code[Code.MISSING, "tail.weight"] == "net.yaml:23"
    assert by_code[Code.MISSING, "tail/kernel"] == "the target has no such tensor, net.yaml:23"
    assert by_code[Code.MISSING, "norm/gain"] == "the target has no such tensor, net.yaml:21"
    assert (Code.UNMAPPED, "head.weight") in by_code and (Code.UNFILLED, "norm/gamma") in by_code
    code, printed, said = program("plan", "--pair", "my_pair.py")
    assert code == 2 and "MISSING tail.weight" in said and "and 4 more: --all" in printed


def test_a_wrong_shape_of_keras_names_its_rule(folder):
    models = folder / "my_models.py"
    models.write_text(models.read_text().replace('Dense(3, name="head")', 'Dense(4, name="head")'))
    (finding, *_) = plan_pair("net.pth", "my_pair.py").findings
    assert finding.code is Code.SHAPE and finding.detail.endswith("net.yaml:23")


def test_marked_guesses_are_shown_and_refused_by_convert(folder, program):
    mapping = folder / "net.yaml"
    mapping.write_text(
        mapping.read_text().replace("kind: layer_norm}", "kind: layer_norm, guess: true}")
    )
    assert plan_pair("net.pth", "my_pair.py").guesses == (21,)
    code, printed, _ = program("plan", "net.pth", "--pair", "my_pair.py")
    assert code == 0 and re.search(r"guesses +line 21: convert refuses them", printed)
    with pytest.raises(PortError, match="line 21: norm -> norm is a guess"):
        signbart_port.convert_pair("net.pth", "my_pair.py")


LEFT = """
import keras
import torch
import signbart_port


class Left(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 2)
        self.register_buffer("position_ids", torch.arange(4))


class LeftPair(signbart_port.Pair):
    mapping = "left.yaml"

    def torch_model(self, config):
        return Left()

    def keras_model(self, config):
        given = keras.Input((3,))
        scaled = keras.layers.Normalization(name="scale")(given)
        return keras.Model(given, keras.layers.Dense(2, name="head")(scaled))

    def call_torch(self, model, inputs):
        return model.head(inputs["x"])

    def cases(self, config, seed):
        import numpy as np

        x = np.random.default_rng(seed).standard_normal((4, 3), np.float32)
        return [signbart_port.Case("noise", torch={"x": x}, keras={"x": x})]
"""


def test_leftovers_of_both_sides_have_a_reason(folder, program):
    (folder / "left.py").write_text(LEFT)
    found = plan_pair(None, "left.py")
    assert {f.name for f in found.findings} == {"scale/mean", "scale/variance"}  # for a person
    text = found.draft.text("left")
    assert "counts the values that `adapt` has seen" in text
    why = 'why: "0 and 1: it changes nothing"}'
    for name in ("mean", "variance"):
        text = re.sub(rf'#   - (.match: "scale/{name}", )why: "..."}}', rf"    - \1{why}", text)
    (folder / "left.yaml").write_text(text)
    code, printed, _ = program("plan", "--pair", "left.py")
    assert code == 0
    assert re.search(
        r"left behind +position_ids: the numbers of positions, which the other", printed
    )
    assert re.search(r"left as is +scale/mean: 0 and 1: it changes nothing", printed)
