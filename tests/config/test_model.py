"""Configs: what is accepted, what is refused and how it is said."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from signbart_port import config as configs
from signbart_port.config import SIZES, SignBartConfig, joints, training
from signbart_port.errors import PortError
from tests.support.small_models import small_config

VALID = """\
d_model: 128
encoder_layers: 2
encoder_attention_heads: 16
encoder_ffn_dim: 256
decoder_layers: 2
decoder_attention_heads: 16
decoder_ffn_dim: 256
max_position_embeddings: 256
num_labels: 64
joint_idx: [11, 12, 0, 32]
dropout: 0.1
"""
COUNTS = [line.split(":")[0] for line in VALID.splitlines()[:9]]
RATES = [name for name in SignBartConfig.model_fields if name.endswith(("dropout", "drop"))]

POSE_HANDS = (11, 12, 13, 14, 15, 16, *range(33, 75))
# The published configs: d_model, ffn, heads, max positions, labels, dropout, classifier_dropout,
# layerdrop, number of joints.
PUBLISHED = {
    "lsa-64": (128, 256, 16, 256, 64, 0.0, 0.4, 0.2, 48),
    "wlasl-100": (128, 256, 16, 256, 100, 0.0, 0.4, 0.2, 48),
    "asl-citizen-100": (128, 256, 16, 256, 100, 0.0, 0.4, 0.2, 48),
    "wlasl-300": (256, 512, 16, 256, 300, 0.2, 0.4, 0.2, 48),
    "wlasl-1000": (256, 768, 16, 256, 1000, 0.2, 0.4, 0.2, 48),
    "asl-citizen-1000": (256, 768, 16, 256, 1000, 0.2, 0.4, 0.2, 48),
    "wlasl-2000": (256, 1024, 16, 256, 2000, 0.2, 0.4, 0.2, 48),
    "asl-citizen-200": (256, 512, 16, 256, 200, 0.0, 0.4, 0.2, 48),
    "asl-citizen-400": (256, 768, 16, 256, 400, 0.2, 0.4, 0.2, 48),
    "karsl-100-signers-01-02": (128, 256, 1, 512, 100, 0.0, 0.5, 0.1, 48),
    "karsl-100-signer-03-all": (128, 256, 16, 512, 100, 0.0, 0.4, 0.2, 48),
    "karsl-190": (256, 512, 16, 256, 190, 0.0, 0.4, 0.2, 48),
    "karsl-502": (256, 768, 16, 512, 502, 0.2, 0.4, 0.2, 48),
    "arabic-asl": (144, 144, 8, 256, 10, 0.3, 0.7, 0.4, 100),
}


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "model.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refusal(written):
    """The message with which a config is refused, without the file's name."""

    def refuse(text):
        path = written(text)
        with pytest.raises(PortError) as refused:
            configs.load(path)
        message = str(refused.value)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        return message.removeprefix(f"{path}: ")

    return refuse


def with_value(key, value):
    kept = [line for line in VALID.splitlines() if not line.startswith(f"{key}:")]
    return "\n".join([*kept, f"{key}: {value}", ""])


def without(key):
    return "".join(line for line in VALID.splitlines(True) if not line.startswith(f"{key}:"))


def test_there_is_a_published_config_for_every_row_of_the_table():
    assert configs.published_names() == tuple(sorted({*PUBLISHED, "arabic-asl-90"}))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_has_the_published_values(name):
    d_model, ffn, heads, positions, labels, dropout, classifier, layerdrop, count = PUBLISHED[name]
    assert configs.named(name).model_dump() == {
        "d_model": d_model,
        "encoder_layers": 2,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": ffn,
        "decoder_layers": 2,
        "decoder_attention_heads": heads,
        "decoder_ffn_dim": ffn,
        "max_position_embeddings": positions,
        "num_labels": labels,
        "joint_idx": POSE_HANDS if count == 48 else tuple(range(100)),
        "dropout": dropout,
        "attention_dropout": 0.0,
        "activation_dropout": 0.1,
        "classifier_dropout": classifier,
        "encoder_layerdrop": layerdrop,
        "decoder_layerdrop": layerdrop,
        "pe": "learn",
        "layout": "full",
        "count_missing": True,
        "training": {},
    }
    assert configs.find(name) == configs.named(name)


def test_a_config_file_is_read(written):
    config = configs.load(written(VALID))
    assert config.sizes() == {
        "d_model": 128,
        "encoder_layers": 2,
        "encoder_ffn_dim": 256,
        "decoder_layers": 2,
        "decoder_ffn_dim": 256,
        "max_position_embeddings": 256,
        "num_labels": 64,
        "joints": 4,
    }
    assert tuple(config.sizes()) == SIZES
    assert config.joint_idx == (11, 12, 0, 32)
    assert (config.dropout, config.classifier_dropout, config.layout) == (0.1, 0.0, "full")
    assert configs.find(str(written(VALID))) == config


