"""The config of a checkpoint: where it is looked for, and what is never guessed."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.checkpoint import NameRules, read
from signbart_port.config import joints
from signbart_port.errors import PortError
from signbart_port.model_files import mappings, wanted
from signbart_port.model_files.config_resolution import Options, Resolved, resolve
from tests.support.small_models import LSA_64, save_pth, small_config, state_dict

MAPPING = mappings.signbart()
HEADS = ("encoder_attention_heads", "decoder_attention_heads")
SMALL = small_config(encoder_attention_heads=4)
KARSL_1, KARSL_16 = (configs.named(f"karsl-100-{n}") for n in ("signers-01-02", "signer-03-all"))
PUBLISHED = configs.published_names()


@pytest.fixture
def checkpoint(tmp_path):
    """Write the tensors of a config, or those given, to a file, and read it."""

    def write(tensors, name="model.pth", stored=None):
        if not isinstance(tensors, dict):
            zeros = np.zeros(1, np.float32)
            planned = transfer.plan(MAPPING, tensors.sizes()).transfers
            tensors = {t.torch: np.resize(zeros, t.torch_shape) for t in planned}
        metadata = None if stored is None else {"config": json.dumps(stored)}
        save_file(tensors, tmp_path / name, metadata)
        return read(tmp_path / name, NameRules(MAPPING.unwrap, MAPPING.strip_prefixes))

    return write


def refused(checkpoint, options=Options()):
    """The message of a refusal that names the checkpoint, without its name."""
    with pytest.raises(PortError) as caught:
        resolve(checkpoint, MAPPING, options)
    message = str(caught.value)
    assert message.startswith(str(checkpoint.path)) and message.isprintable()
    return message.removeprefix(str(checkpoint.path)).removeprefix(": ")


def as_yaml(config):
    data = config.model_dump() | {"joint_idx": list(config.joint_idx)}
    return yaml.safe_dump(data | data.pop("training"))


def test_the_first_that_states_a_config_is_taken(tmp_path, checkpoint):
    """The option, then the file itself, then model.yaml beside it, then the folder's config: told
    apart by a dropout, of which no tensor knows."""
    said = {name: LSA_64.replace(dropout=rate) for name, rate in
            (("option", 0.5), ("stored", 0.6), ("beside", 0.7), ("folder", 0.8))}  # fmt: skip
    option, beside = tmp_path / "option.yaml", tmp_path / "model.yaml"
    option.write_text(as_yaml(said["option"]))
    beside.write_text(as_yaml(said["beside"]))
    (tmp_path / "config.json").write_text(said["folder"].model_dump_json())
    found = checkpoint(LSA_64, stored=said["stored"].model_dump(mode="json"))

    chosen = resolve(found, MAPPING, Options(config=str(option)))
    assert chosen == Resolved(said["option"], str(option))
    assert resolve(found, MAPPING, Options()) == Resolved(
        said["stored"], "stored in the checkpoint"
    )
    found = checkpoint(LSA_64)
    assert resolve(found, MAPPING, Options()) == Resolved(said["beside"], "model.yaml beside it")
    for name in ("model.yml", "model.json"):
        beside = beside.rename(tmp_path / name)
        beside.write_text(said["beside"].model_dump_json())
        assert resolve(found, MAPPING, Options()).origin == f"{name} beside it"
    beside.unlink()
    assert resolve(found, MAPPING, Options()) == Resolved(said["folder"], "config.json beside it")
    (tmp_path / "config.json").unlink()
    assert "all but the number of heads and the joints" in refused(found)


def test_a_fallback_comes_after_the_files(tmp_path, checkpoint):
    """And it may be that of a model that has a published one's shapes."""
    config = LSA_64.replace(**dict.fromkeys(HEADS, 8))
    fallback = Resolved(config, "the other file")
    found = checkpoint(config)
    assert resolve(found, MAPPING, Options(), fallback) == fallback
    with pytest.raises(PortError, match="num_labels: the config says 64, the checkpoint 66"):
        resolve(checkpoint(LSA_64.replace(num_labels=66)), MAPPING, Options(), fallback)
    (tmp_path / "model.yaml").write_text(as_yaml(LSA_64))
    assert resolve(found, MAPPING, Options(), fallback).config == LSA_64


def test_a_config_in_a_training_container(tmp_path):
    arrays = state_dict(SMALL)
    path = save_pth(tmp_path / "model.pth", arrays, config=SMALL.model_dump(), epoch=3)
    found = read(path, NameRules(MAPPING.unwrap, MAPPING.strip_prefixes))
    assert resolve(found, MAPPING, Options()) == Resolved(SMALL, "stored in the checkpoint")


