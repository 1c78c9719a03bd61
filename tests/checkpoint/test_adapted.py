"""Parts of weights, named for what they are, with what turns them back into weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from signbart_port.checkpoint.adapted import explain


def names(*modules: torch.nn.Module) -> list[str]:
    return list(torch.nn.Sequential(*modules).state_dict())


def old_weight_norm() -> list[str]:
    with pytest.warns(FutureWarning):
        return names(weight_norm(torch.nn.Linear(3, 2)))


def pruned() -> list[str]:
    module = torch.nn.Linear(3, 2)
    prune.random_unstructured(module, "weight", 0.5)
    return names(module)


MADE = {
    "weight norm": (old_weight_norm, "weight norm", "remove_weight_norm(model.0)"),
    "parametrized weight norm": (
        lambda: names(parametrizations.weight_norm(torch.nn.Linear(3, 2))),
        "weight norm",
        'remove_parametrizations(model.0, "weight")',
    ),
    "spectral norm": (
        lambda: names(spectral_norm(torch.nn.Linear(3, 2))),
        "spectral norm",
        "remove_spectral_norm(model.0)",
    ),
    "parametrized spectral norm": (
        lambda: names(parametrizations.spectral_norm(torch.nn.Linear(3, 2))),
        "spectral norm",
        'remove_parametrizations(model.0, "weight")',
    ),
    "orthogonal": (
        lambda: names(parametrizations.orthogonal(torch.nn.Linear(3, 2))),
        "parametrized weights",
        'remove_parametrizations(model.0, "weight")',
    ),
    "pruned": (pruned, "pruned weights", 'prune.remove(model.0, "weight")'),
    "fused attention": (
        lambda: names(torch.nn.MultiheadAttention(4, 2)),
        "no mapping can split",
        "chunk(3)",
    ),
    "lora": (
        lambda: ["base_model.model.fc.base_layer.weight", "base_model.model.fc.lora_A.a.weight"],
        "LoRA",
        "merge_and_unload()",
    ),
    "lora by itself": (lambda: ["fc.weight", "fc.lora_A", "fc.lora_B"], "LoRA", "merge_and_unload"),
    "lora without its base": (
        lambda: ["base_model.model.fc.lora_A.weight", "base_model.model.fc.lora_B.weight"],
        "without the weights that they change",
        "with their base model",
    ),
    "quantized": (
        lambda: ["fc.scale", "fc.zero_point", "fc._packed_params._packed_params"],
        "quantized",
        "signbart-port tflite",
    ),
    "prepared for quantization": (
        lambda: ["fc.weight", "fc.weight_fake_quant.scale", "fc.activation_post_process.min_val"],
        "quantized",
        "before it is quantized",
    ),
    "packed by a library": (lambda: ["fc.qweight", "fc.qzeros", "fc.g_idx"], "quantized", "float"),
    "flattened": (lambda: ["_fsdp_wrapped_module._flat_param"], "FSDP", "FULL_STATE_DICT"),
}


@pytest.mark.parametrize("case", MADE)
def test_parts_of_weights_are_named_with_their_remedy(case: str) -> None:
    made, what, remedy = MADE[case]
    found = explain(made())
    assert found is not None
    assert what in found.what and remedy in found.remedy
    assert "mapping" not in found.remedy and f"{found.what}{found.remedy}".isprintable()
    assert found.fused == (case == "fused attention")


def test_weights_are_weights() -> None:
    transformer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    own = [*transformer.state_dict(), "encoder.embed_positions.weight", "loss_fn.weight"]
    assert explain(own) is None
    assert explain(["fc.weight_g", "fc.bias", "fc.weight_orig", "fc.scale"]) is None


def test_several_are_counted() -> None:
    found = explain([f"{n}.{part}" for n in range(3) for part in ("weight_g", "weight_v")])
    assert found is not None and "(0 and 2 more)" in found.what