def test_k_is_the_smallest_skeleton_or_the_joints_themselves(written):
    full = configs.load(written(VALID))
    assert full.keypoints == 33
    assert full.replace(layout="selected").keypoints == 4


@pytest.mark.parametrize("text", ["1e-5", "0.00001", "1E-05"])
def test_a_dropout_in_scientific_notation_is_a_number(written, text):
    assert configs.load(written(with_value("dropout", text))).dropout == 1e-5


def test_a_whole_number_is_a_dropout_too(written):
    assert configs.load(written(with_value("dropout", "0"))).dropout == 0.0


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize(
    "value", ["null", "", "-1", "0", "2.0", "2.5", "true", "'2'", "two", "[2]", "{a: 2}", "1000000"]
)
def test_a_count_is_a_positive_whole_number(refusal, key, value):
    assert refusal(with_value(key, value)).startswith(f"{key}: Input should be ")


@pytest.mark.parametrize("key", RATES)
@pytest.mark.parametrize(
    "value", ["null", "-0.1", "1", "1.5", ".nan", ".inf", "true", "'0.1'", "'1e-5'", "no", "[0.1]"]
)
def test_a_dropout_is_a_number_from_0_to_below_1(refusal, key, value):
    assert refusal(with_value(key, value)).startswith(f"{key}: Input should be ")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("null", "joint_idx: Input should be a list of joint numbers, got None"),
        ("5", "joint_idx: Input should be a list of joint numbers, got 5"),
        (
            "pose_hand",
            "joint_idx: joints are a name (hands_only, pose_hands, full_75, full_100) or"
            " numbers such as 11-16,33-74, got pose_hand",
        ),
        ("[]", "joint_idx: Tuple should have at least 1 item after validation, not 0, got ()"),
        ("[1, -2]", "joint_idx.1: Input should be greater than or equal to 0, got -2"),
        ("[1, 2.0]", "joint_idx.1: Input should be a valid integer, got 2.0"),
        ("[0, true]", "joint_idx.1: Input should be a valid integer, got True"),
        (
            "[1, '2']",
            "joint_idx.1: Input should be a valid integer, got the text '2': remove the quotes",
        ),
        ("[0, {a: 1}]", "joint_idx.1: Input should be a valid integer, got {'a': 1}"),
        ("[0, [1, x]]", "joint_idx.2: Input should be a valid integer, got the text 'x'"),
        ("[0, 100000]", "joint_idx.1: Input should be less than 100000, got 100000"),
    ],
)
def test_joints_are_a_list_of_whole_numbers(refusal, value, said):
    assert refusal(with_value("joint_idx", value)) == said


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("pose_hands", POSE_HANDS),
        ("11-16,33-74", POSE_HANDS),
        ("'11-16, 33-74'", POSE_HANDS),
        ("[11-16, 33-74]", POSE_HANDS),
        ("[[11, 12], [23, 24, 25], [84]]", (11, 12, 23, 24, 25, 84)),
        ("[[11, 12], 23, [[84]]]", (11, 12, 23, 84)),
        ("[[11-12], [84-85]]", (11, 12, 84, 85)),
        ("{face: [84, 85], body: [11]}", (84, 85, 11)),
    ],
)
def test_joints_by_name_in_ranges_and_in_groups(written, text, listed):
    assert configs.load(written(with_value("joint_idx", text))).joint_idx == listed


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("num_labels", "'5'", "a valid integer, got the text '5': remove the quotes"),
        ("num_labels", "five", "a valid integer, got the text 'five'"),
        ("dropout", '"0.1"', "a valid number, got the text '0.1': remove the quotes"),
        ("dropout", "no", "a valid number, got the text 'no'"),
        ("count_missing", "'true'", "a valid boolean, got the text 'true': remove the quotes"),
        ("count_missing", "yes", "a valid boolean, got the text 'yes'"),
    ],
)
def test_text_where_a_number_should_be_is_called_text(refusal, key, value, said):
    assert refusal(with_value(key, value)) == f"{key}: Input should be {said}"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pe", "sin", "pe: Input should be 'learn', got sin"),
        ("pe", "null", "pe: Input should be 'learn', got None"),
        ("layout", "no", "layout: Input should be 'full' or 'selected', got no"),
        ("layout", "on", "layout: Input should be 'full' or 'selected', got on"),
        ("training", "5", "training: Input should be a valid dictionary, got 5"),
        ("training", "[epochs]", "training: Input should be a valid dictionary, got ['epochs']"),
        ("keypoint_config", "NO", "unknown keypoint_config 'NO'. Known: hands_only, pose_hands, "),
        ("keypoint_config", "[1]", "unknown keypoint_config '[1]'. Known: hands_only, pose_hands"),
        ("keypoint_config", "null", "unknown keypoint_config 'None'. Known: hands_only, pose_ha"),
    ],
)
def test_a_word_is_one_of_those_known(refusal, key, value, said):
    assert refusal(with_value(key, value)).startswith(said)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_whether_missing_points_count(written, text, value):
    assert configs.load(written(with_value("count_missing", text))).count_missing is value