def test_a_stored_config_that_is_wrong_is_refused_as_such(checkpoint):
    found = checkpoint(LSA_64, stored={"d_modle": 3})
    assert refused(found) == " (stored config): unknown key 'd_modle'. Did you mean 'd_model'?"


def test_a_config_beside_it_that_is_wrong_is_refused_by_its_own_name(tmp_path, checkpoint):
    found = checkpoint(LSA_64)
    (tmp_path / "model.yaml").write_text("d_model: 5\nd_model: 6\n")
    with pytest.raises(PortError, match=r"model\.yaml: line 2: key 'd_model' repeats"):
        resolve(found, MAPPING, Options())
    assert resolve(found, MAPPING, Options(config="lsa-64")).config == LSA_64


def test_the_real_checkpoint_and_the_config_beside_it(shared_data):
    found = read(shared_data / "user08.pth", NameRules(MAPPING.unwrap, MAPPING.strip_prefixes))
    resolved = resolve(found, MAPPING, Options())
    assert resolved.origin == "user08.yaml beside it" and resolved.notes == ()
    config = resolved.config
    assert (config.d_model, config.encoder_attention_heads, config.num_labels) == (128, 16, 10)
    assert len(config.joint_idx) == 48 and config.keypoints == 75


def test_a_checkpoint_named_like_a_config_is_not_its_own_config(checkpoint):
    for name in ("model.yaml", "config.json"):
        assert "settle all but" in refused(checkpoint(LSA_64, name))


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.on_commit("lsa-64", "arabic-asl-90", "karsl-100-signers-01-02")
def test_a_published_config_is_named_and_never_taken(checkpoint, name):
    """A private model may have the same sizes, and other heads or joints."""
    config = configs.named(name)
    alike = [n for n in PUBLISHED if configs.named(n).sizes() == config.sizes()]
    for options in (Options(), Options(heads=config.encoder_attention_heads),
                    Options(joints=config.joint_idx)):  # fmt: skip
        said = refused(checkpoint(config), options)
        assert said.startswith("its shapes settle all but the ")
        assert f"--config {name}" in said and "if it is that model)" in said
        if not options.heads:
            assert all(f"--config {n}" in said for n in alike)
    assert resolve(checkpoint(config), MAPPING, Options(config=name)) == Resolved(config, name)


def test_only_published_configs_with_the_heads_that_are_given_are_named(checkpoint):
    said = refused(checkpoint(KARSL_1), Options(heads=1))
    assert "karsl-100-signers-01-02" in said and "signer-03-all" not in said
    assert "(" not in refused(checkpoint(KARSL_1), Options(heads=4))


def test_another_config_in_the_folder_is_named(tmp_path, checkpoint):
    (tmp_path / "signs.yaml").write_text(as_yaml(SMALL))
    (tmp_path / "other.json").write_text(LSA_64.model_dump_json())
    (tmp_path / "broken.yaml").write_text("d_model: [")
    said = refused(checkpoint(SMALL))
    assert "(--config signs.yaml if it is that model)" in said


def test_what_the_shapes_do_not_settle_is_asked_for(checkpoint):
    found = checkpoint(SMALL)
    assert refused(found) == (
        "its shapes settle all but the number of heads and the joints, and no config is in it or"
        " beside it. Give --config FILE|NAME, or what is missing with --heads N and --joints"
        " NAME|LIST"
    )
    assert "all but the joints, and" in refused(found, Options(heads=4))
    assert "all but the number of heads, and" in refused(found, Options(joints=SMALL.joint_idx))

    options = Options(heads=4, joints=joints.parse("11,0,2-3,5,7"), layout="selected")
    resolved = resolve(found, MAPPING, options)
    assert resolved.config == SMALL.replace(
        layout="selected", activation_dropout=0.0, classifier_dropout=0.0
    )
    assert resolved.origin == "sizes of the tensors, --heads and --joints"
    as_said, dropouts = resolved.notes
    assert "the proof passes with wrong ones" in as_said and resolved.cautions == (as_said,)
    assert "dropouts are unknown and set to 0" in dropouts


def test_heads_and_joints_of_a_published_model_are_those_that_are_given(checkpoint):
    given = Options(heads=8, joints=tuple(range(48)), skeleton="mediapipe-75")
    config = resolve(checkpoint(LSA_64), MAPPING, given).config
    assert (config.encoder_attention_heads, config.joint_idx) == (8, tuple(range(48)))
    assert config.dropout == 0.0 and config.encoder_layerdrop == 0.0


