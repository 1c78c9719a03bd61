"""Training in Keras: `compile` and `fit`, and what happens at the end of an epoch."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.data.batches import Batch, shards_of, unchanged
from signbart_port.data.examples import Examples
from signbart_port.data.prefetch import Prefetcher
from signbart_port.errors import PortError
from signbart_port.keras_model import SignBart
from signbart_port.keras_model.weights import assign
from signbart_port.model_files import h5, mappings
from signbart_port.system.version import __version__
from signbart_port.training import keras_files
from signbart_port.training.files import Files
from signbart_port.training.history import Epoch
from signbart_port.training.initial import Weights
from signbart_port.training.keras_parts import AdamW, CrossEntropy, Learner, prepare
from signbart_port.training.quantization_aware import quantization_aware
from signbart_port.training.run import EVALUATED, Job, Run, Trained, TrainingScores, Watcher
from signbart_port.transfer import Direction

SUFFIX = ".h5"


def fit(job: Job, files: Files, watcher: Watcher, *, resume: bool) -> Trained:
    """Train a SignBART.

    With the environment variable TF_CONFIG, its workers share every batch, and with several GPUs
    these do; the first worker writes. Raises PortError if a checkpoint cannot be resumed, and if
    the training diverges.
    """
    strategy = strategy_of_environment()
    make_deterministic(job.settings.seed)
    if job.quantization_aware and (
        strategy.num_replicas_in_sync > 1 or job.settings.mixed_precision
    ):
        raise PortError(
            None,
            "--quantization-aware simulates int8 on one device, in float32",
            "Leave the other out",
        )
    with strategy.scope():
        model, learner = learner_of(job)
    training = _Training(job, files, watcher, model, learner, strategy)
    if resume:
        training.resume()
    if not training.run.over:
        with _written_by_tensorboard(files.logs) as tensorboard:
            try:
                learner.fit(
                    training.dataset(),
                    steps_per_epoch=training.feed.steps,
                    initial_epoch=len(training.run.history),
                    epochs=job.settings.epochs,
                    callbacks=[training, tensorboard],
                    shuffle=False,
                    verbose=0,
                )
            except (KeyboardInterrupt, SystemExit, PortError) as error:
                # Its frames hold the iterator of the batches: TensorFlow prints a warning if that
                # is still there when the interpreter ends.
                error.__traceback__ = None
                gc.collect()
                raise
            finally:
                training.close()
    return training.run.done(training.test())


@contextmanager
def _written_by_tensorboard(logs: Path) -> Iterator[keras.callbacks.TensorBoard]:
    """Give a callback that keeps TensorBoard's log; raises PortError where it cannot be written."""
    try:
        yield _TensorBoard(str(logs), write_graph=False)
    except tf.errors.OpError as error:
        _, summary, text = error.message.partition("Summary")
        if not summary:
            raise
        first = text.partition("}} ")[2].partition("\n")[0]
        why = first.partition(" [Op:")[0].rpartition("; ")[2]
        raise PortError(logs, f"TensorBoard's log cannot be written: {why}") from None


class _TensorBoard(keras.callbacks.TensorBoard):
    """TensorBoard's log, without a file until there is an epoch to write."""

    def on_train_begin(self, logs: Any = None) -> None:
        pass


