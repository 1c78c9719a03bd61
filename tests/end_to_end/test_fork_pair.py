"""A fork of SignBART whose own class is the reference of the proof."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import signbart_port
from signbart_port.errors import ProofError
from signbart_port.model_files import mappings
from signbart_port.parity.workers.torch_perturbed import perturb
from tests.support.small_models import small_config

CONFIG = small_config()
MODELS = '''
from torch import nn

from pt_reference import SignBart


class Fork(SignBart):
    """Queries and keys under other names, each in the other's place."""

    def __init__(self, config):
        super().__init__(config)
        for layer in self.encoder.layers:
            attention = layer.self_attn
            attention.a_proj, attention.b_proj = attention.k_proj, attention.q_proj
            del attention.q_proj, attention.k_proj
            attention.forward = Own(attention)


class Own:
    def __init__(self, attention):
        self.of = attention

    def __call__(self, queries, memory, mask):
        of = self.of
        q = of.split(of.b_proj(queries) * of.scaling)
        k = of.split(of.a_proj(memory))
        v = of.split(of.v_proj(memory))
        return of.out_proj(of.merge((q @ k.transpose(-1, -2) + mask).softmax(dim=-1) @ v))
'''
PAIR = """
from signbart_port.pairs.signbart import SignBartPair


class Forked(SignBartPair):
    mapping = "fork.yaml"

    def torch_model(self, config):
        from fork_models import Fork

        return Fork(config)
"""
OWN = '  - {path: "encoder.layers.{enc}.self_attn.{proj}", kind: linear, out: d_model, in: d_model}'


def mapping(queries: str, keys: str) -> str:
    """SignBART's own mapping, with the names of a fork's queries and keys."""
    text = mappings.signbart().path.read_text()
    assert OWN in text
    lines = [
        f'  - {{torch: "encoder.layers.{{enc}}.self_attn.{torch_name}",'
        f' keras: "encoder/layers.{{enc}}/self_attn/{keras_name}",'
        " kind: linear, out: d_model, in: d_model}"
        for torch_name, keras_name in (
            (queries, "q_proj"),
            (keys, "k_proj"),
            ("v_proj", "v_proj"),
            ("out_proj", "out_proj"),
        )
    ]
    return text.replace(OWN, "\n".join(lines))


@pytest.fixture
def fork(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("fork_models.py").write_text(MODELS)
    Path("fork_pair.py").write_text(PAIR)
    Path("fork.yaml").write_text(mapping("b_proj", "a_proj"))
    scope: dict = {}
    exec(MODELS, scope)
    model = perturb(scope["Fork"](CONFIG))
    torch.save({"model": model.state_dict(), "config": CONFIG.model_dump()}, "fork.pth")
    yield tmp_path
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]
    for name in ("fork_models", "signbart_port_pair_fork_pair"):
        sys.modules.pop(name, None)


def test_it_is_proven_and_goes_on_as_a_signbart(fork):
    done = signbart_port.convert_pair("fork.pth", "fork_pair.py", "fork.h5")
    assert done.report.passed and done.report.same_structure
    assert done.report.agreement[0] == done.report.agreement[1] > 0
    assert len(done.report.rows) > 40
    made = signbart_port.to_tflite("fork.h5", frames=9)
    assert made.source_proven and all(report.passed for report in made.reports)


def test_two_tensors_of_one_shape_confused(fork):
    """What a mapping alone cannot know: see `test_a_mapping_that_confuses_...` of `plan`."""
    Path("fork.yaml").write_text(mapping("a_proj", "b_proj"))
    with pytest.raises(ProofError, match=r"NOT EQUAL, encoder\.layers\.0\.self_attn"):
        signbart_port.convert_pair("fork.pth", "fork_pair.py", "fork.h5")
    assert not Path("fork.h5").exists()
