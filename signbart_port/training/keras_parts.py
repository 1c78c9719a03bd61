"""AdamW and the loss as PyTorch has them, and a model that `fit` trains on many machines."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from signbart_port.config import SignBartConfig
from signbart_port.keras_model import SignBart
from signbart_port.keras_model.layers import Tensor

EPSILON = 1e-8  # PyTorch's default; Keras' is 1e-7


@keras.saving.register_keras_serializable("signbart_port")
class AdamW(keras.optimizers.AdamW):
    """PyTorch's AdamW: `epsilon` is added to √v̂, the square root with its bias corrected.

    Keras adds it to √v, and corrects the bias of the quotient: by √(1 - β₂ᵗ), which is moved into
    epsilon here (Kingma & Ba 2015, section 2, has both forms).
    """

    epsilon: Any

    def __init__(self, learning_rate: Any = 1e-3, epsilon: float = EPSILON, **kwargs: Any) -> None:
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Tensor) -> None:
        step = ops.cast(self.iterations + 1, variable.dtype)
        beta_2 = ops.cast(self.beta_2, variable.dtype)
        plain, self.epsilon = self.epsilon, self.epsilon * ops.sqrt(1 - ops.power(beta_2, step))
        try:
            super().update_step(gradient, variable, learning_rate)
        finally:
            self.epsilon = plain

    def _clip_gradients(self, grads: list[Tensor]) -> list[Tensor]:
        """Clip by the norm over all devices: Keras takes the norm of each device's part of the
        batch."""
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1 or self.global_clipnorm is None:
            clipped: list[Tensor] = super()._clip_gradients(grads)
            return clipped
        whole = context.all_reduce(tf.distribute.ReduceOp.SUM, grads)
        clipped = super()._clip_gradients(whole)
        return [gradient / context.num_replicas_in_sync for gradient in clipped]  # summed again


@keras.saving.register_keras_serializable("signbart_port")
class CrossEntropy(keras.losses.Loss):
    """PyTorch's cross_entropy of logits (B, labels) and class ids (B,), in float32.

    With `label_smoothing` ε, the target is 1 - ε for the class and ε spread evenly over all.
    """

    def __init__(self, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        logs = ops.log_softmax(ops.cast(y_pred, "float32"))
        wanted = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), ops.shape(logs)[-1])
        of_class = ops.sum(logs * wanted, axis=-1)
        smoothing = self.label_smoothing
        return -(1 - smoothing) * of_class - smoothing * ops.mean(logs, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"label_smoothing": self.label_smoothing}


class Learner(SignBart):
    """A SignBART whose `fit` also runs on several machines.

    Keras' own fails there in two places: it rebuilds what is built already from the mean of a batch
    that is a dict, and it takes the mean over the machines of figures that have no dimension.
    """

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        pass  # see `prepare`

    def train_step(self, data: Any) -> dict[str, Tensor]:
        figures = super().train_step(data)
        if isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return {name: figure[None] for name, figure in figures.items()}
        return figures

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Count every clip once: a clip that fills up a part of a batch has a weight of 0."""
        return super().compute_metrics(x, y, y_pred, ops.cast(sample_weight > 0, "float32"))


def prepare(model: keras.Model, config: SignBartConfig) -> None:
    """Create the variables of a compiled model's loss, metrics and optimizer, as its first batch
    would."""
    keypoints = ops.zeros((1, 1, config.keypoints, 2))
    inputs = {"keypoints": keypoints, "attention_mask": ops.ones((1, 1))}
    labels, weights = ops.zeros((1,), "int64"), ops.ones((1,))
    logits = ops.zeros((1, config.num_labels))
    model.compute_loss(inputs, labels, logits, weights)
    model.compute_metrics(inputs, labels, logits, weights)
    model.reset_metrics()
    model.optimizer.build(model.trainable_variables)