class _Training(keras.callbacks.Callback):
    """A callback that sets the learning rate, measures after every epoch, and keeps the models."""

    def __init__(
        self,
        job: Job,
        files: Files,
        watcher: Watcher,
        weights: SignBart,
        learner: keras.Model,
        strategy: tf.distribute.Strategy,
    ) -> None:
        super().__init__()
        self.job, self.strategy = job, strategy
        self.weights, self.learner = weights, learner
        self.process = _process(strategy)
        self.feed = job.feed(strategy.num_replicas_in_sync)
        self.run = Run(job, files, self.feed.steps, watcher, self.process)
        self.plain = SignBart(job.stored_config, dtype="float32")  # what is measured, and written
        self.forward = Forward(self.plain)
        self.simulated = Forward(learner) if job.quantization_aware else None
        self.batches: Prefetcher[Batch] | None = None
        self.epoch, self.started, self.waited, self.rate = 0, 0.0, 0.0, 0.0

    def close(self) -> None:
        """End the thread that makes batches: TensorFlow keeps their iterator for a while."""
        if self.batches is not None:
            self.batches.close()

    def resume(self) -> None:
        """Restore model, optimizer and log from the last checkpoint."""
        file = h5.read(self.run.files.last)
        state, variables = keras_files.read_state(file.path)
        self.run.restore(state)
        assign(self.weights, file.tensors.items())
        for variable, values in zip(self.kept, variables, strict=True):
            variable.assign(values)

    @property
    def kept(self) -> list[keras.Variable]:
        """The state that resuming needs besides the weights: the optimizer's variables, and the
        ranges of a simulation."""
        own = [self.learner.ranges] if self.job.quantization_aware else []
        return [*self.learner.optimizer.variables, *own]

    def dataset(self) -> Any:
        """Return the batches of one epoch after the other, without an end, for this process.

        With an end, `fit` would count the batches of a process and not the steps of its devices,
        and a step that finds no batch would decay the weights before it fails.
        """
        keypoints = tf.TensorSpec((None, None, self.job.train.prepared[0].shape[1], 2))
        inputs = {"keypoints": keypoints, "attention_mask": tf.TensorSpec((None, None))}
        signature = (inputs, tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None,)))
        made = tf.data.Dataset.from_generator(self._made, output_signature=signature)
        made = made.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        if self.strategy.num_replicas_in_sync == 1:
            return made
        return self.strategy.distribute_datasets_from_function(lambda context: made)

    def _made(self) -> Iterator[tuple[dict[str, Any], Any, Any]]:
        with Prefetcher(self._parts()) as self.batches:
            for batch in self.batches:
                inputs = {"keypoints": batch.keypoints, "attention_mask": batch.attention_mask}
                yield inputs, batch.labels, batch.weights

    def _parts(self) -> Iterator[Batch]:
        devices = self.strategy.num_replicas_in_sync // _processes(self.strategy)
        shards = shards_of(self.process, devices)
        for epoch in itertools.count(len(self.run.history) + 1):
            for parts in zip(*(self.feed.batches(epoch, shard) for shard in shards), strict=True):
                yield from parts

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch + 1
        self.run.watcher.begins(self.epoch, self.feed.steps)
        seed_dropouts(self.learner, self.feed.seed, self.epoch, self.process)
        self.waited = self.batches.waited if self.batches else 0.0
        self.started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        rate = self.run.learning_rate(self.epoch, batch)
        if rate != self.rate:
            self.learner.optimizer.learning_rate.assign(rate)
            self.rate = rate

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.run.watcher.step(float(np.mean(logs["loss"])))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.started
        assert self.batches
        found = self.run.measured(self.logits(self.job.validation), self.job.validation)
        done = Epoch(
            epoch=self.epoch,
            loss=logs.pop("loss_of_clips"),
            accuracy=logs["accuracy"],
            val_loss=found.loss,
            val_accuracy=found.top1,
            val_top5=found.top5,
            learning_rate=self.rate,
            seconds=seconds,
            waiting=(self.batches.waited - self.waited) / seconds,
        )
        logs |= done.measures()  # for TensorBoard
        self.run.end(done, self.save)
        self.learner.stop_training = self.run.over

    def logits(self, examples: Examples) -> NDArray[np.floating]:
        """Return the logits of all clips, (N, labels), by the current model: in float32 or, if int8
        is simulated, in that."""
        assign(self.plain, ((weight.path, weight.numpy()) for weight in self.weights.weights))
        return (self.simulated or self.forward).logits(examples)

    def test(self) -> TrainingScores | None:
        """Score the best model, in float32."""
        if self.job.test is None or not self.run.history:
            return None
        _meet(self.strategy)  # the first worker may still be writing
        assign(self.plain, h5.read(self.run.files.best).tensors.items())
        return self.run.measured(self.forward.logits(self.job.test), self.job.test)

    def save(self, path: Path, whole: bool) -> None:
        """Write the model that was measured; with `whole`, also everything that resuming needs."""
        trained = {"signbart-port": __version__, "epoch": len(self.run.history)}
        state = None
        if whole:
            values = [variable.numpy() for variable in self.kept]
            state = keras_files.State(self.run.state(), values)
        keras_files.save(path, self.plain, {"trained": trained}, state)


