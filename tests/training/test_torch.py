"""Training in PyTorch: it learns, repeats itself, keeps its models, and survives a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import pt_reference
import signbart_port
from pt_reference import train
from signbart_port.checkpoint import NameRules, read
from signbart_port.model_files import h5
from signbart_port.training import torch_fit
from signbart_port.training.files import Files
from signbart_port.training.history import best
from signbart_port.training.initial import drawn
from signbart_port.training.run import Job, Trained, scores
from tests.support.running import run_program
from tests.support.small_models import LSA_64, small_config
from tests.support.small_trainings import Run, Seen, job_of, left, without_times, write_config


@pytest.fixture(autouse=True, scope="module")
def pytorch_as_it_was() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def fit(job: Job, *, resume: bool = False, watcher: Seen | None = None) -> Trained:
    files = Files.of(job.settings, torch_fit.SUFFIX)
    goes_on = files.open(resume=resume, force=not resume)
    return torch_fit.fit(job, files, watcher or Seen(), resume=goes_on)


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = torch.load(path, weights_only=True)
    return loaded


def weights_of(path: Path) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in load(path)["model"].items()}


def assert_same_bits(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(np.asarray(a[name]), np.asarray(b[name]), err_msg=name)


@dataclass(frozen=True)
class Learned:
    job: Job
    trained: Trained
    seen: Seen
    config: Path


@pytest.fixture(scope="module")
def learned(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """A training of 12 epochs of five steps."""
    folder = tmp_path_factory.mktemp("torch")
    config = write_config(folder / "model.yaml", epochs=12, save_every=2, learning_rate=0.01)
    job = job_of(config, signs, checkpoint_dir=folder / "models")
    seen = Seen()
    return Learned(job, fit(job, watcher=seen), seen, config)


@pytest.fixture(scope="module")
def converted(learned: Learned, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with best.h5 and last.h5, made of the checkpoints without a word on the config."""
    folder, files = tmp_path_factory.mktemp("converted"), learned.trained.files
    run_program("convert_unproven", folder, files.best, files.last)
    return folder


def logits_of(path: Path, job: Job, clips: Any) -> np.ndarray:
    """Of a checkpoint, as a user loads it: clip by clip."""
    saved = load(path)
    model = pt_reference.SignBart(signbart_port.SignBartConfig.of(saved["config"])).eval()
    model.load_state_dict(saved["model"])
    with torch.inference_mode():
        rows = [
            model(torch.from_numpy(clip)[None], torch.ones(1, len(clip)))[1][0].numpy()
            for clip in clips.prepared
        ]
    return np.stack(rows)


# What a training is


def test_it_learns(learned: Learned) -> None:
    history = learned.trained.history
    assert len(history) == 12
    assert history[-1].loss < history[0].loss
    found = scores(
        logits_of(learned.trained.files.last, learned.job, learned.job.train),
        learned.job.train,
        learned.job.labels,
    )
    assert found.top1 > 0.6  # by chance it is a third


def test_the_log_is_true(learned: Learned) -> None:
    """Measures of the validation clips are those of the model that was kept, and of the test clips
    those of the best one."""
    job, trained = learned.job, learned.trained
    for number, path in ((12, trained.files.last), (4, trained.files.of_epoch(4))):
        epoch = trained.history[number - 1]
        found = scores(logits_of(path, job, job.validation), job.validation, job.labels)
        assert found.loss == pytest.approx(epoch.val_loss, rel=1e-5)
        assert (found.top1, found.top5) == (epoch.val_accuracy, epoch.val_top5)
    assert job.test is not None and trained.test is not None
    found = scores(logits_of(trained.files.best, job, job.test), job.test, job.labels)
    assert found.loss == pytest.approx(trained.test.loss, rel=1e-5)
    assert found.top1 == trained.test.top1


def test_its_watcher_is_told(learned: Learned) -> None:
    seen, history = learned.seen, learned.trained.history
    assert seen.begun == [(number, 5) for number in range(1, 13)]
    assert tuple(epoch for epoch, _ in seen.ended_) == history
    bests = [number for number in range(1, 13) if best(history[:number]).epoch == number]
    assert [epoch.epoch for epoch, is_best in seen.ended_ if is_best] == bests
    sizes = [batch.size for epoch in range(1, 13) for batch in learned.job.feed().batches(epoch)]
    means = np.multiply(seen.losses, sizes).reshape(12, 5).sum(axis=1) / 24
    np.testing.assert_allclose(means, [epoch.loss for epoch in history], rtol=1e-5)


