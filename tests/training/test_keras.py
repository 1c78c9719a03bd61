"""Training in Keras: it learns, repeats itself, keeps its models, and survives a kill.

Every training here costs seconds, most of them TensorFlow's tracing: there are few, and each of
them shows several things.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import signbart_port
from signbart_port import transfer
from signbart_port.cli import main
from signbart_port.data.batches import unchanged
from signbart_port.errors import PortError
from signbart_port.model_files import h5, mappings
from signbart_port.training import keras_files, keras_fit
from signbart_port.training.files import Files
from signbart_port.training.history import best
from signbart_port.training.initial import drawn
from signbart_port.training.keras_parts import AdamW, CrossEntropy
from signbart_port.training.run import Job, Trained, scores
from signbart_port.transfer import Direction
from tests.support import killed_training
from tests.support.small_trainings import Run, Seen, job_of, left, without_times, write_config


@pytest.fixture(autouse=True, scope="module")
def tensorflow_as_it_was() -> Iterator[None]:
    from tensorflow.python.framework import config

    yield
    config.disable_op_determinism()


def assert_same_bits(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def weights_of(path: Path) -> dict[str, np.ndarray]:
    return dict(h5.read(path).tensors)


@dataclass(frozen=True)
class Learned:
    """A training in this process, and what asks the program for the same one, but for its
    folder."""

    job: Job
    trained: Trained
    seen: Seen
    arguments: tuple[object, ...]
    left_over: set[threading.Thread]

    @property
    def models(self) -> Path:
        return self.trained.files.models


@pytest.fixture(scope="module")
def learned(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    folder = tmp_path_factory.mktemp("keras")
    settings = {"epochs": 12, "save_every": 2, "learning_rate": 0.01, "gradient_clip": 1.0}
    config = write_config(folder / "model.yaml", **settings)
    job = job_of(config, signs, checkpoint_dir=folder / "models")
    files, seen = Files.of(job.settings, keras_fit.SUFFIX), Seen()
    files.open(resume=False, force=False)
    before = set(threading.enumerate())
    trained = keras_fit.fit(job, files, seen, resume=False)
    arguments = ("--config", config, "--data", signs, "--json", "--checkpoint-dir")
    return Learned(job, trained, seen, arguments, set(threading.enumerate()) - before)


def logits_of(path: Path, clips: Any) -> np.ndarray:
    """Of a model.h5, as a user loads it."""
    model = signbart_port.load(path)
    return np.concatenate(
        [np.asarray(model(b.keypoints, b.attention_mask)) for b in unchanged(clips, 10)]
    )


# What a training is


def test_it_learns(learned: Learned) -> None:
    history, job = learned.trained.history, learned.job
    assert history[-1].loss < history[0].loss
    found = scores(logits_of(learned.models / "last.h5", job.train), job.train, job.labels)
    assert found.top1 > 0.6  # by chance it is a third


def test_the_log_is_true(learned: Learned) -> None:
    """Measures of the validation clips are those of the model that was kept, and of the test clips
    those of the best one."""
    job, trained = learned.job, learned.trained
    for number, name in ((12, "last.h5"), (4, "epoch-0004.h5")):
        epoch, clips = trained.history[number - 1], job.validation
        found = scores(logits_of(learned.models / name, clips), clips, job.labels)
        assert found.loss == pytest.approx(epoch.val_loss, rel=1e-5)
        assert (found.top1, found.top5) == (epoch.val_accuracy, epoch.val_top5)
    assert job.test is not None and trained.test is not None
    found = scores(logits_of(learned.models / "best.h5", job.test), job.test, job.labels)
    assert found.loss == pytest.approx(trained.test.loss, rel=1e-5)
    assert found.top1 == trained.test.top1


def test_its_watcher_is_told_and_nothing_goes_on(learned: Learned) -> None:
    seen, history = learned.seen, learned.trained.history
    assert seen.begun == [(number, 5) for number in range(1, 13)]
    assert len(seen.losses) == 60
    assert tuple(epoch for epoch, _ in seen.ended_) == history
    bests = [number for number in range(1, 13) if best(history[:number]).epoch == number]
    assert [epoch.epoch for epoch, is_best in seen.ended_ if is_best] == bests
    own = [t for t in learned.left_over if not isinstance(t, threading._DummyThread)]
    assert not own  # TensorFlow's threads stay


def test_what_it_leaves(learned: Learned) -> None:
    kept = [f"epoch-{number:04}.h5" for number in range(2, 13, 2)]
    logs = ["logs/curves.png", "logs/log.csv"]
    assert left(learned.models) == sorted(["best.h5", "last.h5", *kept, *logs])
    assert len((learned.models / "logs/log.csv").read_text().splitlines()) == 13
    last = h5.read(learned.models / "last.h5")
    assert_same_bits(dict(last.tensors), weights_of(learned.models / "epoch-0012.h5"))
    assert last.config.training == learned.job.settings.plain()
    assert last.config.classifier_dropout == 0.2
    with h5py.File(learned.models / "best.h5") as file:
        assert "training" not in file and "optimizer_weights" not in file


def test_tensorboard_has_the_log(learned: Learned) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(run: str) -> EventAccumulator:
        every = {"tensors": 0}
        return EventAccumulator(str(learned.models / "logs" / run), every).Reload()

    runs = {run: read(run) for run in ("train", "validation")}
    for name in learned.trained.history[0].measures():
        run = runs["validation" if name.startswith("val_") else "train"]
        events = run.Tensors(f"epoch_{name.removeprefix('val_')}")
        values = [float(tf.make_ndarray(event.tensor_proto)) for event in events]
        expected = [getattr(epoch, name) for epoch in learned.trained.history]
        np.testing.assert_allclose(values, expected, rtol=1e-6)


# Its models, and going on from one


MIXED = ("--set", "mixed_precision=true", "--set", "label_smoothing=0.1")


@pytest.mark.release
def test_export_then_train_on_then_stop(
    learned: Learned, tmp_path: Path, signs: Path, run_main: Run
) -> None:
    """A model goes back to PyTorch, and training goes on from it, with a new head, in mixed
    precision. With next to no learning rate nothing changes, nothing gets better, and early
    stopping ends it."""
    start = learned.models / "best.h5"
    exported = tmp_path / "best.pth"
    signbart_port.export(start, exported, verify=False)
    config = write_config(tmp_path / "model.yaml", num_labels=3)  # a .pth of tensors has none
    options = ("--epochs", 5, "--seed", 7, "--learning-rate", "1e-30", "--set", "weight_decay=0")
    expected = weights_of(start)
    head = {name for name in expected if name.startswith("classification_head")}
    for model, more in (
        (start, ()),
        (exported, ("--config", config, "--new-head", *MIXED)),
    ):
        out = tmp_path / model.suffix
        code, printed, err = run_main(
            main,
            *("train", "--from", model, "--data", signs, "--checkpoint-dir", out, "--json"),
            *(*options, "--set", "early_stopping=2", *more),
        )
        assert code == 0 and all("hand in any frame" in line for line in err.splitlines())
        told = json.loads(printed)
        assert [epoch["epoch"] for epoch in told["history"]] == [1, 2, 3]
        assert told["best_epoch"]["epoch"] == 1
        assert all(np.isfinite(epoch["loss"]) for epoch in told["history"])
        found = weights_of(out / "last.h5")
        assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
        kept = found.keys() - head if more else found.keys()
        assert_same_bits({n: found[n] for n in kept}, {n: expected[n] for n in kept})
        if more:
            bias = drawn(learned.job.config, 7)["classification_head.out_proj.bias"]
            np.testing.assert_array_equal(found["classification_head/out_proj/bias"], bias)


@pytest.mark.release
def test_a_training_that_runs_away(
    learned: Learned, signs: Path, tmp_path: Path, run_main: Run
) -> None:
    out = tmp_path / "models"
    arguments = ("--config", learned.arguments[1], "--data", signs, "--checkpoint-dir", out)
    code, printed, err = run_main(main, "train", *arguments, "--learning-rate", "1e6", "--quiet")
    assert (code, printed) == (2, "")
    *unseen, refusal = err.splitlines()
    assert all("hand in any frame" in line for line in unseen)
    assert refusal == (
        f"signbart-port: {out / 'last.h5'}: the training has diverged: after epoch 1 the model"
        " gives numbers that are not finite. Take a lower learning_rate, or gradient_clip"
    )
    assert left(out) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--learning-rate", "0.02"), "was trained with learning_rate 0.01, not 0.02. Give the"),
        (("--set", "augment=false"), "was trained with augment True, not False"),
        (("--quantization-aware",), "was trained with quantization_aware False, not True"),
    ],
)
def test_resuming_with_other_settings(
    learned: Learned, run_main: Run, arguments: tuple[str, ...], says: str
) -> None:
    code, printed, err = run_main(
        main, "train", *learned.arguments, learned.models, "--resume", *arguments
    )
    assert (code, printed) == (2, "")
    assert err.startswith(f"signbart-port: {learned.models / 'last.h5'}: {says}")


def test_no_training_to_go_on_with(learned: Learned, tmp_path: Path) -> None:
    damaged = tmp_path / "last.h5"
    damaged.write_bytes((learned.models / "last.h5").read_bytes())
    state, variables = keras_files.read_state(damaged)
    assert state["epoch"] == 12
    with h5py.File(damaged, "r+") as file:
        number = max(range(len(variables)), key=lambda n: variables[n].size)
        file[f"training/{number}"][0] += 1
    with pytest.raises(PortError, match=r"the state of its optimizer is damaged\. Give --force"):
        keras_files.read_state(damaged)
    with pytest.raises(PortError, match=r"holds no training to go on with\. Give --force"):
        keras_files.read_state(learned.models / "best.h5")


@pytest.mark.release
def test_a_log_that_tensorboard_cannot_write(learned: Learned, tmp_path: Path) -> None:
    settings = learned.job.settings.model_copy(update={"checkpoint_dir": tmp_path, "log_dir": None})
    job = replace(learned.job, settings=settings)
    files = Files.of(settings, keras_fit.SUFFIX)
    files.open(resume=False, force=False)
    (files.logs / "train").write_text("not a folder")
    with pytest.raises(PortError, match=r"logs: TensorBoard's log cannot be written: Not a dir"):
        keras_fit.fit(job, files, Seen(), resume=False)


# Its parts


def test_first_weights_are_the_same_in_pytorch(learned: Learned) -> None:
    """In every bit: test_training_torch has its half."""
    model, learner = keras_fit.learner_of(learned.job)
    assert model is learner
    stored = {weight.path: weight.numpy() for weight in model.weights}
    plan = mappings.plan_for(learned.job.config)
    found = dict(transfer.apply(plan, Direction.KERAS_TO_TORCH, stored))
    assert_same_bits(found, learned.job.weights)


def test_the_loss_is_pytorchs() -> None:
    """-(1 - ε) log p of the class - ε of the mean of all logs, as torch's documentation has it; the
    parity tests hold it against PyTorch itself."""
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((6, 5)), rng.integers(0, 5, 6)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for smoothing in (0.0, 0.2):
        wanted = np.eye(5)[labels] * (1 - smoothing) + smoothing / 5
        each = -(wanted * logs).sum(axis=1)
        loss = CrossEntropy(smoothing)
        np.testing.assert_allclose(loss(labels, logits), each.mean(), rtol=1e-6)
        weights = np.array([2.0, 0, 2, 0, 0, 2])
        found = loss(labels, logits, weights)
        np.testing.assert_allclose(found, (each * weights).mean(), rtol=1e-6)
        assert CrossEntropy.from_config(loss.get_config()).label_smoothing == smoothing


def test_adamw_adds_epsilon_to_the_corrected_root() -> None:
    """Where a gradient is as small as epsilon, it matters: the steps of Kingma & Ba, and not those
    of Keras."""
    gradients = np.array([1e-8, 3e-9, -1e-7, 0.5])
    found = {}
    for optimizer in (AdamW(0.1, weight_decay=0.5), keras.optimizers.AdamW(0.1, weight_decay=0.5)):
        variable = keras.Variable(np.ones(4, np.float32))
        for _ in range(3):
            optimizer.apply([tf.constant(gradients, tf.float32)], [variable])
        found[type(optimizer)] = variable.numpy()
    value, m, v = np.ones(4), np.zeros(4), np.zeros(4)
    for step in range(1, 4):
        value -= 0.1 * 0.5 * value
        m, v = 0.9 * m + 0.1 * gradients, 0.999 * v + 0.001 * gradients**2
        value -= 0.1 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(found[AdamW], value, rtol=1e-4)
    assert np.abs(found[keras.optimizers.AdamW][:3] / value[:3] - 1).min() > 0.01


# A kill


@pytest.mark.release
def test_killed_and_resumed(learned: Learned, tmp_path: Path) -> None:
    """In the middle of an epoch, and with half a checkpoint written, when another model of that
    epoch already is: it ends as if nothing had happened."""
    arguments, broken = learned.arguments, tmp_path / "broken"
    killed_training.killed_at_step("keras", 3, 2, *arguments, broken)
    assert len((broken / "logs/log.csv").read_text().splitlines()) == 3
    again = (*arguments, broken, "--resume")
    killed_training.killed_writing("keras", "last.h5", *again, time=2)
    half = [path for path in broken.iterdir() if path.name.startswith(".last-")]
    assert 0 < half[0].stat().st_size < (broken / "last.h5").stat().st_size
    assert h5.read(broken / "epoch-0004.h5")  # the fourth epoch's, which is not yet done
    assert keras_files.read_state(broken / "last.h5")[0]["epoch"] == 3
    resumed = json.loads(killed_training.train("keras", *again))

    assert without_times(resumed["history"]) == without_times(learned.trained.history)
    assert resumed["test"] == asdict(learned.trained.test)
    assert left(broken) == left(learned.models)
    for name in (name for name in left(broken) if name.endswith(".h5")):
        assert_same_bits(weights_of(broken / name), weights_of(learned.models / name))
    states = [keras_files.read_state(folder / "last.h5")[1] for folder in (broken, learned.models)]
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)