def test_heads_that_do_not_divide_are_refused(checkpoint):
    said = refused(checkpoint(SMALL), Options(heads=3, joints=SMALL.joint_idx))
    assert "--heads 3 does not divide its d_model of 8. Give the number that" in said


def test_a_wrong_number_of_joints_is_refused(checkpoint):
    for options in (
        Options(heads=4, joints=(0, 1, 2)),
        Options(heads=4, joints=(0, 1, 2), sizes_from_checkpoint=True),
    ):
        said = refused(checkpoint(SMALL), options)
        assert "joints: the config says 3, the checkpoint 6" in said
        assert said.endswith("Say which 6 joints it was trained on with --joints")
    said = refused(
        checkpoint(LSA_64), Options(heads=16, joints=tuple(range(10, 57)), skeleton="mediapipe-75")
    )
    assert "joints: the config says 47, the checkpoint 48" in said


def test_a_config_by_file_and_by_name(tmp_path, checkpoint):
    path = tmp_path / "mine.yaml"
    path.write_text(as_yaml(LSA_64.replace(dropout=0.3)) + "epochs: 200\n")
    by_file = resolve(checkpoint(LSA_64), MAPPING, Options(config=str(path)))
    assert by_file.config == LSA_64.replace(dropout=0.3, training={"epochs": 200})
    by_name = resolve(checkpoint(LSA_64), MAPPING, Options(config="lsa-64"))
    assert by_name == Resolved(LSA_64, "lsa-64")
    for name in ("lsa64", str(tmp_path / "none.yaml")):
        with pytest.raises(PortError, match=re.escape(name)):
            resolve(checkpoint(LSA_64), MAPPING, Options(config=name))


@pytest.mark.parametrize("size", configs.SIZES)
def test_a_contradiction_names_expected_and_got(tmp_path, checkpoint, size):
    got = SMALL.sizes()
    changes = {"joint_idx": (*SMALL.joint_idx, 1)} if size == "joints" else {size: got[size] + 4}
    path = tmp_path / "mine.yaml"
    path.write_text(as_yaml(SMALL.replace(**changes)))
    expected = configs.load(path).sizes()[size]
    assert expected != got[size]
    said = refused(checkpoint(SMALL), Options(config=str(path)))
    assert said.startswith(
        f"contradicts its config ({path}): {size}: the config says {expected}, "
        f"the checkpoint {got[size]}. "
    )
    remedy = "--override-config" if size == "joints" else "or --sizes-from-checkpoint to take the"
    assert remedy in said
    accept = Options(config=str(path), sizes_from_checkpoint=True)
    if size == "joints":
        assert refused(checkpoint(SMALL), accept) == said
        return
    resolved = resolve(checkpoint(SMALL), MAPPING, accept)
    assert resolved.config == SMALL
    assert resolved.notes == (
        f"sizes from the checkpoint ({size}: the config says {expected}, "
        f"the checkpoint {got[size]})",
    )


def test_every_contradiction_is_named_at_once(tmp_path, checkpoint):
    config = SMALL.replace(encoder_layers=3, decoder_layers=2, num_labels=6)
    (tmp_path / "model.yaml").write_text(as_yaml(config))
    said = refused(checkpoint(SMALL))
    assert said.startswith("contradicts its config (model.yaml beside it): ")
    assert "encoder_layers: the config says 3, the checkpoint 2; " in said
    assert "decoder_layers: the config says 2, the checkpoint 3; " in said
    assert "num_labels: the config says 6, the checkpoint 5. " in said
    resolved = resolve(checkpoint(SMALL), MAPPING, Options(sizes_from_checkpoint=True))
    assert resolved.config == SMALL


def test_a_stored_config_that_contradicts_its_own_tensors_is_no_exception(checkpoint):
    found = checkpoint(LSA_64, stored=configs.named("wlasl-100").model_dump(mode="json"))
    said = refused(found)
    assert said.startswith("contradicts its config (stored in the checkpoint): num_labels: ")
    resolved = resolve(found, MAPPING, Options(sizes_from_checkpoint=True))
    assert resolved.config.num_labels == 64
    assert len(resolved.notes) == 1


def test_sizes_from_the_checkpoint_must_make_a_valid_config(tmp_path, checkpoint):
    (tmp_path / "model.yaml").write_text(as_yaml(LSA_64))
    found = checkpoint(LSA_64.replace(d_model=120, **dict.fromkeys(HEADS, 8)))
    said = refused(found, Options(sizes_from_checkpoint=True))
    assert said.startswith(" (sizes from the checkpoint): ")
    assert "encoder_attention_heads 16 does not divide d_model 120" in said