@pytest.mark.parametrize("value", ["null", "1", "0.0", "no", "'true'", "[true]"])
def test_whether_missing_points_count_is_true_or_false(refusal, value):
    assert refusal(with_value("count_missing", value)).startswith(
        "count_missing: Input should be a valid boolean, got "
    )


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_heads_divide_d_model(refusal, stack):
    key = f"{stack}_attention_heads"
    assert refusal(with_value(key, "12")) == f"config: {key} 12 does not divide d_model 128"
    assert refusal(with_value(key, "256")) == f"config: {key} 256 does not divide d_model 128"


def test_missing_keys_are_named_together(refusal):
    text = without("d_model").replace("num_labels: 64\n", "")
    assert refusal(text) == "missing d_model, num_labels"
    assert refusal(without("joint_idx")) == "missing joint_idx"
    assert refusal("dropout: 0.1\n").startswith(f"missing {', '.join(COUNTS)}, joint_idx")


def test_everything_wrong_is_said_at_once(refusal):
    text = with_value("d_model", "-1").replace("num_labels: 64\n", "dropout2: 1\n")
    assert refusal(text).startswith("unknown key 'dropout2'")
    said = refusal(text.replace("dropout2: 1\n", "").replace("dropout: 0.1", "dropout: 2"))
    assert said.startswith("missing num_labels; ")
    assert "d_model: Input should be greater than or equal to 1, got -1" in said
    assert "dropout: Input should be less than 1, got 2" in said


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("d_modle", "d_model"),
        ("encoder_layer", "encoder_layers"),
        ("encoder_attention_head", "encoder_attention_heads"),
        ("joints_idx", "joint_idx"),
        ("keypoints_config", "keypoint_config"),
        ("classifer_dropout", "classifier_dropout"),
        ("learning_rates", "learning_rate"),
        ("Dropout", "dropout"),
    ],
)
def test_an_unknown_key_gets_a_suggestion(refusal, key, meant):
    assert refusal(f"{VALID}{key}: 1\n") == f"unknown key '{key}'. Did you mean {meant!r}?"


def test_several_unknown_keys_are_named_at_once(refusal):
    said = refusal(f"{VALID}dropuot: 1\nwandb: true\nlearning_rates: 2\n")
    assert said == (
        "unknown keys 'dropuot', 'wandb', 'learning_rates'."
        " Did you mean 'dropout' for 'dropuot', 'learning_rate' for 'learning_rates'?"
    )


def test_an_unknown_key_in_a_file_of_our_own_gets_the_list():
    with pytest.raises(PortError) as refused:
        configs.parse(small_config().model_dump() | {"zzz": 1, "k" * 1000: 2}, "own")
    said = str(refused.value)
    assert said.startswith("own: unknown keys 'zzz', 'kkk") and len(said) < 1500
    assert "Known keys: activation_dropout, attention_dropout, " in said
    assert "keypoint_config" in said and "weight_decay" in said


def test_a_key_from_python_need_not_be_a_string():
    with pytest.raises(PortError, match=r"unknown key '3'\. Known keys"):
        SignBartConfig.of({3: 4})


def test_training_keys_are_kept_and_ignored(written):
    plain = configs.load(written(VALID))
    extra = "data_root: /data\nepochs: 200\nlearning_rate: 2e-5\noptimizer: {name: AdamW}\nseed:\n"
    config = configs.load(written(VALID + extra))
    assert config.training == {
        "data_root": "/data",
        "epochs": 200,
        "learning_rate": 2e-5,
        "optimizer": {"name": "AdamW"},
        "seed": None,
    }
    assert config.replace(training={}) == plain
    assert configs.parse(config.model_dump(), "again") == config
    more = configs.parse(config.model_dump() | {"epochs": 7, "batch_size": 1}, "more")
    assert more.training == config.training | {"epochs": 7, "batch_size": 1}


