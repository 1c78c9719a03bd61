"""Weights as trainers keep them: found by what completes the plan, and never in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from signbart_port.errors import PortError
from signbart_port.model_files import mappings, wanted
from tests.support.small_models import small_config, state_dict
from tests.support.two_readers import read_twice

CONFIG = small_config()
State = dict[str, torch.Tensor]


def state(seed: int = 0) -> State:
    return {name: torch.from_numpy(array) for name, array in state_dict(CONFIG, seed).items()}


def prefixed(prefix: str, weights: State) -> State:
    return {prefix + name: tensor for name, tensor in weights.items()}


def renamed(weights: State, old: str, new: str) -> State:
    return {name.replace(old, new): tensor for name, tensor in weights.items()}


MODEL, EMA = state(1), state(2)
METRICS = {
    "train_acc.tp": torch.zeros(5, dtype=torch.int64),
    "val_metrics.MulticlassF1Score.fn": torch.zeros(5, dtype=torch.int64),
    "criterion.weight": torch.ones(5),
}
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"params": [0]}]}


def is_state(found: Any, weights: State) -> bool:
    return found.tensors.keys() == weights.keys() and all(
        np.array_equal(found.tensors[name], tensor.numpy()) for name, tensor in weights.items()
    )


# What a trainer saves: what is said of it.
CONTAINERS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "net": ({"net": MODEL, "acc": 0.9, "epoch": 3}, ("weights under net, epoch 3",)),
    "module": ({"module": prefixed("module.", MODEL)}, ("weights under module", "module.")),
    "weights": ({"weights": MODEL, "optimizer": OPTIMIZER}, ("weights under weights",)),
    "params": ({"params": MODEL}, ("weights under params",)),
    "model_state": ({"model_state": MODEL}, ("weights under model_state",)),
    "nested": ({"run": {"best": {"net": MODEL}}}, ("weights under run / best / net",)),
    "in_a_list": ([MODEL, OPTIMIZER], ("weights under 0",)),
    "in_a_tuple": ({"states": (OPTIMIZER, MODEL)}, ("weights under states / 1",)),
    "lightning": (
        {
            "state_dict": prefixed("model.", MODEL) | METRICS,
            "callbacks": {"ModelCheckpoint": {"best": torch.tensor(0.5)}},
        },
        ("prefixes stripped: model.", "left out: train_acc.tp", "criterion.weight", "metric"),
    ),
    "lightning_at_the_top": (MODEL | METRICS, ("left out: train_acc.tp",)),
    "prefix": (prefixed("backbone.", MODEL), ("prefixes stripped: backbone.",)),
    "prefix_of_two": (prefixed("a.net.", MODEL), ("prefixes stripped: a.net.",)),
    "compiled_inside": (renamed(MODEL, "layers.0.", "layers.0._orig_mod."), ("_orig_mod",)),
    "fsdp": (
        renamed(MODEL, "encoder.layers.", "_fsdp_wrapped_module.encoder.layers."),
        ("_fsdp_wrapped_module",),
    ),
    "checkpointed": (
        renamed(MODEL, ".fc1.", "._checkpoint_wrapped_module.fc1."),
        ("_checkpoint_wrapped_module",),
    ),
    "wrapped_and_prefixed": (
        prefixed("model._orig_mod.", renamed(MODEL, ".fc2.", ".module.fc2.")),
        ("prefixes stripped: model.", "_orig_mod", "module"),
    ),
    "swa": (
        {"n_averaged": torch.tensor(7)} | prefixed("module.", MODEL),
        ("left out: n_averaged (a counter of torch.optim.swa_utils.AveragedModel)",),
    ),
    "number_in_the_state_dict": (MODEL | {"step": 3}, ("left out: step (an int, not a tensor)",)),
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.on_commit("net", "lightning", "in_a_tuple", "wrapped_and_prefixed", "fsdp")
def test_the_one_dict_that_completes_the_plan_is_taken_and_said(tmp_path: Path, name: str) -> None:
    content, words = CONTAINERS[name]
    torch.save(content, tmp_path / "model.pth")
    found, itself = read_twice(tmp_path / "model.pth")
    assert is_state(found, MODEL) and itself and found.complete
    said = "; ".join(found.notes)
    assert all(word in said for word in words), said
    assert found.cautions == ()


def test_a_prefix_in_safetensors(tmp_path: Path) -> None:
    save_file(prefixed("net.", MODEL), tmp_path / "model.safetensors")
    found, _ = read_twice(tmp_path / "model.safetensors")
    assert is_state(found, MODEL) and found.prefixes == ("net.",)


# With averaged weights beside the model's: where they lie.
AVERAGED: dict[str, tuple[dict[str, Any], str]] = {
    "ema": ({"model": MODEL, "ema": EMA}, '"ema"'),
    "timm": ({"state_dict": MODEL, "state_dict_ema": EMA}, '"state_dict_ema"'),
    "model_ema": ({"model": MODEL, "model_ema": {"module": EMA, "updates": 3}}, "model_ema"),
    "swa": ({"net": MODEL, "swa_state": prefixed("module.", EMA)}, "swa_state"),
    "camel": ({"model": MODEL, "modelEMA": EMA}, "modelEMA"),
    "in_one_dict": ({"state_dict": MODEL | prefixed("ema_model.module.", EMA)}, "ema_model"),
    "online": (prefixed("online_model.", MODEL) | prefixed("ema_model.", EMA), "ema_model"),
}


@pytest.mark.parametrize("name", AVERAGED)
@pytest.mark.on_commit("ema", "swa")
def test_averaged_weights_are_named_and_taken_when_asked_for(tmp_path: Path, name: str) -> None:
    content, where = AVERAGED[name]
    path = tmp_path / "model.pth"
    torch.save(content, path)
    found, _ = read_twice(path)
    assert is_state(found, MODEL)
    (caution,) = found.cautions
    assert "averaged weights (EMA)" in caution and where in caution
    assert "--weights ema takes them" in caution
    taken, _ = read_twice(path, "ema")
    assert is_state(taken, EMA)
    assert any("as asked" in note for note in taken.notes)


def test_averaged_weights_alone_are_used_and_it_is_said(tmp_path: Path) -> None:
    torch.save({"ema_state_dict": EMA, "epoch": 3}, tmp_path / "model.pth")
    found, _ = read_twice(tmp_path / "model.pth")
    assert is_state(found, EMA)
    assert "averaged ones (EMA)" in found.cautions[0] and "no others" in found.cautions[0]


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ({"ema": {"shadow_params": list(EMA.values())}}, '"ema" (96 tensors)'),
        ({"model_ema": prefixed("x", EMA)}, '"model_ema" (96 tensors)'),
    ],
)
def test_averaged_weights_in_another_form_are_named(
    tmp_path: Path, beside: dict[str, Any], words: str
) -> None:
    count = len(EMA)
    torch.save({"model": MODEL, **beside}, tmp_path / "model.pth")
    found, _ = read_twice(tmp_path / "model.pth")
    assert is_state(found, MODEL)
    assert words.replace("96", str(count)) in found.cautions[0]


def test_averages_of_gradients_and_losses_are_no_weights(tmp_path: Path) -> None:
    slots = {"optimizer": {"exp_avg": EMA}, "avg_loss": torch.tensor(0.5), "grad_ema": EMA}
    torch.save({"model": MODEL, **slots}, tmp_path / "model.pth")
    found, _ = read_twice(tmp_path / "model.pth")
    assert is_state(found, MODEL) and found.cautions == ()


def refused(path: Path, weights: str | None = None) -> str:
    with pytest.raises(PortError) as caught:
        wanted.read(path, mappings.signbart(), weights)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"model": MODEL, "best_model": EMA},
        {"state_dict": MODEL, "weights": EMA},
        prefixed("student.", MODEL) | prefixed("teacher.", EMA),
        {"ema": MODEL, "swa": EMA},
    ],
)
@pytest.mark.on_commit("content0", "content1")
def test_two_that_fit_are_refused_and_named(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pth")
    assert "more than one candidate for the weights" in refused(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("content", "key", "right"),
    [
        ({"model": MODEL, "best_model": EMA}, "best_model", EMA),
        ({"model": MODEL, "best_model": EMA}, "model", MODEL),
        (prefixed("student.", MODEL) | prefixed("teacher.", EMA), "teacher", EMA),
        ({"runs": {"a": MODEL, "b": EMA}}, "runs / b", EMA),
        ({"runs": {"a": MODEL, "b": EMA}}, "runs.a", MODEL),
    ],
)
@pytest.mark.on_commit("content0-best_model-right0", "content1-model-right1")
def test_a_key_takes_the_weights_that_are_meant(
    tmp_path: Path, content: Any, key: str, right: State
) -> None:
    torch.save(content, tmp_path / "model.pth")
    found, _ = read_twice(tmp_path / "model.pth", key)
    assert is_state(found, right)
    assert any("other weights" in note for note in found.notes)


def test_a_key_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    torch.save({"model": MODEL}, tmp_path / "model.pth")
    message = refused(tmp_path / "model.pth", "ema")
    assert 'no weights under "ema"' in message and 'under "model"' in message


def test_averaged_weights_do_not_stand_in_for_incomplete_ones(tmp_path: Path) -> None:
    broken = dict(list(MODEL.items())[1:])
    torch.save({"model": broken, "ema": EMA}, tmp_path / "model.pth")
    found = wanted.read(tmp_path / "model.pth", mappings.signbart())
    assert not found.complete and len(found.tensors) == len(broken)
    assert any('"ema"' in caution for caution in found.cautions)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: dict(list(weights.items())[1:]),
        lambda weights: weights | {"adapter.proj.weight": torch.ones(3)},
        lambda weights: weights | {"encoder.loss_gate.weight": torch.ones(3)},
    ],
    ids=["one missing", "one more", "a loss inside"],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_what_is_not_complete_keeps_everything_that_is_wrong(
    tmp_path: Path, prefix: str, change: Callable[[State], State]
) -> None:
    changed = change(MODEL)
    torch.save({"net": prefixed(prefix, changed)}, tmp_path / "model.pth")
    if prefix and (more := changed.keys() - MODEL.keys()):
        said = refused(tmp_path / "model.pth")
        assert f'under "net / model", and beside them "model.{more.pop()}", which nothing' in said
        assert said.endswith('--weights "net / model"')
        return
    found = wanted.read(tmp_path / "model.pth", mappings.signbart())
    assert not found.complete
    assert found.tensors.keys() == prefixed(prefix, changed).keys()
    said = any('the prefix "model." is not stripped' in note for note in found.notes)
    assert said == bool(prefix)


def test_a_tensor_outside_the_common_prefix_is_not_dropped(tmp_path: Path) -> None:
    content = prefixed("model.", MODEL) | {"adapter.weight": torch.ones(3)}
    torch.save(content, tmp_path / "model.pth")
    assert refused(tmp_path / "model.pth").endswith(
        'holds all weights under "model", and beside them "adapter.weight", which nothing explains.'
        " If the model does not need more: --weights model"
    )
    asked, _ = read_twice(tmp_path / "model.pth", "model")
    assert is_state(asked, MODEL)
    assert any("left out: adapter.weight" in note for note in asked.notes)


def test_the_counters_of_ema_pytorch(tmp_path: Path) -> None:
    """Its module keeps the model and its average beside two numbers."""
    content = prefixed("online_model.", MODEL) | prefixed("ema_model.", EMA)
    content |= {"initted": torch.tensor(True), "step": torch.tensor(7)}
    torch.save(content, tmp_path / "model.pth")
    found, _ = read_twice(tmp_path / "model.pth")
    assert is_state(found, MODEL) and "--weights ema" in found.cautions[0]


def test_pruned_weights_are_multiplied_with_their_masks(tmp_path: Path) -> None:
    name = "encoder.layers.0.fc1.weight"
    mask = (torch.arange(MODEL[name].numel()) % 3 > 0).reshape(MODEL[name].shape).float()
    content = {k: v for k, v in MODEL.items() if k != name}
    content |= {f"{name}_orig": MODEL[name], f"{name}_mask": mask}
    torch.save({"model": content}, tmp_path / "model.pth")
    found, itself = read_twice(tmp_path / "model.pth")
    assert itself and is_state(found, MODEL | {name: MODEL[name] * mask})
    assert any("weight_orig * weight_mask" in note for note in found.notes)
    content[f"{name}_mask"] = mask / 2
    torch.save({"model": content}, tmp_path / "model.pth")
    assert "mask with values other than 0 and 1" in refused(tmp_path / "model.pth")


def test_names_of_no_known_model_are_left_to_the_mapping(tmp_path: Path) -> None:
    torch.save({"net": {"a.weight": torch.ones(3)}}, tmp_path / "model.pth")
    message = refused(tmp_path / "model.pth")
    assert '1 tensors lie under "net"' in message and '--weights "net"' in message
    found = wanted.read(tmp_path / "model.pth", mappings.signbart(), "net")
    assert list(found.tensors) == ["a.weight"]


def test_averages_without_names_are_not_taken(tmp_path: Path) -> None:
    """A list of the parameters, as torch_ema saves it: their order is a guess."""
    shadow = {"decay": 0.999, "shadow_params": list(EMA.values())}
    torch.save({"model": MODEL, "ema": shadow}, tmp_path / "model.pth")
    with pytest.raises(PortError) as refused:
        read_twice(tmp_path / "model.pth", "ema")
    assert refused.value.what == (
        'has no named weights under "ema": it may hold averaged weights (EMA) under "ema"'
        f" ({len(EMA)} tensors), not used"
    )
    assert refused.value.hint.startswith("Before saving, copy the averages into the model")


def test_weights_are_not_chosen_in_a_state_dict_by_itself(tmp_path: Path) -> None:
    torch.save(MODEL, tmp_path / "model.pth")
    with pytest.raises(PortError, match=r'no weights under "net"\. It is one state dict: leave it'):
        read_twice(tmp_path / "model.pth", "net")


def test_arrays_of_numpy_are_named_for_what_they_are(tmp_path: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in MODEL.items()}
    torch.save({"model": arrays}, tmp_path / "model.pth")
    with pytest.raises(PortError, match="is a NumPy array, a Python object, not a weight"):
        read_twice(tmp_path / "model.pth")
