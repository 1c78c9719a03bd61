"""export: from Keras back to PyTorch with every bit, whatever the weights were before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import signbart_port
from pt_reference import SignBart
from signbart_port import Options
from signbart_port import config as configs
from signbart_port.system import digest
from signbart_port.transfer import same_bits
from signbart_port.verbs.export import Container
from tests.support.framework_models import save_model, torch_model, weights_of
from tests.support.running import run_program
from tests.support.small_models import (
    Arrays,
    distinct_state_dict,
    save_pth,
    small_config,
    state_dict,
)

CONFIG = small_config()
SAMPLE = Path(__file__).parents[2] / "samples" / "synthetic-signs.pth"


def loaded(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def assert_same(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert same_bits(state[name].numpy(), tensor.numpy()), name


def to_keras(source: Path, config: str | None = None) -> Path:
    """The .h5 of a checkpoint: whether it is proven is not the matter here."""
    out = source.with_name("keras.h5")
    options = Options(config=config)
    return signbart_port.convert(source, out, options, verify=False, force=True).out


def test_the_sample_comes_back(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(SAMPLE.read_bytes())
    keras = to_keras(tmp_path / "model.pth")
    steps: list[str] = []
    done = signbart_port.export(keras, progress=steps.append)

    assert done.out == tmp_path / "keras.pth"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["keras.h5", "keras.pth", "model.pth"]
    original = loaded(SAMPLE)["model"]
    assert_same(loaded(done.out), original)
    assert list(loaded(done.out)) == list(original)
    assert done.parameters == 183_050 and not done.holds_config
    assert len(steps) >= 4 and not any(".keras-" in step for step in steps)

    report = done.report
    assert report is not None and report.passed and report.agreement == (7, 7)
    assert (report.reference, report.candidate) == ("keras.pth", "keras.h5")
    assert len(report.rows) > 80
    assert report.weights is not None and report.weights.tensors == 96


@pytest.mark.release
def test_the_real_checkpoint_comes_back(shared_data: Path, real_h5: Path, tmp_path: Path) -> None:
    done = signbart_port.export(real_h5, tmp_path / "back.pth", container="training")
    assert done.report is not None and done.report.passed and done.parameters == 742_922
    assert_same(loaded(done.out)["model"], loaded(shared_data / "user08.pth")["model"])


@pytest.mark.parametrize("name", configs.published_names())
@pytest.mark.on_commit("lsa-64")
def test_every_published_config(tmp_path: Path, name: str) -> None:
    config = configs.named(name)
    keras = to_keras(save_pth(tmp_path / "model.pth", state_dict(config)), config=name)
    done = signbart_port.export(keras, tmp_path / "back.pth", verify=False)
    assert done.report is None and done.config == config
    assert_same(loaded(done.out), loaded(tmp_path / "model.pth"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.release
def test_the_config_of_the_proof_is_the_models_own(tmp_path: Path, suffix: str) -> None:
    """A published config has these shapes and other heads; a rate that JSON abbreviates."""
    config = configs.named("lsa-64").replace(
        encoder_attention_heads=2, decoder_attention_heads=4, dropout=1e-7, training={"lr": 1e-9}
    )
    keras = to_keras(save_model(tmp_path, config))
    done = signbart_port.export(keras, tmp_path / f"back{suffix}")
    assert done.report is not None and done.report.passed and done.config == config


def odd_values() -> Arrays:
    """No two alike, and some that a careless copy would change: negative zero, denormals."""
    arrays = distinct_state_dict(CONFIG)
    name = "encoder.layers.1.fc2.weight"
    arrays[name] = arrays[name].copy()
    arrays[name][1, :5] = [-0.0, 1e-45, -1e-40, 1.1754942e-38, -1.1754944e-38]
    return arrays


CHECKPOINTS = [
    ("bare.pth", "state-dict"),
    ("training.pth", Container.TRAINING),
    ("back.safetensors", "state-dict"),
]


@pytest.fixture(scope="module", params=CHECKPOINTS, ids=["bare", "training", "safetensors"])
def back(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Odd values, there and back, in every container; beside them their .h5 and its config."""
    folder = tmp_path_factory.mktemp("back")
    name, container = request.param
    keras = to_keras(save_model(folder, CONFIG.replace(training={"lr": 2e-4}), odd_values()))
    done = signbart_port.export(keras, folder / name, container=container)
    assert done.report is not None and done.report.passed
    assert done.holds_config is (name != "bare.pth")
    yield done.out