def test_a_file_is_of_the_model_and_of_its_training(written):
    """What a block `training` says and what the top level says; the top level has the last word."""
    block = "training:\n  epochs: 1\n  seed: 2\n"
    said = configs.read(str(written(f"{VALID}epochs: 3\nlr: 1e-3\nnum_workers: 4\n{block}")))
    model, training = configs.training_keys(said)
    assert training == {"epochs": 3, "seed": 2, "lr": 1e-3, "num_workers": 4}
    assert model == configs.read(str(written(VALID)))
    assert list(model) == [line.split(":")[0] for line in VALID.splitlines()]
    assert configs.training_keys({"training": 5, "epochs": 3}) == ({}, 5)  # refused later
    assert configs.training_keys({"d_model": 3}) == ({"d_model": 3}, {})


def test_what_a_published_config_says():
    said = configs.read("lsa-64")
    assert configs.parse(said, "lsa-64") == configs.named("lsa-64")
    assert configs.training_keys(said)[1] == {}
    with pytest.raises(PortError, match="neither a file nor a published config"):
        configs.read("lsa65")


@pytest.mark.parametrize("key", sorted(training.KEYS))
def test_every_training_key_is_known(written, refusal, key):
    assert configs.load(written(f"{VALID}{key}: 1\n")).training == {key: 1}
    if key in training.IGNORED:  # to misspell one makes no difference
        assert configs.load(written(f"{VALID}{key}x: 1\n")).training == {}
        return
    assert refusal(f"{VALID}{key}x: 1\n") == f"unknown key '{key}x'. Did you mean {key!r}?"


@pytest.mark.parametrize("name", joints.NAMED)
def test_a_keypoint_config_stands_for_its_joints(written, name):
    text = without("joint_idx") + f"keypoint_config: {name}\n"
    assert configs.load(written(text)).joint_idx == joints.NAMED[name]
    for both in (list(joints.NAMED[name]), "null"):
        assert configs.load(written(f"{text}joint_idx: {both}\n")).joint_idx == joints.NAMED[name]


@pytest.mark.parametrize("listed", ["[11, 12, 0, 74]", "5", "[[1]]", "[]"])
def test_a_keypoint_config_and_other_joints_disagree(refusal, listed):
    text = with_value("joint_idx", listed) + "keypoint_config: pose_hands\n"
    assert refusal(text) == "keypoint_config pose_hands and joint_idx disagree. Keep one"


def test_the_command_line_has_the_last_word(written):
    text = with_value("keypoint_config", "pose_hands")
    config = configs.load(written(text), {"joint_idx": (3, 4), "encoder_attention_heads": 2})
    assert config.joint_idx == (3, 4)
    assert (config.encoder_attention_heads, config.decoder_attention_heads) == (2, 16)
    assert configs.named("lsa-64", {"layout": "selected"}).keypoints == 48
    with pytest.raises(PortError, match="encoder_attention_heads 3 does not divide"):
        configs.load(written(VALID), {"encoder_attention_heads": 3})


@pytest.mark.parametrize(
    "text", ["", "5\n", "- d_model\n", "a: 1\n---\nb: 2\n", "d_model: 1\n" * 2]
)
def test_what_is_no_mapping_of_keys_is_refused_by_file(refusal, text):
    assert refusal(text)


def test_neither_a_file_nor_a_published_name(tmp_path):
    with pytest.raises(PortError, match=r"lsa64: neither a file nor a published config. Published: "
        "arabic-asl, arabic-asl-90"):  # fmt: skip
        configs.find("lsa64")
    with pytest.raises(PortError, match="neither a file nor a published config"):
        configs.find("x" * 5000)
    with pytest.raises(PortError, match="does not exist"):
        configs.find(str(tmp_path / "none.yaml"))
    with pytest.raises(PortError, match="is a directory"):
        configs.find(str(tmp_path))


def test_a_config_is_immutable_and_a_replaced_one_is_valid():
    config = small_config()
    with pytest.raises(ValidationError):
        config.d_model = 5
    assert config.replace(num_labels=9).num_labels == 9
    with pytest.raises(ValidationError):
        config.replace(d_model=9)
    assert SignBartConfig.of(config) is config
    assert SignBartConfig.of(config.model_dump()) == config
    with pytest.raises(
        TypeError, match=r"a dict, not str: signbart_port\.config\.find\(NAME\) ret"
    ):
        SignBartConfig.of("lsa-64")


def test_as_many_layers_as_any_model_has():
    assert small_config(encoder_layers=100).encoder_layers == 100
    with pytest.raises(ValidationError, match="less than or equal to 100"):
        small_config(decoder_layers=101)
