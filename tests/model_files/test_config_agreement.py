"""A config against the options, against other configs, and against the tensors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from signbart_port.checkpoint import Checkpoint, NameRules, read
from signbart_port.config import SignBartConfig, joints
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from signbart_port.model_files.config_resolution import Options, Resolved, check_own, resolve
from tests.support.small_models import plan_of, small_config

MAPPING = mappings.signbart()
HEADS = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
CONFIG = small_config(**HEADS)
OTHER = CONFIG.replace(**dict.fromkeys(HEADS, 8))
Write = Callable[..., Checkpoint]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Write:
    """Write a checkpoint of the config's sizes, with configs in it by their keys, and read it."""

    def write(of: SignBartConfig = CONFIG, /, **stored: Any) -> Checkpoint:
        tensors = {t.torch: np.zeros(t.torch_shape, np.float32) for t in plan_of(of).transfers}
        metadata = {key: json.dumps(plain(value)) for key, value in stored.items()}
        save_file(tensors, tmp_path / "model.pth", metadata)
        return read(tmp_path / "model.pth", NameRules(MAPPING.unwrap, MAPPING.strip_prefixes))

    return write


def plain(config: Any) -> Any:
    return config.model_dump(mode="json") if isinstance(config, SignBartConfig) else config


def beside(checkpoint: Checkpoint, name: str, config: SignBartConfig) -> str:
    path = checkpoint.path.with_name(name)
    path.write_text(config.model_dump_json())
    return str(path)


def resolved(checkpoint: Checkpoint, **options: Any) -> Resolved:
    return resolve(checkpoint, MAPPING, Options(**options))


def refusal(checkpoint: Checkpoint, **options: Any) -> str:
    with pytest.raises(PortError) as refused:
        resolved(checkpoint, **options)
    return str(refused.value).removeprefix(f"{checkpoint.path}: ")


def test_heads_against_a_stored_config(checkpoint: Write) -> None:
    found = checkpoint(config=CONFIG)
    assert resolved(found, heads=4) == Resolved(CONFIG, "stored in the checkpoint")
    assert refusal(found, heads=8) == (
        "--heads contradicts its config (stored in the checkpoint): heads 8 against heads 4."
        " Leave --heads out, or add --override-config if it is meant"
    )
    meant = resolved(found, heads=8, override_config=True)
    said = "--override-config: heads 8, not heads 4 (stored in the checkpoint)"
    assert meant.config == OTHER
    assert meant.notes == meant.cautions == (said,)


@pytest.mark.parametrize("where", ["stored", "beside", "folder", "given", "fallback"])
@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"heads": 2}, "--heads"),
        ({"joints": (0, 1, 2, 3, 4, 5)}, "--joints"),
        ({"joints": tuple(reversed(CONFIG.joint_idx))}, "--joints"),
        ({"layout": "selected"}, "--layout"),
        ({"heads": 2, "layout": "selected"}, "--heads and --layout"),
    ],
)
def test_an_option_against_a_config_wherever_it_is(
    checkpoint: Write, where: str, option: dict[str, Any], named: str
) -> None:
    found = checkpoint(**({"config": CONFIG} if where == "stored" else {}))
    fallback = Resolved(CONFIG, "the other file") if where == "fallback" else None
    options = dict(option)
    if where in ("beside", "folder"):
        beside(found, {"beside": "model.yaml", "folder": "config.json"}[where], CONFIG)
    if where == "given":
        options["config"] = beside(found, "mine.yaml", CONFIG)
    with pytest.raises(PortError, match=f"{named} contradicts? its config .*--override-config"):
        resolve(found, MAPPING, Options(**options), fallback)
    meant = resolve(found, MAPPING, Options(**options, override_config=True), fallback)
    assert meant.config == CONFIG.replace(**Options(**option).override())
    [caution] = meant.cautions
    assert caution.startswith("--override-config: ") and caution in meant.notes


def test_an_option_completes_what_a_config_leaves_out(checkpoint: Write) -> None:
    part = {key: value for key, value in plain(CONFIG).items()
            if key not in ("joint_idx", "encoder_attention_heads", "layout")}  # fmt: skip
    found = checkpoint(config=part)
    assert refusal(found).endswith("missing encoder_attention_heads, joint_idx")
    done = resolved(found, heads=4, joints=CONFIG.joint_idx, layout="selected")
    assert done.config == CONFIG.replace(layout="selected")
    assert done.cautions == ()
    assert done.notes == ("completed by the options: encoder_attention_heads, joint_idx, layout",)
    assert "encoder" not in refusal(found, heads=8, joints=CONFIG.joint_idx)
    assert "decoder_attention_heads 8 against" in refusal(found, heads=8, joints=CONFIG.joint_idx)


def test_joints_by_any_name_are_compared_as_numbers(checkpoint: Write) -> None:
    config = small_config(**HEADS, joint_idx=joints.NAMED["pose_hands"])
    for stated in ("pose_hands", "11-16,33-74", [list(range(11, 17)), list(range(33, 75))]):
        found = checkpoint(config, config=plain(config) | {"joint_idx": stated})
        assert resolved(found, joints=config.joint_idx).config == config
        assert "joint_idx full_75 against joint_idx pose_hands" in refusal(
            found, joints=joints.NAMED["full_75"]
        )