@pytest.mark.on_commit("training")
def test_every_bit_in_every_container(back: Path) -> None:
    """As PyTorch reads it in a process that has never heard of this program."""
    printed = run_program("read_as_pytorch_does", back, back.with_suffix(".bin"))
    beside, modules = json.loads(printed)
    assert modules == []
    expected = {name: torch.from_numpy(array) for name, array in odd_values().items()}
    assert_same(loaded(back.with_suffix(".bin")), expected)
    if back.name == "bare.pth":
        assert beside == {}
        return
    assert configs.parse(beside["config"], "it") == CONFIG.replace(training={"lr": 2e-4})
    assert beside["exported_from"] == {
        "name": "keras.h5",
        "sha256": digest.of_file(back.with_name("keras.h5")),
        "signbart-port": signbart_port.__version__,
    }


@pytest.mark.release
def test_it_converts_again(back: Path, tmp_path: Path) -> None:
    """Without a word on the config, unless it is a bare state dict."""
    bare = back.name == "bare.pth"
    options = Options(config=str(back.with_name("model.yaml"))) if bare else Options()
    done = signbart_port.convert(back, tmp_path / "again.h5", options)
    assert done.report is not None and done.report.passed
    assert bare or done.source.resolved.origin == "stored in the checkpoint"
    again = weights_of(done.out)
    for name, array in odd_values().items():
        assert same_bits(np.ascontiguousarray(again[name]), array), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.release
def test_other_precisions_come_back_as_the_float32_they_were_read_as(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    finer = 1 + 2**-40 if dtype is torch.float64 else 1  # digits that float32 cannot keep
    state = {
        name: (torch.from_numpy(array).double() * finer).to(dtype)
        for name, array in state_dict(CONFIG).items()
    }
    torch.save({"model": state, "config": CONFIG.model_dump()}, tmp_path / "model.pth")
    done = signbart_port.export(to_keras(tmp_path / "model.pth"), verify=False)
    assert_same(loaded(done.out), {name: tensor.float() for name, tensor in state.items()})


def fine_tune(source: Path, out: Path) -> None:
    import keras

    from signbart_port.pairs.signbart_cases import make_for

    keras.utils.set_random_seed(1)
    model = keras.models.load_model(source)
    inputs = make_for(model.config)
    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(True))
    both = {"keypoints": inputs.keypoints, "attention_mask": inputs.attention_mask}
    model.fit(both, np.arange(7) % model.config.num_labels, batch_size=4, epochs=2, verbose=0)
    model.save(out)


@pytest.mark.release
def test_a_model_that_keras_trained_on(tmp_path: Path) -> None:
    config = small_config(encoder_layers=1, decoder_layers=1)
    before = state_dict(config)
    tuned = tmp_path / "tuned.h5"
    fine_tune(to_keras(save_model(tmp_path, config, before)), tuned)
    done = signbart_port.export(tuned, tmp_path / "tuned.pth", container="training")
    assert done.report is not None and done.report.passed
    assert signbart_port.verify(done.out, tuned).passed

    checkpoint = loaded(done.out)
    model = SignBart(checkpoint["config"])
    model.load_state_dict(checkpoint["model"], strict=True)
    weights = weights_of(tuned)
    for name, array in before.items():
        exported = checkpoint["model"][name].numpy()
        assert same_bits(exported, np.ascontiguousarray(weights[name])), name
        assert np.any(exported != array), f"{name} was not trained"
    again = weights_of(to_keras(done.out))
    assert all(np.array_equal(again[name], weights[name]) for name in before)


@pytest.mark.release
def test_the_exported_model_computes_what_keras_does(tmp_path: Path) -> None:
    """By hand, with neither `export`'s proof nor `verify`."""
    from signbart_port.pairs.signbart_cases import make_for

    keras = to_keras(save_model(tmp_path, CONFIG))
    done = signbart_port.export(keras, tmp_path / "back.pth", verify=False)
    arrays = {name: tensor.numpy() for name, tensor in loaded(done.out).items()}
    inputs = make_for(CONFIG)
    with torch.inference_mode():
        _, logits = torch_model(CONFIG, arrays)(
            torch.from_numpy(inputs.keypoints), torch.from_numpy(inputs.attention_mask)
        )
    expected = signbart_port.load(keras)(inputs.keypoints, inputs.attention_mask, training=False)
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-5)
