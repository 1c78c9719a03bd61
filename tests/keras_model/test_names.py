"""The Keras SignBART has the PyTorch one's modules and weights, by name and in order."""

from __future__ import annotations

import pytest
from torch import nn

from signbart_port.config import SignBartConfig
from signbart_port.config import named as published
from signbart_port.parity import keras_run
from tests.support.framework_models import keras_model, torch_model
from tests.support.small_models import plan_of, small_config, state_dict

NOT_IN_TORCH = {"keypoints", "attention_mask", "decoder.last_frame"}


@pytest.mark.parametrize("config", [small_config(), published("lsa-64")], ids=["small", "lsa-64"])
def test_modules_and_weights(config: SignBartConfig) -> None:
    arrays = state_dict(config)
    torch, keras = torch_model(config, arrays), keras_model(config, arrays)

    modules = [n for n, m in torch.named_modules() if n and not isinstance(m, nn.ModuleList)]
    layers = [name for name, _ in keras_run.modules(keras) if name not in NOT_IN_TORCH]
    assert layers == modules

    keras_name = {t.torch: t.keras for t in plan_of(config).transfers}
    paths = [keras_name[name] for name in torch.state_dict()]
    assert [weight.path for weight in keras.weights] == paths
    assert [weight.path for weight in keras.trainable_weights] == paths
