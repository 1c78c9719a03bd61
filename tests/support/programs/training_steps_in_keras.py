"""Save the first gradients and the last weights of the steps in Keras: CONFIG SIGNS OUT CASE..."""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from signbart_port.training import keras_fit
from tests.support.training_steps import batches_of, rate_of, the_job

config, signs, out = map(Path, sys.argv[1:4])
found = {}
for case in sys.argv[4:]:
    name, optimizer = case.split("/")
    keras_fit.AdamW = {"ours": keras_fit.AdamW, "keras": keras.optimizers.AdamW}[optimizer]
    job = the_job(config, signs, name)
    model, learner = keras_fit.learner_of(job)
    for step, batch in enumerate(batches_of(job)):
        inputs = {"keypoints": batch.keypoints, "attention_mask": batch.attention_mask}
        labels, weights = tf.constant(batch.labels), tf.constant(batch.weights)
        if step == 0:
            with tf.GradientTape() as tape:
                logits = learner(inputs, training=True)
                loss = learner.compute_loss(inputs, labels, logits, weights)
            gradients = tape.gradient(loss, learner.trainable_variables)
            found[f"{case}/loss"] = loss.numpy()
            for variable, gradient in zip(learner.trainable_variables, gradients, strict=True):
                found[f"{case}/gradient/{variable.path}"] = tf.convert_to_tensor(gradient).numpy()
        learner.optimizer.learning_rate.assign(rate_of(job, step))
        learner.train_step((inputs, labels, weights))
    found |= {f"{case}/weight/{weight.path}": weight.numpy() for weight in model.weights}
np.savez(out, **found)