def test_what_it_leaves(learned: Learned) -> None:
    files, history = learned.trained.files, learned.trained.history
    kept = [f"epoch-{number:04}.pth" for number in range(2, 13, 2)]
    logs = ["logs/curves.png", "logs/log.csv"]
    assert left(files.models) == sorted(["best.pth", "last.pth", *kept, *logs])
    assert len(files.log.read_text().splitlines()) == 13
    assert_same_bits(weights_of(files.last), weights_of(files.of_epoch(12)))
    assert load(files.best)["epoch"] == best(history).epoch
    assert [load(files.of_epoch(number))["epoch"] for number in (2, 4)] == [2, 4]


def test_tensorboard_has_the_log(learned: Learned) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(learned.trained.files.logs)).Reload()
    for name in learned.trained.history[0].measures():
        values = [event.value for event in events.Scalars(name)]
        expected = [getattr(epoch, name) for epoch in learned.trained.history]
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_the_same_seed_gives_the_same_bits(learned: Learned, signs: Path, tmp_path: Path) -> None:
    job = job_of(learned.config, signs, epochs=2, checkpoint_dir=tmp_path / "models")
    again = fit(job)
    earlier = learned.trained.files.of_epoch(2)
    assert_same_bits(weights_of(again.files.last), weights_of(earlier))
    assert without_times(again.history) == without_times(learned.trained.history[:2])
    other = fit(job_of(learned.config, signs, epochs=2, seed=1, checkpoint_dir=tmp_path / "b"))
    assert all(
        (values != weights_of(earlier)[name]).any()
        for name, values in weights_of(other.files.last).items()
    )


# Its models


def test_convert_needs_no_config(learned: Learned, converted: Path) -> None:
    """The checkpoints hold it, with the dropouts."""
    job, files = learned.job, learned.trained.files
    for path in (files.last, files.best):
        config = h5.read(converted / f"{path.stem}.h5").config
        assert config.replace(training={}) == job.config.replace(training={})
        assert config.training == job.settings.plain()
        assert config.classifier_dropout == 0.2
        checkpoint = read(path, NameRules(("model",), ()))
        assert_same_bits(dict(checkpoint.tensors), weights_of(path))


@pytest.mark.parametrize("options", [("--learning-rate", "1e-30"), ("--new-head",)])
@pytest.mark.on_commit("options0")
def test_training_goes_on_from_a_model(
    learned: Learned,
    converted: Path,
    signs: Path,
    tmp_path: Path,
    run_main: Run,
    options: tuple[str, ...],
) -> None:
    """From a .pth, and from the .h5 that it was converted to; the head alone may be new. With next
    to no learning rate nothing changes, nothing gets better, and early stopping ends it."""
    start = learned.trained.files.best
    found = []
    for model, out in ((start, tmp_path / "a"), (converted / "best.h5", tmp_path / "b")):
        code, printed, err = run_main(
            train.main,
            *("--from", model, "--data", signs, "--checkpoint-dir", out, "--json", *options),
            *("--epochs", 5, "--seed", 7, "--set", "weight_decay=0", "--set", "early_stopping=2"),
            *(("--learning-rate", "1e-30") if "--new-head" in options else ()),
        )
        assert code == 0 and all("hand in any frame" in line for line in err.splitlines())
        told = json.loads(printed)
        assert [epoch["epoch"] for epoch in told["history"]] == [1, 2, 3]
        assert told["best_epoch"]["epoch"] == 1
        found.append(weights_of(out / "last.pth"))
    assert_same_bits(*found)
    expected = weights_of(start)
    if "--new-head" in options:
        head = {name for name in expected if name.startswith("classification_head")}
        fresh = drawn(learned.job.config, 7)
        expected = {name: fresh[name] if name in head else expected[name] for name in expected}
        assert (expected["classification_head.out_proj.bias"] != 0).all()
    assert_same_bits(found[0], expected)


# Settings


def test_label_smoothing_and_weights_in_the_loss() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.standard_normal((6, 5)))
    labels = torch.from_numpy(rng.integers(0, 5, 6))
    ones = torch.ones(6, dtype=torch.float64)
    for smoothing in (0.0, 0.2):
        expected = cross_entropy(logits, labels, label_smoothing=smoothing)
        assert torch.isclose(torch_fit.loss_of(logits, labels, ones, smoothing), expected)
        some = torch.tensor([2.0, 0, 2, 0, 0, 2])
        expected = cross_entropy(logits[some > 0], labels[some > 0], label_smoothing=smoothing)
        assert torch.isclose(torch_fit.loss_of(logits, labels, some, smoothing), expected)


def test_the_optimizer_is_pytorchs_own() -> None:
    model = pt_reference.SignBart(small_config())
    (group,) = torch_fit.optimizer_of(model, 0.05).param_groups
    assert len(group["params"]) == len(list(model.parameters()))
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.05)


