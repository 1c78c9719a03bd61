"""Configs where people leave them: in a checkpoint, beside it, as text, in other programs' keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from signbart_port.checkpoint import NameRules, read
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.model_files.config_resolution import Options, Resolved, resolve
from tests.support.small_models import save_pth, small_config, state_dict

MAPPING = mappings.signbart()
CONFIG = small_config()
PLAIN = CONFIG.model_dump(mode="json", exclude={"training"})
WEIGHTS = state_dict(CONFIG)


def found(path: Path) -> Resolved:
    rules = NameRules(MAPPING.unwrap, MAPPING.strip_prefixes)
    return resolve(read(path, rules), MAPPING, Options())


@pytest.mark.parametrize("key", ["config", "args", "cfg", "hparams", "hyper_parameters", "other"])
def test_under_a_key_of_the_checkpoint(tmp_path: Path, key: str) -> None:
    path = save_pth(tmp_path / "model.pth", WEIGHTS, epoch=3, **{key: PLAIN})
    under = "" if key == "config" else f" under {key}"
    assert found(path) == Resolved(CONFIG, f"stored in the checkpoint{under}")


@pytest.mark.parametrize(
    ("stored", "note"),
    [
        ({"config": {"model": PLAIN}}, "the keys of the model are under model"),
        ({"hyper_parameters": {"cfg": {"net": PLAIN}}}, "the keys of the model are under cfg.net"),
        ({"run": {"config": PLAIN, "epoch": 3}}, "the keys of the model are under config"),
    ],
)
def test_in_a_section(tmp_path: Path, stored: dict[str, Any], note: str) -> None:
    resolved = found(save_pth(tmp_path / "model.pth", WEIGHTS, **stored))
    assert resolved.config == CONFIG and note in resolved.notes


@pytest.mark.parametrize(
    "text", [yaml.safe_dump(PLAIN), json.dumps(PLAIN, indent="\t"), json.dumps({"model": PLAIN})]
)
def test_as_the_text_of_its_file(tmp_path: Path, text: str) -> None:
    resolved = found(save_pth(tmp_path / "model.pth", WEIGHTS, config=text))
    assert (resolved.config, resolved.origin) == (CONFIG, "stored in the checkpoint, as text")


def test_a_text_that_is_no_config_is_none(tmp_path: Path) -> None:
    path = save_pth(tmp_path / "model.pth", WEIGHTS, notes="d_model: not said", log="a: [")
    with pytest.raises(PortError, match="settle all but"):
        found(path)
    path = save_pth(tmp_path / "model.pth", WEIGHTS, config=yaml.safe_dump(PLAIN) + "d_model: 1\n")
    with pytest.raises(PortError, match=r"\(stored config\): line \d+: key 'd_model' repeats"):
        found(path)


def test_settings_of_a_training_alone_are_no_config(tmp_path: Path) -> None:
    path = save_pth(tmp_path / "model.pth", WEIGHTS, config={"lr": 1e-3}, args=PLAIN)
    assert found(path).origin == "stored in the checkpoint under args"
    path = save_pth(tmp_path / "model.pth", WEIGHTS, config={"lr": 1e-3})
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(PLAIN))
    assert found(path).origin == "model.yaml beside it"


@pytest.mark.parametrize(
    "name", ["best.yaml", "best.yml", "best.json", "config.yaml", "config.yml", "config.json"]
)
def test_beside_the_checkpoint(tmp_path: Path, name: str) -> None:
    path = save_pth(tmp_path / "best.pth", WEIGHTS)
    (tmp_path / name).write_text(json.dumps(PLAIN, indent=None if "y" in name else "\t"))
    assert found(path) == Resolved(CONFIG, f"{name} beside it")


@pytest.mark.parametrize("name", ["best.v2.pth", "best.weights.pth", "best.weights.pt"])
def test_beside_a_checkpoint_with_dots_in_its_name(tmp_path: Path, name: str) -> None:
    path = save_pth(tmp_path / name, WEIGHTS)
    beside = path.with_suffix(".yaml")
    beside.write_text(yaml.safe_dump(PLAIN))
    assert found(path) == Resolved(CONFIG, f"{beside.name} beside it")


@pytest.mark.parametrize("metrics", [{"acc": 0.9, "epoch": 3}, {"accuracy": 0.9}])
def test_metrics_under_the_name_of_the_checkpoint_are_no_config(
    tmp_path: Path, metrics: dict[str, Any]
) -> None:
    path = save_pth(tmp_path / "best.pth", WEIGHTS)
    (tmp_path / "best.json").write_text(json.dumps(metrics))
    with pytest.raises(PortError, match="settle all but"):
        found(path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(PLAIN))
    assert found(path) == Resolved(CONFIG, "config.yaml beside it")


def test_a_folders_config_of_something_else_is_none(tmp_path: Path) -> None:
    path = save_pth(tmp_path / "best.pth", WEIGHTS)
    (tmp_path / "config.yaml").write_text("server: localhost\n")
    with pytest.raises(PortError, match="settle all but"):
        found(path)


def test_a_config_that_no_plain_data_is_wholly(tmp_path: Path) -> None:
    import torch

    config = {**PLAIN, "device": torch.device("cpu")}
    path = save_pth(tmp_path / "model.pth", WEIGHTS, config=config)
    assert found(path).config == CONFIG
    notes = read(path, NameRules(MAPPING.unwrap, MAPPING.strip_prefixes)).notes
    assert notes[-1] == "the config beside the weights: not plain data, left out: device"