def learner_of(job: Job) -> tuple[SignBart, keras.Model]:
    """Return a model with the first weights, and what is compiled to train it: the model itself, or
    a simulation of its int8 file."""
    settings = job.settings
    model = Learner(job.config, dtype="mixed_bfloat16" if settings.mixed_precision else None)
    load(model, job.weights)
    learner = quantization_aware(model) if job.quantization_aware else model
    loss = CrossEntropy(settings.label_smoothing)
    learner.compile(
        AdamW(
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            global_clipnorm=settings.gradient_clip,
        ),
        loss,
        weighted_metrics=[
            keras.metrics.SparseCategoricalAccuracy("accuracy"),
            keras.metrics.MeanMetricWrapper(loss.call, "loss_of_clips"),
        ],
        jit_compile=False,  # XLA would compile for every length, and is slower on CPUs
    )
    prepare(learner, job.config)
    return model, learner


def load(model: SignBart, weights: Weights) -> None:
    """Set every weight, by its name in PyTorch."""
    assign(
        model, transfer.apply(mappings.plan_for(model.config), Direction.TORCH_TO_KERAS, weights)
    )


class Forward:
    """Inference with a model in its current state, traced once."""

    def __init__(self, model: Any) -> None:
        joints = None if model.config.layout == "full" else len(model.config.joint_idx)
        signature = [tf.TensorSpec((None, None, joints, 2)), tf.TensorSpec((None, None))]
        self._run = tf.function(
            lambda keypoints, mask: model(keypoints, mask, training=False),
            input_signature=signature,
        )

    def logits(self, examples: Examples) -> NDArray[np.floating]:
        """Return the logits of all clips, (N, labels)."""
        batches = unchanged(examples, EVALUATED)
        return np.concatenate([self._run(b.keypoints, b.attention_mask).numpy() for b in batches])


def seed_dropouts(model: keras.Model, seed: int, epoch: int, process: int = 0) -> None:
    """Reseed every dropout's generator: an epoch depends on none before it."""
    states = [variable for variable in model.variables if "seed_generator" in variable.path]
    seeds = np.random.SeedSequence([seed, epoch, process]).generate_state(2 * len(states))
    for state, values in zip(states, seeds.reshape(-1, 2), strict=True):
        state.assign(values)


def make_deterministic(seed: int) -> None:
    """Make the same seed give the same model, on the same machine with the same number of
    threads."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def leads() -> bool:
    """Return whether this process writes and prints: the first worker of TF_CONFIG."""
    return tf.distribute.cluster_resolver.TFConfigClusterResolver().task_id in (None, 0)


@cache  # TensorFlow joins its workers once
def strategy_of_environment() -> tf.distribute.Strategy:
    """Return the workers of TF_CONFIG, this machine's GPUs if there are several, or one device."""
    if tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec():
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _meet(strategy: tf.distribute.Strategy) -> None:
    """Wait for the other workers."""
    total = tf.distribute.ReduceOp.SUM
    if _processes(strategy) > 1:
        wait = tf.function(lambda: tf.distribute.get_replica_context().all_reduce(total, 1.0))
        strategy.run(wait)


def _processes(strategy: tf.distribute.Strategy) -> int:
    resolver = strategy.cluster_resolver
    return len(resolver.cluster_spec().as_dict()["worker"]) if resolver else 1


def _process(strategy: tf.distribute.Strategy) -> int:
    resolver = strategy.cluster_resolver
    return resolver.task_id if resolver else 0
