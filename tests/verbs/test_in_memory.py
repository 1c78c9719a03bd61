"""Models and clips that are in memory, given to the public functions."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import signbart_port
from pt_reference import SignBart
from signbart_port import Options, PortError
from signbart_port.model_files.in_memory import NOT_RUN, ModelSource, files_of
from signbart_port.verbs.load import load
from tests.support.datasets import a_clip
from tests.support.framework_models import keras_model, torch_model
from tests.support.small_models import save_pth, small_config, state_dict

pytestmark = pytest.mark.usefixtures("converter_here")

CONFIG = small_config()
WEIGHTS = state_dict(CONFIG)


@pytest.fixture
def module() -> SignBart:
    """A module in the midst of training, a part of it frozen."""
    module: SignBart = torch_model(CONFIG, WEIGHTS).train()
    module.encoder.eval()
    return module


@pytest.fixture
def config(tmp_path: Path) -> Options:
    (path := tmp_path / "config.yaml").write_text(CONFIG.model_dump_json(exclude={"training"}))
    return Options(config=str(path))


def states_of(module: torch.nn.Module) -> list[Any]:
    """Return whatever a run might change in a module."""
    return [
        [part.training for part in module.modules()],
        [len(part._forward_hooks) for part in module.modules()],
        [(value.dtype, value.device, value.requires_grad) for value in module.parameters()],
        [value.detach().clone().numpy().tobytes() for value in module.state_dict().values()],
    ]


@pytest.mark.release
def test_a_comparison_is_saved_as_a_page(module: SignBart, tmp_path: Path) -> None:
    report = signbart_port.verify(module, keras_model(CONFIG, WEIGHTS))
    report.save(tmp_path / "proof.html")
    assert "<h1>Equal</h1>" in (tmp_path / "proof.html").read_text()


def test_two_live_models_run_where_they_are(module: SignBart) -> None:
    keras_side = keras_model(CONFIG, WEIGHTS)
    before, calls = states_of(module), [layer.call for layer in keras_side.layers]
    for report in (
        signbart_port.verify(module, keras_side),
        signbart_port.verify(keras_side, module),
    ):
        assert report.passed and report.isolated and report.weights and report.weights.passed
        assert (report.reference, report.candidate) == ("PyTorch module", "Keras model")
        assert not report.cautions
    assert states_of(module) == before
    assert [layer.call for layer in keras_side.layers] == calls


def test_it_is_the_code_of_a_live_module_that_is_compared() -> None:
    class Fork(SignBart):
        def forward(self, keypoints: Any, attention_mask: Any, labels: Any = None) -> Any:
            loss, logits = super().forward(keypoints, attention_mask, labels)
            return loss, logits * 1.001

    fork = Fork(CONFIG)
    fork.load_state_dict(torch_model(CONFIG, WEIGHTS).state_dict())
    report = signbart_port.verify(fork, keras_model(CONFIG, WEIGHTS))
    assert not report.passed and report.weights and report.weights.passed
    assert "it is SignBART's, and the reference computes something else" in report.verdict()
    # Against a file only its weights can be, and that is said.
    fork_against_weights = signbart_port.verify(fork, torch_model(CONFIG, WEIGHTS))
    assert fork_against_weights.passed and NOT_RUN in fork_against_weights.cautions


@pytest.mark.release
def test_a_wrong_weight_is_found_between_live_models(module: SignBart) -> None:
    with torch.no_grad():
        module.decoder.layers[1].fc1.weight[2, 3] += 0.01
    report = signbart_port.verify(module, keras_model(CONFIG, WEIGHTS))
    assert "decoder.layers.1.fc1" in report.verdict() and "1 of 80 values" in report.verdict()


def test_one_that_cannot_be_run_is_named(module: SignBart) -> None:
    class Broken(SignBart):
        def forward(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("needs a key")

    (broken := Broken(CONFIG)).load_state_dict(module.state_dict())
    with pytest.raises(PortError) as refused:
        signbart_port.verify(broken, keras_model(CONFIG, WEIGHTS))
    says = "PyTorch module: PyTorch cannot run it (RuntimeError: needs a key)"
    assert str(refused.value) == says


SOURCES: dict[str, Callable[[], ModelSource]] = {
    "module": lambda: torch_model(CONFIG, WEIGHTS).train(),
    "half": lambda: torch_model(CONFIG, WEIGHTS).double(),
    "state dict": lambda: torch_model(CONFIG, WEIGHTS).state_dict(),
    "arrays": lambda: WEIGHTS,
    "container": lambda: {"model": torch_model(CONFIG, WEIGHTS).state_dict(), "epoch": 3},
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.on_commit("module")
def test_convert(source: str, tmp_path: Path, config: Options) -> None:
    """With the same proof as of a file, and the same weights in the end."""
    done = signbart_port.convert(SOURCES[source](), tmp_path / "model.h5", config)
    assert done.report is not None and done.report.passed
    assert (NOT_RUN in done.cautions) == (source in ("module", "half"))
    for weight, expected in zip(
        load(done.out).weights, keras_model(CONFIG, WEIGHTS).weights, strict=True
    ):
        assert np.array_equal(weight.numpy(), expected.numpy())
    assert "signbart-" not in repr(done) + str(done.report.notes)  # no temporary folder
    if source == "module":
        assert repr(done).startswith("<Converted PyTorch module to ")


@pytest.mark.release
def test_the_way_to_an_app_and_back(tmp_path: Path, module: SignBart) -> None:
    model = keras_model(CONFIG, WEIGHTS)
    emitted = signbart_port.to_tflite(model, tmp_path / "model.tflite", frames=6)
    assert emitted.reports[0].reference == "Keras model" and not emitted.source_proven
    direct = signbart_port.to_tflite(module, tmp_path / "direct.tflite", frames=6)
    assert direct.source_proven and direct.reports[0].reference == "PyTorch module"
    assert NOT_RUN in direct.cautions
    exported = signbart_port.export(model, tmp_path / "model.pth", container="training")
    assert exported.report is not None and repr(exported).startswith("<Exported Keras model to ")
    assert signbart_port.verify(tmp_path / "model.pth", model).passed
    assert signbart_port.verify(model, tmp_path / "direct.tflite").passed


def test_evaluate_and_predict(tmp_path: Path, module: SignBart) -> None:
    data = tmp_path / "data"
    labels = {f"label {number}": number for number in range(CONFIG.num_labels)}
    for label, number in labels.items():
        (folder := data / "train" / label).mkdir(parents=True)
        np.save(folder / "sample.npy", a_clip(number, 6))
    (data / "label2id.json").write_text(json.dumps(labels))
    models: list[ModelSource] = [module, keras_model(CONFIG, WEIGHTS)]
    found = signbart_port.evaluate(models, data, split="train")
    assert [one.model for one in found.models] == ["PyTorch module", "Keras model"]
    assert found.agreement[0].first == "PyTorch module" and NOT_RUN in found.notes
    clips = [a_clip(0, 6), a_clip(1, 9)]
    several = signbart_port.predict(module, clips)
    assert [str(one.clip.path) for one in several.clips] == ["clip 1", "clip 2"]
    np.save(tmp_path / "clip.npy", clips[0])
    alone = signbart_port.predict(keras_model(CONFIG, WEIGHTS), clips[0])
    stored = signbart_port.predict(
        save_pth(tmp_path / "m.pth", WEIGHTS, config=CONFIG.model_dump()), tmp_path / "clip.npy"
    )
    assert np.allclose(stored.clips[0].scores, several.clips[0].scores, atol=1e-5)
    assert np.allclose(alone.clips[0].scores, stored.clips[0].scores, atol=1e-5)
    stack = signbart_port.predict(module, np.stack([clips[0]] * 3))
    assert len(stack.clips) == 3


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: signbart_port.convert(3, "x.h5"), "int is no model. Give a path, a PyTorch"),
        (lambda: signbart_port.convert(WEIGHTS), "a model in memory has no name. Say where"),
        (lambda: signbart_port.convert({}, "x.h5"), "state dict: "),
        (lambda: signbart_port.convert({"a": object()}, "x.h5"), "state dict: "),
        (
            lambda: signbart_port.convert({"a": lambda: 0}, "x.h5"),
            "state dict: PyTorch cannot save it",
        ),
        (
            lambda: signbart_port.convert(torch.nn.Linear(2, 3), "x.h5"),
            "PyTorch module: holds no tensor of a SignBART",
        ),
        (
            lambda: signbart_port.export(keras.Sequential([keras.layers.Dense(2)]), "x.pth"),
            "Keras model: ",
        ),
        (
            lambda: signbart_port.predict(torch_model(CONFIG, WEIGHTS), [np.zeros((2, 3))]),
            "clip 1: has keypoints of shape 2×3",
        ),
        (
            lambda: signbart_port.verify(
                torch_model(CONFIG, WEIGHTS), keras_model(CONFIG, WEIGHTS), Options(heads=2)
            ),
            "Keras model: is a whole model",
        ),
    ],
)
def test_what_is_refused(
    call: Callable[[], object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PortError) as refused:
        call()
    assert str(refused.value).startswith(says) and "signbart-new" not in str(refused.value)
    assert "signbart-port-" not in str(refused.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.release
def test_no_object_is_held(module: SignBart, tmp_path: Path) -> None:
    signbart_port.convert(module, tmp_path / "model.h5")
    held = sys.getrefcount(module)
    signbart_port.convert(module, tmp_path / "model.h5", force=True)
    gc.collect()
    assert sys.getrefcount(module) == held


def test_only_what_is_written_for_it_is_the_temporary_folders_fault() -> None:
    """An error of what is done with the files says what it is about."""
    with pytest.raises(FileNotFoundError, match="elsewhere"), files_of(WEIGHTS):
        raise FileNotFoundError("elsewhere")


def test_refusals_say_what_to_do_in_python(module: SignBart, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(PortError, match=r"PyTorch module: is PyTorch's already; .*torch\.save\("):
        signbart_port.export(module, out)
    with pytest.raises(PortError, match=r"state dict: is PyTorch's already"):
        signbart_port.export(WEIGHTS, out)
    clip: Any = 5
    with pytest.raises(PortError, match=r"^int is no clip\. Give a path, an array"):
        signbart_port.predict(module, clip)
    with pytest.raises(PortError, match=r"Keras model: is one of Keras already; .*model\.save\("):
        signbart_port.convert(keras_model(CONFIG, WEIGHTS), out)
    with pytest.raises(
        PortError, match=r"Save its state dict to a file\. .*: signbart_port\.plan\(FILE\)$"
    ):
        signbart_port.convert(torch.nn.Linear(3, 4), tmp_path / "out.h5")
