"""The pairs of PyTorch's own layers: proven, and every fault in them found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import signbart_port
from signbart_port.errors import ProofError
from signbart_port.pairs.torch_conv import Convolutions
from signbart_port.pairs.torch_rnn import GRU, LSTM, BidirectionalGRU, BidirectionalLSTM
from signbart_port.pairs.torch_transformer import TransformerEncoder
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.parity.report import Evidence
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.workers.torch_perturbed import perturb
from tests.support.any_pair import carried, comes_back, proven

RNN = {"inputs": 5, "units": 6, "layers": 2, "outputs": 3}
ENCODER = {
    "width": 16,
    "heads": 4,
    "inner": 24,
    "layers": 2,
    "activation": "relu",
    "norm_first": False,
}
CONV = {"inputs": 4, "channels": 6, "outputs": 3}
PAIRS: dict[str, tuple[Pair, dict[str, Any], int, int]] = {
    # the config, how many outputs are compared, how many of them alone
    "LSTM": (LSTM(), RNN, 2, 1),
    "LSTM of one layer": (LSTM(), RNN | {"layers": 1}, 3, 1),
    "GRU": (GRU(), RNN, 2, 1),
    "LSTM both ways": (BidirectionalLSTM(), RNN, 2, 1),
    "GRU both ways": (BidirectionalGRU(), RNN, 2, 1),
    "convolutions": (Convolutions(), CONV, 5, 4),
    "encoder": (TransformerEncoder(), ENCODER, 13, 8),
    "encoder, norm first": (TransformerEncoder(), ENCODER | {"norm_first": True}, 13, 8),
    "encoder, gelu": (TransformerEncoder(), ENCODER | {"activation": "gelu"}, 13, 8),
}


@pytest.mark.on_commit("LSTM", "GRU", "convolutions", "encoder", "encoder, gelu")
@pytest.mark.parametrize("name", PAIRS)
def test_it_is_proven_and_comes_back(name):
    pair, config, outputs, alone = PAIRS[name]
    torch_model, keras_model = carried(pair, config)
    report = proven(pair, config, torch_model, keras_model)
    assert report.passed, report.verdict()
    assert (len(report.rows), len(report.isolated)) == (outputs, alone)
    assert report.same_structure and len(report.structure) == outputs
    left = [note for note in report.notes if "not compared by themselves" in note]
    assert bool(left) == (config == RNN or isinstance(pair, TransformerEncoder))
    worst = max(row.error / row.scale for row in report.structure)
    assert worst < (2e-8 if "gelu" in name else 1e-14)
    lossy = isinstance(pair, LSTM) and not isinstance(pair, GRU)
    assert comes_back(pair, config, torch_model, keras_model) != lossy
    assert any("the sum in bias_ih" in said for said in report.cautions) == lossy
    assert any("keeps in float32" in said for said in report.cautions) == ("gelu" in name)


WRONG_MAPPINGS: dict[str, tuple[Pair, dict[str, Any], tuple[str, str], str]] = {
    # what becomes what, and the module to blame; two texts with a "|" are exchanged
    "gates of LSTM": (
        *(LSTM(), RNN, ("gates in -> in gates", "(g u) in -> in (g u), order: {g: [0, 1, 3, 2]}")),
        LOGITS,
    ),
    "gates of GRU": (GRU(), RNN, ("[1, 0, 2]", "[0, 1, 2]"), LOGITS),
    "biases of a GRU": (GRU(), RNN, ("bias_ih_l{layer}|bias_hh_l{layer}", ""), LOGITS),
    "queries for keys": (
        *(TransformerEncoder(), ENCODER, ("query/kernel|key/kernel", "")),
        "layers.0.self_attn",
    ),
    "biases of queries for keys": (
        *(TransformerEncoder(), ENCODER, ("query/bias|key/bias", "")),
        "layers.0.self_attn",
    ),
    "heads within a head": (
        *(TransformerEncoder(), ENCODER, ("(heads width) in", "(width heads) in")),
        "layers.0.self_attn",
    ),
    "a square kernel not transposed": (
        *(
            TransformerEncoder(),
            ENCODER | {"inner": 16},
            ("axes: out in -> in out", "axes: out in"),
        ),
        "layers.0.linear1",
    ),
    "norms": (  # each is right, and stands in the place of the other
        *(TransformerEncoder(), ENCODER, ("self_attention_layer_norm|feedforward_layer_norm", "")),
        "layers.0",
    ),
    "mean for variance": (Convolutions(), CONV, ("moving_mean|moving_variance", ""), "norm"),
    "gain for bias": (Convolutions(), CONV, ("gamma|beta", ""), "norm"),
}


def changed(text: str, old: str, new: str) -> str:
    first, _, second = old.partition("|")
    assert first in text and second in text
    if not second:
        return text.replace(first, new)
    return text.replace(first, "\0").replace(second, first).replace("\0", second)


@pytest.mark.on_commit("gates of GRU", "queries for keys", "a square kernel not transposed")
@pytest.mark.parametrize("name", WRONG_MAPPINGS)
def test_a_wrong_mapping_is_found_by_what_is_computed(tmp_path, name):
    """The weights are equal through it, as they were carried through it."""
    pair, config, change, module = WRONG_MAPPINGS[name]
    mapping = tmp_path / "wrong.yaml"
    mapping.write_text(changed(mapping_path(pair).read_text(), *change))
    torch_model, keras_model = perturb(pair.torch_model(config)), pair.keras_model(config)
    signbart_port.transfer_weights(torch_model, keras_model, mapping=mapping)
    cases = pair.cases(config, 1)
    with pytest.raises(ProofError) as failed:
        signbart_port.assert_equal(
            torch_model, keras_model, mapping=mapping, cases=cases, pair=pair
        )
    report = failed.value.report
    assert report.weights.passed and report.blame.module == module
    assert report.blame.evidence in (Evidence.ISOLATED, Evidence.CHAINED)
    assert any("WRONG" in note for note in failed.value.__notes__)


def weight(keras_model: Any, end: str) -> Any:
    return next(weight for weight in keras_model.weights if weight.path.endswith(end))


def one_bit(keras_model: Any) -> None:
    kernel = weight(keras_model, "layer_1/feedforward_output_dense/kernel")
    values = kernel.numpy()
    values.reshape(-1).view("u4")[7] ^= 1
    kernel.assign(values)


def no_bias(keras_model: Any) -> None:
    bias = weight(keras_model, "layer_1/feedforward_output_dense/bias")
    bias.assign(np.zeros(bias.shape, np.float32))


def swapped(keras_model: Any) -> None:
    first = weight(keras_model, "layer_1/self_attention_layer/query/kernel")
    other = weight(keras_model, "layer_0/self_attention_layer/query/kernel")
    values = first.numpy()
    first.assign(other.numpy())
    other.assign(values)


FAULTS: dict[str, tuple[Callable[[Any], None], str, Evidence]] = {
    "one bit": (one_bit, "layers.1.linear2", Evidence.WEIGHTS),
    "no bias": (no_bias, "layers.1.linear2", Evidence.ISOLATED),
    "swapped": (swapped, "layers.0.self_attn", Evidence.WEIGHTS),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_weights_is_blamed(name):
    fault, module, evidence = FAULTS[name]
    pair = TransformerEncoder()
    torch_model, keras_model = carried(pair, ENCODER)
    fault(keras_model)
    report = proven(pair, ENCODER, torch_model, keras_model)
    assert not report.passed and not report.weights.passed
    assert (report.blame.module, report.blame.evidence) == (module, evidence)


CODE = {
    "heads": ({"heads": 2}, "layers.0.self_attn"),
    "gelu for relu": ({"activation": "gelu"}, "layers.0"),
    "norm first": ({"norm_first": True}, "layers.0"),
}


@pytest.mark.on_commit("gelu for relu")
@pytest.mark.parametrize("name", CODE)
def test_other_code_with_the_same_weights_is_found(name):
    other, module = CODE[name]
    pair = TransformerEncoder()
    torch_model = perturb(pair.torch_model(ENCODER))
    keras_model = pair.keras_model(ENCODER | other)
    signbart_port.transfer_weights(torch_model, keras_model, mapping=mapping_path(pair))
    report = proven(pair, ENCODER, torch_model, keras_model)
    assert report.weights.passed and not report.passed
    assert report.blame.module.startswith(module), report.verdict()
    if name == "gelu for relu":  # what is shown is of the module after it
        assert report.blame.row.tap == "layers.0.linear2"
        assert "layers.0: the first wrong output of the run; layers.0.linear2 is off by" in (
            report.verdict()
        )


def test_an_epsilon_is_found_in_float64(monkeypatch):
    pair = TransformerEncoder()
    torch_model = perturb(pair.torch_model(ENCODER))
    monkeypatch.setattr("signbart_port.pairs.torch_transformer._EPSILON", 1e-6)
    keras_model = pair.keras_model(ENCODER)
    signbart_port.transfer_weights(torch_model, keras_model, mapping=mapping_path(pair))
    report = proven(pair, ENCODER, torch_model, keras_model)
    assert not report.passed and report.blame.module == "layers.0.norm1"
    assert report.same_structure is False


def test_the_mapping_files_are_short():
    for pair, *_ in PAIRS.values():
        assert len(Path(mapping_path(pair)).read_text().splitlines()) <= 60