def test_a_size_that_no_tensor_carries_is_not_made_up(checkpoint):
    full = {t.torch: np.zeros(t.torch_shape, np.float32)
            for t in transfer.plan(MAPPING, SMALL.sizes()).transfers}  # fmt: skip
    headless = {name: a for name, a in full.items() if not name.startswith("classification")}
    assert "settle all but" in refused(checkpoint(headless))
    said = refused(checkpoint(headless), Options(heads=4, joints=SMALL.joint_idx))
    assert said == " (sizes of its tensors): missing num_labels"


def test_one_damaged_tensor_does_not_change_what_is_found(checkpoint):
    """It is the finding of the check that follows, not a contradiction of the whole config."""
    full = {t.torch: np.zeros(t.torch_shape, np.float32)
            for t in transfer.plan(MAPPING, LSA_64.sizes()).transfers}  # fmt: skip
    full["decoder.layers.1.fc1.weight"] = np.zeros((128, 256), np.float32)
    assert resolve(checkpoint(full), MAPPING, Options(config="lsa-64")).config == LSA_64


def test_a_checkpoint_of_another_model(checkpoint):
    other = {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}
    for options in (Options(), Options(config="lsa-64"), Options(heads=16, joints=(1,))):
        said = refused(checkpoint(other), options)
        what, _, hint = said.partition(". ")
        assert what == "holds no tensor of a SignBART (first: conv1.weight)"
        assert "Write a mapping: signbart-port plan " in hint


def test_a_mapping_with_a_size_that_no_config_has(tmp_path, checkpoint):
    path = tmp_path / "mine.yaml"
    path.write_text(MAPPING.path.read_text().replace("in: joints", "in: jonits"))
    mine = transfer.load(path)
    for options in (
        Options(),
        Options(config="lsa-64"),
        Options(heads=16, joints=LSA_64.joint_idx),
    ):
        with pytest.raises(
            PortError, match=r"mine\.yaml: line \d+: the config has no size 'jonits"
        ):
            resolve(checkpoint(LSA_64), mine, options)


def test_options_override_only_what_they_say():
    assert Options().override() == {}
    assert Options(heads=2, joints=(1, 2), layout="full").override() == {
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "joint_idx": (1, 2),
        "layout": "full",
    }


def _container(path, config):
    arrays = {name: torch.from_numpy(array) for name, array in state_dict(SMALL).items()}
    torch.save({"model": arrays, "config": config}, path)
    return read(path, NameRules(MAPPING.unwrap, MAPPING.strip_prefixes))


def test_stored_values_that_are_no_plain_data_are_asked_for(tmp_path):
    """NumPy's numbers and tensors are left unread: sizes are those of the weights, and of heads and
    joints it is said how to give them."""
    plain = SMALL.model_dump() | {"joint_idx": list(SMALL.joint_idx)}
    heads = dict.fromkeys(HEADS, np.int64(4))
    odd = plain | heads | {"num_labels": np.int64(SMALL.num_labels)}
    odd["joint_idx"] = torch.tensor(SMALL.joint_idx)
    path = tmp_path / "model.pth"
    found = _container(path, odd)
    assert refused(found) == (
        " (stored config): has no plain data under encoder_attention_heads,"
        " decoder_attention_heads, joint_idx: left unread. Say it with --heads N --joints"
        " NAME|LIST, or with --config FILE"
    )
    given = Options(heads=4, joints=SMALL.joint_idx)
    with pytest.raises(PortError, match="no plain data under decoder_attention_heads:"):
        resolve(_container(path, plain | {HEADS[1]: np.int64(4)}), MAPPING, Options())
    resolved = resolve(found, MAPPING, given)
    assert resolved.config == SMALL.replace(**dict.fromkeys(HEADS, 4))
    assert f"num_labels {SMALL.num_labels}, from the tensors" in resolved.notes


def test_a_size_that_a_stored_config_leaves_out_is_missing(tmp_path):
    plain = {key: value for key, value in SMALL.model_dump().items() if key != "d_model"}
    with pytest.raises(PortError, match="missing d_model"):
        resolve(_container(tmp_path / "model.pth", plain), MAPPING, Options())


def test_the_config_beside_the_weights_in_a_tuple(tmp_path):
    arrays = {name: torch.from_numpy(array) for name, array in state_dict(SMALL).items()}
    torch.save((arrays, SMALL.model_dump()), tmp_path / "model.pth")
    found = wanted.read(tmp_path / "model.pth", MAPPING)
    resolved = resolve(found, MAPPING, Options())
    assert (resolved.config, resolved.origin) == (SMALL, "stored in the checkpoint under 1")
