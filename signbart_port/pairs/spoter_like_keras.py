"""A classifier of signs after the idea of SPOTER, in Keras: see `spoter_like`."""

from __future__ import annotations

from typing import Any

import keras
from keras_hub.layers import PositionEmbedding, TransformerDecoder, TransformerEncoder

_EPSILON = 1e-5  # PyTorch's


@keras.saving.register_keras_serializable("signbart_port")
class ClassQuery(keras.layers.Layer):
    """One learned vector, the same for every clip."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the vector, as wide as what it is asked of."""
        self.vector = self.add_weight((1, shape[-1]), name="vector")

    def call(self, memory: Any) -> Any:
        """Return it for each of a batch: (batch, 1, width)."""
        vector = keras.ops.convert_to_tensor(self.vector)
        return keras.ops.tile(vector[None], (keras.ops.shape(memory)[0], 1, 1))


def pose_classifier(
    width: int, heads: int, inner: int, layers: int, frames: int, labels: int
) -> keras.Model:
    """Build the model: poses (batch, time, width) and a mask (batch, time), as in PyTorch."""
    poses = keras.Input((None, width), name="poses")
    mask = keras.Input((None,), dtype="int32", name="mask")
    options = {"layer_norm_epsilon": _EPSILON, "activation": "relu"}
    norm = {"epsilon": _EPSILON}
    memory = keras.layers.Add()([poses, PositionEmbedding(frames, name="positions")(poses)])
    for number in range(layers):
        layer = TransformerEncoder(inner, heads, name=f"encoder_{number}", **options)
        memory = layer(memory, padding_mask=mask)
    memory = keras.layers.LayerNormalization(name="encoder_norm", **norm)(memory)
    found = ClassQuery(name="query")(memory)
    for number in range(layers):
        layer = TransformerDecoder(inner, heads, name=f"decoder_{number}", **options)
        found = layer(found, memory, encoder_padding_mask=mask, use_causal_mask=False)
    found = keras.layers.LayerNormalization(name="decoder_norm", **norm)(found)
    logits = keras.layers.Dense(labels, name="head")(keras.layers.Reshape((width,))(found))
    return keras.Model({"poses": poses, "mask": mask}, logits)
