"""The whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from signbart_port.config import SignBartConfig
from signbart_port.keras_model.decoder import Decoder
from signbart_port.keras_model.encoder import Encoder
from signbart_port.keras_model.layers import ClassificationHead, LastFrame, Projection, Tensor


@keras.saving.register_keras_serializable("signbart_port")
class SignBart(keras.Model):
    """Isolated signs from skeleton keypoints: a Functional model with logits as its output.

    Inputs `keypoints` (B, T, K, 2), normalized, and `attention_mask` (B, T), 1 for a real frame;
    any B, any T from 1 to `max_position_embeddings`, in the full layout any K that has the joints.
    Called the Keras way, `model({"keypoints": ..., "attention_mask": ...})`, or as in PyTorch,
    `model(keypoints, attention_mask)`. `config` may be a plain dict, as a YAML file gives it.
    """

    def __init__(
        self, config: SignBartConfig | Mapping[str, Any], name: str = "signbart", **kwargs: Any
    ) -> None:
        config = SignBartConfig.of(config)
        policy = keras.dtype_policies.get(kwargs.pop("dtype", None))
        full = config.layout == "full"
        inputs = {
            "keypoints": keras.Input(
                (None, None if full else len(config.joint_idx), 2), name="keypoints"
            ),
            "attention_mask": keras.Input((None,), name="attention_mask"),
        }
        layers = {
            "projection": Projection(config, name="projection", dtype=policy),
            "encoder": Encoder(config, name="encoder", dtype=policy),
            "decoder": Decoder(config, name="decoder", dtype=policy),
            "last_frame": LastFrame(name="last_frame", dtype=policy),
            "classification_head": ClassificationHead(
                config, name="classification_head", dtype=policy
            ),
        }
        logits = _forward(layers.__getitem__, **inputs)
        super().__init__(inputs=inputs, outputs=logits, name=name, **kwargs)
        self.config = config
        """The validated config of the model."""

    def __call__(self, keypoints: Any, attention_mask: Tensor = None, **kwargs: Any) -> Tensor:
        """Call the model; `keypoints` may be the dict of both inputs, as Keras itself passes
        them."""
        inputs = keypoints
        if attention_mask is not None:
            inputs = {"keypoints": keypoints, "attention_mask": attention_mask}
        if isinstance(keypoints, Mapping):
            keypoints = keypoints.get("keypoints")
        shape = getattr(keypoints, "shape", None)
        if shape is not None and getattr(shape, "rank", 4) is not None:
            self.config.check_keypoints(tuple(shape))  # before Keras says it in twenty lines
        return super().__call__(inputs, **kwargs)

    def classify(
        self,
        keypoints: Tensor,
        attention_mask: Tensor,
        mask_bound: float | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Compute the same logits, without the decoder states that nothing reads.

        `mask_bound` is for integer graphs: see `masks`. In training, the attention of the last
        decoder layer drops nothing.
        """
        return _forward(
            self.get_layer,
            keypoints,
            attention_mask,
            last_frame_only=True,
            mask_bound=mask_bound,
            training=training,
        )

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` builds the same model from."""
        return {"config": self.config.model_dump(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SignBart:
        """Build a model from what `get_config` returned; its weights are fresh."""
        return cls(**config)


def _forward(
    layer: Callable[[str], keras.layers.Layer],
    keypoints: Tensor,
    attention_mask: Tensor,
    last_frame_only: bool = False,
    mask_bound: float | None = None,
    training: bool | None = None,
) -> Tensor:
    x, y = layer("projection")(keypoints)
    encoder_states = layer("encoder")(x, attention_mask, mask_bound=mask_bound, training=training)
    states = layer("decoder")(
        y,
        attention_mask,
        encoder_states,
        last_frame_only=last_frame_only,
        mask_bound=mask_bound,
        training=training,
    )
    last = states if last_frame_only else layer("last_frame")(states, attention_mask)
    return layer("classification_head")(last, training=training)
