"""Configs as other programs write them: what is found, passed over, said and refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError
from tests.support.small_models import small_config

PLAIN: dict[str, Any] = small_config().model_dump(exclude={"training"})
BARTS_OWN = {
    "activation_function": "gelu",
    "architectures": ["SignBart"],
    "bos_token_id": 0,
    "forced_bos_token_id": None,
    "init_std": 0.02,
    "is_encoder_decoder": True,
    "model_type": "bart",
    "num_hidden_layers": 6,
    "early_stopping": False,
    "scale_embedding": False,
    "use_cache": True,
    "vocab_size": 4,
}
TRANSFORMERS_4 = {"torch_dtype": "float32", "transformers_version": "4.46.0"}
TRANSFORMERS_5 = {"dtype": "float32", "transformers_version": "5.1.0", "tie_word_embeddings": None}
WORDS = ("شكرا", "كتاب", "أب", "thank you", "猫")


def hub(**changes: Any) -> dict[str, Any]:
    """A config of the hub, with the names of its classes and without their number."""
    names = {str(number): word for number, word in enumerate(WORDS)}
    data = PLAIN | BARTS_OWN | TRANSFORMERS_4 | {"id2label": names}
    data["label2id"] = {word: number for number, word in enumerate(WORDS)}
    del data["num_labels"]
    return {key: value for key, value in (data | changes).items() if value != "absent"}


def read(data: dict[str, Any]) -> SignBartConfig:
    return configs.parse(configs.adapt(data, "it").data, "it")


def refusal(data: dict[str, Any], **options: Any) -> str:
    with pytest.raises(PortError) as refused:
        configs.parse(configs.adapt(data, "it", **options).data, "it")
    return str(refused.value).removeprefix("it: ")


@pytest.mark.parametrize("version", [TRANSFORMERS_4, TRANSFORMERS_5])
def test_a_config_of_the_hub(version: dict[str, Any]) -> None:
    adapted = configs.adapt(hub(**version), "it")
    assert adapted.hub
    assert read(hub(**version)) == small_config(class_names=WORDS)
    assert f"num_labels {len(WORDS)}, the number of names in id2label" in adapted.notes
    assert any("of BART's own, without effect" in note for note in adapted.notes)
    assert not any("unknown" in note for note in adapted.notes)


def test_a_null_of_the_hub_is_not_set() -> None:
    adapted = configs.adapt(hub(classifier_dropout=None, num_labels=None), "it")
    assert "null, so not set: classifier_dropout" in ", ".join(adapted.notes)
    assert read(hub(classifier_dropout=None)).classifier_dropout == 0.0
    assert refusal(hub(d_model=None)) == "missing d_model"
    assert "got None" in refusal(PLAIN | {"classifier_dropout": None})  # not of the hub


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("activation_function", "relu"),
        ("activation_function", "gelu_new"),
        ("scale_embedding", True),
        ("normalize_before", True),
        ("quantization_config", {"load_in_8bit": True}),
        ("pruned_heads", {"0": [1]}),
    ],
)
def test_a_bart_that_computes_something_else_is_refused(key: str, value: Any) -> None:
    said = refusal(hub(**{key: value}))
    assert said.startswith(f"is no config of a SignBART: {key} is ")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id2label": {"0": "a", "2": "b"}, "label2id": None}, "2 names, but none for the class 1"),
        ({"id2label": {"0": "a", "x": "b"}, "label2id": None}, "'x' where the number of a class"),
        ({"id2label": {"0": "a", "1": 5}, "label2id": None}, "unusable name '5'"),
        ({"id2label": {"0": "a", "1": "b\n"}, "label2id": None}, "unusable name"),
        ({"id2label": "words.json", "label2id": None}, "id2label is no map of names"),
        ({"label2id": {WORDS[0]: 1}}, "as class 1, which is"),
        ({"id2label": None, "label2id": {"a": 0, "b": 0}}, "two names to the class 0"),
        ({"num_labels": 4}, "has 5 names of classes, num_labels is 4"),
        ({"class_names": ["a", "b", "c", "d", "e"]}, "class_names and id2label disagree"),
    ],
)
def test_names_of_classes_that_cannot_be_used(changes: dict[str, Any], says: str) -> None:
    assert says in refusal(hub(**changes))


def test_names_in_other_forms() -> None:
    assert read(hub(id2label=None)).class_names == WORDS
    assert read(hub(id2label=dict(enumerate(WORDS)))).class_names == WORDS
    assert read(hub(id2label=list(WORDS), label2id=None)).class_names == WORDS
    backwards = {str(n): WORDS[n] for n in reversed(range(len(WORDS)))}
    assert read(hub(id2label=backwards)).class_names == WORDS


def test_placeholders_are_no_names() -> None:
    config = read(hub(id2label={str(n): f"LABEL_{n}" for n in range(5)}, label2id=None))
    assert config.class_names is None and config.num_labels == 5


def test_classes_of_one_name_are_said() -> None:
    names = {"0": "a", "1": "a", "2": "b", "3": "c", "4": "d"}
    data = hub(id2label=names, label2id=None)
    assert any('same name: "a"' in note for note in configs.adapt(data, "it").notes)
    assert read(data).class_names == ("a", "a", "b", "c", "d")


def test_names_are_as_many_as_classes() -> None:
    assert "class_names has 2 names, num_labels is 5" in refusal(
        PLAIN | {"class_names": ["a", "b"]}
    )
    assert "class_names" not in small_config().model_dump()
    named = small_config(class_names=WORDS)
    assert configs.parse(json.loads(named.model_dump_json()), "again") == named


def test_keys_of_other_programs_are_passed_over_and_named() -> None:
    data = PLAIN | {"wandb": True, "project": {"a": 1}, "model": "signbart", 7: 1}
    assert configs.adapt(data, "it").notes == (
        "unknown keys, passed over: wandb, project, model, 7",
    )
    assert read(data) == small_config()
    assert refusal(data | {"dropuot": 0.1}).startswith(
        "unknown keys 'wandb', 'project', 'model', '7', 'dropuot'. Did you mean 'dropout'"
    )
    assert "Did you mean 'd_model'" in refusal(data | {"model": 128})
    many = PLAIN | {f"key_{number}": 1 for number in range(30)}
    assert configs.adapt(many, "it").notes[0].endswith("key_19 and 10 more")


def test_a_misspelt_key_of_a_training_is_no_matter_in_a_checkpoint() -> None:
    data = PLAIN | {"epoch": 3}
    assert "Did you mean 'epochs'" in refusal(data)
    assert configs.adapt(data, "it", stored=True).notes == ("unknown keys, passed over: epoch",)
    assert "Did you mean 'dropout'" in refusal(PLAIN | {"dropuot": 3}, stored=True)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"model": PLAIN, "seed": 3}, "model"),
        ({"exp": {"net": {"params": PLAIN}}, "seed": 3}, "exp.net.params"),
        ({"training": {"seed": 3}, "cfg": PLAIN}, "cfg"),
    ],
)
def test_a_config_in_a_section(data: dict[str, Any], where: str) -> None:
    adapted = configs.adapt(data, "it")
    assert adapted.notes == (f"the keys of the model are under {where}",)
    assert read(data) == small_config(training={"seed": 3})


def test_a_config_in_several_sections() -> None:
    shape = {key: value for key, value in PLAIN.items() if key not in ("num_labels", "joint_idx")}
    rest = {"num_labels": 5, "joint_idx": [[11, 0], [2, 3, 5, 7]]}
    assert read({"model": shape, "data": rest}) == small_config()
    assert read({**rest, "model": shape}) == small_config()
    assert read({**rest, "model": PLAIN}) == small_config()
    said = refusal({"student": PLAIN, "teacher": PLAIN | {"decoder_attention_heads": 8}})
    assert said == (
        "says decoder_attention_heads twice: 4 (under student) and 8 (under teacher)."
        " Keep the one that is meant, or say it with --config FILE of that alone"
    )


def test_groups_of_joints_are_said() -> None:
    data = PLAIN | {"joint_idx": {"left": [11, 0], "right": [2, 3, 5, 7]}}
    assert configs.adapt(data, "it").notes == (
        "joint_idx: 2 groups, read as one list in their order",
    )
    assert read(data) == small_config()


@pytest.mark.parametrize("key", ["encoder_attn_heads", "n_heads", "num_heads"])
def test_an_unknown_key_is_named_beside_what_is_missing(key: str) -> None:
    """None is near enough to be a misspelling, and one of them may be what was meant."""
    data = {name: value for name, value in PLAIN.items() if name != "encoder_attention_heads"}
    adapted = configs.adapt(data | {key: 2, "seed": 1}, "it")
    assert adapted.passed_over == (key,)
    with pytest.raises(PortError) as refused:
        configs.parse(adapted.data, "it", passed_over=adapted.passed_over)
    assert str(refused.value) == (
        f"it: missing encoder_attention_heads. Is it one of the unknown keys? Rename it: {key}"
    )
    assert refusal(data) == "missing encoder_attention_heads"


def test_many_wrong_items_of_one_key_are_one_finding() -> None:
    said = refusal(PLAIN | {"joint_idx": ["NOSE", "LEFT_WRIST", 3]})
    assert said == (
        "joint_idx.0: Input should be a valid integer, got the text 'NOSE' (and 1 more)"
    )


def test_groups_of_joints_as_text() -> None:
    groups = {"body": [11, 0], "left": "2-3", "right": "5, 7"}
    assert read(PLAIN | {"joint_idx": groups}) == small_config()