def test_a_given_config_against_a_stored_one(checkpoint: Write) -> None:
    found = checkpoint(config=CONFIG)
    given = beside(found, "mine.yaml", OTHER)
    assert refusal(found, config=given) == (
        f"two configs contradict each other: heads 8 ({given}), heads 4 (stored in the checkpoint)."
        " Leave --config out, or add --override-config if it is meant"
    )
    meant = resolved(found, config=given, override_config=True)
    assert meant.config == OTHER
    assert meant.cautions == ("--override-config: heads 8, not heads 4 (stored in the checkpoint)",)
    same = beside(found, "mine.yaml", CONFIG.replace(dropout=0.5))
    assert resolved(found, config=same) == Resolved(CONFIG.replace(dropout=0.5), same)


def test_a_given_config_against_one_beside(checkpoint: Write) -> None:
    found = checkpoint()
    beside(found, "model.yaml", CONFIG)
    given = beside(found, "mine.yaml", OTHER)
    done = resolved(found, config=given)
    assert done.config == OTHER and done.cautions == ()
    assert done.notes == ("not used: model.yaml beside it, which has heads 4",)


def test_the_nearer_config_is_taken_and_the_other_one_is_said(checkpoint: Write) -> None:
    found = checkpoint(config=CONFIG)
    beside(found, "model.yaml", OTHER)
    beside(found, "config.yaml", CONFIG.replace(layout="selected"))
    done = resolved(found)
    assert done.config == CONFIG
    assert (
        done.notes
        == done.cautions
        == (
            "not used: model.yaml beside it, which has heads 8",
            "not used: config.yaml beside it, which has layout selected",
        )
    )


def test_of_two_equally_near_configs_neither_is_taken(checkpoint: Write) -> None:
    found = checkpoint(args=CONFIG, cfg=OTHER)
    assert refusal(found).startswith(
        "two configs contradict each other: heads 4 (stored in the checkpoint under args), heads 8"
        " (stored in the checkpoint under cfg). Say which is right with --config FILE "
    )
    given = beside(found, "mine.yaml", CONFIG)
    assert resolved(found, config=given, override_config=True).config == CONFIG
    found = checkpoint()
    beside(found, "config.yaml", CONFIG)
    beside(found, "config.json", OTHER)
    assert "heads 4 (config.yaml beside it), heads 8 (config.json" in refusal(found)


def test_another_models_config_contradicts_nothing(checkpoint: Write) -> None:
    found = checkpoint(config=CONFIG)
    beside(found, "config.yaml", OTHER.replace(num_labels=9))
    done = resolved(found)
    assert done.config == CONFIG and done.cautions == ()
    assert done.notes == ("not used: config.yaml beside it, which is another model's",)


def test_a_config_that_is_not_needed_may_be_broken(checkpoint: Write) -> None:
    found = checkpoint(config=CONFIG)
    found.path.with_name("config.yaml").write_text("d_model: [")
    done = resolved(found)
    assert done.config == CONFIG
    assert done.notes == ("not used: config.yaml beside it, which cannot be read",)
    assert "config.yaml: line" in refusal(checkpoint())


def test_the_config_of_a_keras_file_is_not_overridden() -> None:
    path = Path("model.h5")
    check_own(path, CONFIG, Options(heads=4, joints=CONFIG.joint_idx, layout="full"))
    for options in (Options(heads=8), Options(heads=8, override_config=True)):
        with pytest.raises(PortError) as refused:
            check_own(path, CONFIG, options)
        assert str(refused.value) == (
            "model.h5: --heads contradicts the config in it: heads 8 against heads 4."
            " Leave --heads out: the file holds its config"
        )


def test_a_given_config_against_that_of_a_keras_file(tmp_path: Path) -> None:
    for config, says in ((CONFIG, ""), (OTHER, "--config contradicts"),
                         (OTHER.replace(num_labels=9), "")):  # fmt: skip
        path = tmp_path / "mine.yaml"
        path.write_text(config.model_dump_json())
        if not says:
            check_own(Path("model.h5"), CONFIG, Options(config=str(path)))
            continue
        with pytest.raises(PortError, match=says):
            check_own(Path("model.h5"), CONFIG, Options(config=str(path)))


@pytest.mark.parametrize("accept", [False, True])
def test_a_table_of_positions_without_an_offset_is_another_models(
    checkpoint: Write, accept: bool
) -> None:
    """As many rows as positions: this model would read the row of another frame."""
    found = checkpoint(CONFIG, config=CONFIG.replace(max_position_embeddings=18))
    said = refusal(found, sizes_from_checkpoint=accept)
    assert "have 18 rows, as many as max_position_embeddings: no offset of 2" in said
    assert "--sizes-from-checkpoint" not in said
    assert said.endswith("say max_position_embeddings: 16 in the config")
