"""The training keys of a config file: their defaults, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from signbart_port.config.training import ALIASES, CLIPS, FOLDERS, IGNORED, KEYS, Settings, parse
from signbart_port.errors import PortError

PUBLISHED = {
    "data_root": None,
    "checkpoint_dir": Path("checkpoints"),
    "log_dir": None,
    "epochs": 200,
    "batch_size": 1,
    "learning_rate": 2e-5,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "scheduler": "plateau",
    "factor": 0.1,
    "patience": 5,
    "gradient_clip": None,
    "label_smoothing": 0.0,
    "augment": True,
    "mixed_precision": False,
    "early_stopping": None,
    "save_every": None,
    "validation": None,
    "seed": 379,
    "clip_skeleton": None,
    "frame_size": None,
}


def test_the_defaults_are_the_published_values() -> None:
    assert parse({}, "a.yaml", {}).model_dump() == PUBLISHED
    assert Settings().logs == Path("checkpoints/logs")
    assert Settings(log_dir="elsewhere").logs == Path("elsewhere")


def test_the_keys_of_the_migration_guide() -> None:
    said = {
        "data_root": "/data/signs",
        "checkpoint_dir": "checkpoints/user08",
        "log_dir": "logs",
        "batch_size": 16,
        "epochs": 80,
        "learning_rate": 2e-4,
        "optimizer": "AdamW",
        "weight_decay": 0.05,
        "augment": False,
        "save_every": 10,
        "scheduler": "ONE_CYCLE",
        "validation": "test",
    }
    found = parse(said, "a.yaml", {})
    assert found.data_root == Path("/data/signs")
    assert (found.optimizer, found.scheduler, found.augment) == ("adamw", "one-cycle", False)
    assert (found.epochs, found.batch_size, found.save_every) == (80, 16, 10)
    assert found.plain().keys() == PUBLISHED.keys() - {*FOLDERS, *CLIPS}
    of_pixels = parse({**said, "frame_size": [640, 480]}, "a.yaml", {})
    assert of_pixels.plain() == {**found.plain(), "frame_size": [640, 480]}


def test_an_alias_and_keys_of_other_trainers() -> None:
    others = dict.fromkeys(IGNORED, "anything")
    assert parse({"lr": 1e-3, **others}, "a.yaml", {}) == Settings(learning_rate=1e-3)
    assert PUBLISHED.keys() | IGNORED | ALIASES.keys() == KEYS
    with pytest.raises(PortError) as refused:
        parse({"lr": 1e-3, "learning_rate": 1e-3, **others}, "a.yaml", {})
    assert str(refused.value) == "a.yaml: says learning_rate and lr. Keep one"


def test_the_command_line_has_the_last_word() -> None:
    found = parse({"epochs": 3, "lr": 1e-3}, "a.yaml", {"epochs": 7, "learning_rate": 1.0})
    assert (found.epochs, found.learning_rate) == (7, 1.0)


WRONG: list[tuple[str, Any]] = [
    *(
        (key, value)
        for key in ("epochs", "batch_size", "early_stopping", "save_every")
        for value in (0, -1, 2.5, "3", True, [3])
    ),
    *(("learning_rate", value) for value in (0, -1e-3, "1e-3", 1e7, float("nan"), None)),
    *(("gradient_clip", value) for value in (0, -1.0, "no", float("inf"))),
    *(("weight_decay", value) for value in (-0.1, "0.1", float("inf"), float("nan"), None)),
    *(("factor", value) for value in (0, 1, 1.5, None)),
    *(("patience", value) for value in (-1, 0.5, None)),
    *(("label_smoothing", value) for value in (-0.1, 1, None)),
    *(("augment", value) for value in (1, "yes", None)),
    *(("mixed_precision", value) for value in (1, "bf16", None)),
    *(("validation", value) for value in (0, 1, 1.5, "train", "", True, float("nan"))),
    *(("seed", value) for value in (-1, 2**31, 1.5, "1", None)),
    *(("optimizer", value) for value in ("sgd", "Adam", None, {"name": "AdamW"})),
    *(("scheduler", value) for value in ("cosine", None, 3)),
    *(("data_root", value) for value in (3, ["a"])),
    *(("checkpoint_dir", value) for value in (3, None)),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_wrong_value_is_one_line(key: str, value: object) -> None:
    with pytest.raises(PortError) as refused:
        parse({key: value}, "a.yaml", {})
    said = str(refused.value)
    assert said.startswith(f"a.yaml: {key}") and said.isprintable()
    assert "Input should be" in said or "valid path" in said


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({"epoch": 3}, "epoch: Extra inputs are not permitted, got 3"),
        ({3: 4}, "3"),
        (5, "training"),
        ([1], "training"),
        (None, "training"),
    ],
)
def test_what_is_no_training_is_one_line(training: Any, says: str) -> None:
    with pytest.raises(PortError) as refused:
        parse(training, "a.yaml", {})
    assert str(refused.value).startswith(f"a.yaml: {says}")
    assert str(refused.value).isprintable()


def test_every_wrong_value_is_said_at_once() -> None:
    with pytest.raises(PortError) as refused:
        parse({"epochs": 0, "seed": -1, "lr": 0}, "a.yaml", {})
    assert all(key in str(refused.value) for key in ("epochs:", "seed:", "learning_rate:"))