@pytest.mark.release
def test_mixed_precision(learned: Learned, signs: Path, tmp_path: Path) -> None:
    """It computes otherwise, near enough, and keeps float32."""
    job = job_of(
        learned.config,
        signs,
        **{"epochs": 2, "mixed_precision": True, "label_smoothing": 0.1, "gradient_clip": 1.0},
        checkpoint_dir=tmp_path / "models",
    )
    trained = fit(job)
    found, plain = weights_of(trained.files.last), weights_of(learned.trained.files.of_epoch(2))
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    assert all(np.isfinite(values).all() for values in found.values())
    assert any((values != plain[name]).any() for name, values in found.items())
    assert all(np.isfinite([epoch.loss, epoch.val_loss]).all() for epoch in trained.history)


def test_a_training_that_runs_away(
    learned: Learned, signs: Path, tmp_path: Path, run_main: Run
) -> None:
    out = tmp_path / "models"
    arguments = ("--config", learned.config, "--data", signs, "--checkpoint-dir", out)
    code, printed, err = run_main(train.main, *arguments, "--learning-rate", "1e6", "--quiet")
    assert (code, printed) == (2, "")
    *unseen, refusal = err.splitlines()
    assert all("hand in any frame" in line for line in unseen)
    assert refusal == (
        f"signbart-port: {out / 'last.pth'}: the training has diverged: after epoch 1 the model"
        " gives numbers that are not finite. Take a lower learning_rate, or gradient_clip"
    )
    assert left(out) == []


def test_first_weights_are_the_same_in_keras(learned: Learned) -> None:
    """In every bit: test_training_keras has its half."""
    model = pt_reference.SignBart(learned.job.config)
    torch_fit.load(model, learned.job.weights)
    found = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    assert_same_bits(found, learned.job.weights)


def test_initial_weights_have_pytorchs_distribution() -> None:
    """The bounds that test_training_initial holds ours against are those of a new PyTorch model."""
    torch.manual_seed(0)
    weights = {
        name: p.detach().numpy() for name, p in pt_reference.SignBart(LSA_64).named_parameters()
    }
    ours = drawn(LSA_64, 0)
    assert weights.keys() == ours.keys()
    for name, values in weights.items():
        if "norm" in name:
            assert (values == ours[name]).all()
        elif "embed_positions" in name:
            assert abs(values.std() - 1) < 0.02
        else:
            bound = 1 / sqrt(weights[name.replace(".bias", ".weight")].shape[1])
            assert 0.9 * bound < np.abs(values).max() <= bound


# Going on


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"learning_rate": 0.02}, "learning_rate 0.01, not 0.02"),
        ({"weight_decay": 0.0}, "weight_decay 0.01, not 0.0"),
    ],
)
def test_resuming_with_other_settings(
    learned: Learned, signs: Path, change: dict[str, Any], says: str
) -> None:
    files = learned.trained.files
    before = {path: path.read_bytes() for path in files.models.glob("*.pth")}
    job = job_of(learned.config, signs, **change, checkpoint_dir=files.models)
    with pytest.raises(signbart_port.PortError) as refused:
        fit(job, resume=True)
    assert str(refused.value).startswith(f"{files.last}: was trained with {says}. Give the same")
    assert {path: path.read_bytes() for path in files.models.glob("*.pth")} == before


@pytest.mark.release
def test_resuming_what_is_over(learned: Learned, signs: Path) -> None:
    """And what is over can be gone on with by more epochs, or ended by early stopping."""
    files, before = learned.trained.files, weights_of(learned.trained.files.last)
    again = fit(job_of(learned.config, signs, checkpoint_dir=files.models), resume=True)
    assert (again.history, again.test) == (learned.trained.history, learned.trained.test)
    job = job_of(learned.config, signs, early_stopping=1, epochs=99, checkpoint_dir=files.models)
    if best(again.history).epoch < 12:
        assert fit(job, resume=True).history == again.history
    assert_same_bits(weights_of(files.last), before)


def test_no_training_to_go_on_with(learned: Learned, signs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    job = job_of(learned.config, signs, checkpoint_dir=folder)
    whole = learned.trained.files.last.read_bytes()
    for content, says in (
        (learned.trained.files.best.read_bytes(), "holds no training to go on with. Give --force"),
        (whole[: len(whole) // 2], ""),
        (b"", ""),
    ):
        (folder / "last.pth").write_bytes(content)
        with pytest.raises(signbart_port.PortError) as refused:
            fit(job, resume=True)
        assert str(refused.value).startswith(f"{folder / 'last.pth'}: {says}")
        assert str(refused.value).isprintable()
        assert (folder / "last.pth").read_bytes() == content
