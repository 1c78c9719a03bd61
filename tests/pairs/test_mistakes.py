"""The NumPy model is SignBART, and each of its mistakes gives other numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from signbart_port.config import SignBartConfig
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.pairs.signbart_diagnosis.mistakes import candidates
from signbart_port.pairs.signbart_diagnosis.numpy_model import NumPySignBart
from signbart_port.parity import torch_recording
from signbart_port.parity.compare import Row
from signbart_port.parity.taps import LOGITS, outputs_of
from signbart_port.parity.tolerances import RUN
from tests.support.framework_models import torch_model
from tests.support.proofs import counting_of, run_torch
from tests.support.small_models import small_config, state_dict

CONFIGS = {
    "small": small_config(),
    "one layer, one head, joints picked": small_config(
        encoder_layers=1, decoder_layers=1, encoder_attention_heads=1, layout="selected"
    ),
    "square": small_config(encoder_ffn_dim=8, decoder_ffn_dim=8, joint_idx=tuple(range(8))),
}


class Recording:
    """PyTorch's float64 run: every call's inputs and outputs, and the logits."""

    def __init__(self, config: SignBartConfig, seed: int = 0) -> None:
        self.config, self.tensors = config, state_dict(config, seed)
        self.inputs = parity_inputs.make_for(config)
        self.calls: list[tuple[str, int, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]] = []
        self.logits = np.empty(0)

        def called(path, number, arguments, output) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            fed = tuple(torch_recording._float32(t).numpy() for t in arguments)
            self.calls.append((path, number, fed, tuple(t.numpy() for t in outputs)))

        def logits(tap, output) -> None:
            self.logits = output

        model = torch_model(config, self.tensors).double()
        run_torch(model, self.inputs, logits, called)


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda name: name)
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording(CONFIGS[request.param])


def test_every_module_is_pytorchs(recording: Recording) -> None:
    model = NumPySignBart(recording.config, recording.tensors)
    frames = recording.inputs.classified
    assert len(recording.calls) > 50
    for path, number, arguments, outputs in recording.calls:
        for got, expected in zip(model.call(path, *arguments), outputs, strict=True):
            if expected.shape[:2] == frames.shape:
                got, expected = got[frames], expected[frames]
            # Scores are rounded to float32 on purpose.
            assert np.abs(got - expected).max() < 2e-6 * np.abs(expected).max() + 1e-9, (
                path,
                number,
            )
    (logits,) = model.call("", recording.inputs.keypoints, recording.inputs.attention_mask)
    assert np.abs(logits - recording.logits).max() < 1e-6


def test_every_mistake_shows(recording: Recording) -> None:
    """Tried on the right numbers none explains them, so a sentence is never said for nothing."""
    config = recording.config
    tried = defaultdict(set)
    for path, number, arguments, outputs in recording.calls:
        if number > 1:
            continue
        for sentence, model in candidates(config, recording.tensors, path):
            with np.errstate(all="ignore"):
                values = model.call(path, *arguments)
            if [v.shape for v in values] != [o.shape for o in outputs]:
                continue
            off = max(np.abs(v - o).max() for v, o in zip(values, outputs, strict=True))
            if not off <= RUN.limit(0.0, max(np.abs(o).max() for o in outputs)):
                tried[sentence].add(path)
    for kind in (
        "epsilon",
        "GELU",
        "positions start",
        "scaled",
        "masked",
        "transposed",
        "classified",
    ):
        assert any(kind in sentence for sentence in tried), kind


def search(recording: Recording) -> Callable[[Row, np.ndarray], str]:
    """The search of the pair, which is told what the module of a row was fed."""
    config, tensors = recording.config, recording.tensors
    find = SIGNBART.causes(config, lambda: tensors, case_of(recording.inputs))
    assert find is not None
    fed = {
        tap: arguments
        for path, number, arguments, outputs in recording.calls
        for tap in outputs_of(path, number, outputs if len(outputs) > 1 else outputs[0])
    }
    return lambda row, output: find(row, output, fed.get(row.tap))


def row(tap: str, limit: float = 1e-5) -> Row:
    return Row(tap, 1.0, 0.0, 1.0, limit, 1, (0,), 0.0, 1.0)


@pytest.mark.parametrize("recording", CONFIGS, indirect=True)
@pytest.mark.release
def test_the_nearest_mistake_is_named(recording: Recording) -> None:
    """Every candidate of a few modules, made and then found again (or one as near)."""
    find, counting = search(recording), counting_of(recording.inputs)
    outputs = {
        tap: o
        for (path, n, _, os) in recording.calls
        for tap, o in outputs_of(path, n, os if len(os) > 1 else os[0]).items()
    }
    inputs = {path: arguments for path, n, arguments, _ in recording.calls if n == 1}
    for path in (
        "encoder.layernorm_embedding",
        "decoder.layers.0.encoder_attn",
        "decoder",
        "encoder.layers.0.activation_fn",
        "last_frame",
        "encoder.layers.0.self_attn.k_proj",
    ):
        for sentence, model in candidates(recording.config, recording.tensors, path):
            with np.errstate(all="ignore"):
                (value,) = model.call(path, *inputs[path])
            if value.shape != outputs[path].shape or not np.isfinite(value).all():
                continue
            if np.abs(counting.select(path, value - outputs[path])).max() <= 1e-5:
                continue  # no mistake here: one head divided by one, a mask that hides nothing
            found = find(row(path), value)
            assert found, (path, sentence)
            again = dict(candidates(recording.config, recording.tensors, path))[found]
            (same,) = again.call(path, *inputs[path])
            off = counting.select(path, same) - counting.select(path, value)
            assert np.abs(off).max() < 1e-9, (path, sentence, found)


@pytest.mark.on_commit("small", "one layer, one head, joints picked")
def test_what_no_mistake_explains_gets_no_cause(recording: Recording) -> None:
    find = search(recording)
    rng = np.random.default_rng(0)
    for path, _, _, outputs in recording.calls:
        if len(outputs) == 1:
            noise = rng.normal(0, 1, outputs[0].shape)
            assert find(row(path), outputs[0] + noise) == "", path
            assert find(row(path), np.full_like(outputs[0], np.nan)) == "", path
    assert find(row(LOGITS), recording.logits + 1) == ""


@pytest.mark.parametrize("recording", CONFIGS, indirect=True)
@pytest.mark.release
def test_a_mistake_everywhere_is_found_from_the_logits_alone(recording: Recording) -> None:
    find = search(recording)
    inputs = (recording.inputs.keypoints, recording.inputs.attention_mask)
    whole = dict(candidates(recording.config, recording.tensors, ""))
    found = 0
    for model in whole.values():
        with np.errstate(all="ignore"):
            (value,) = model.call("", *inputs)
        if np.isfinite(value).all() and np.abs(value - recording.logits).max() > 1e-4:
            found += 1
            (again,) = whole[find(row(LOGITS, 1e-6), value)].call("", *inputs)
            assert np.abs(again - value).max() < 1e-9  # it, or one that no logit tells from it
    assert found > 10
