"""What a .tflite says of itself: to JSON and back, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signbart_port.cli import main
from signbart_port.data.model_interface import Interface
from signbart_port.errors import PortError
from signbart_port.system import digest
from signbart_port.tflite import metadata
from signbart_port.tflite.card import Card
from tests.support.cards import a_card, bare
from tests.support.small_models import small_config

CONFIG = small_config()
ACCURACY = {
    "clips": 60,
    "scores": ({"model": "model.h5", "top1": 0.5, "top5": 1.0, "agreement": 1.0},),
    "drop": -1.5,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"labels": None, "accuracy": ACCURACY, "output": "probabilities", "layout": "selected"},
        {"frames": (), "longest": 256, "preprocessing": True, "count_missing": False},
        {"labels": ("سلام", 'a "b"\\', "[red]", "<b>", "\x1b[2J"), "source": {}},
    ],
)
def test_json_and_back(changes: dict[str, Any]) -> None:
    card = a_card(CONFIG, **changes)
    assert Card.of_json(card.to_json()) == card
    newer = json.loads(card.to_json()) | {"license": "a field of tomorrow"}
    assert Card.of_json(json.dumps(newer)) == card


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 3}, "is not of schema 1 or 2"),
        ({"labels": "abc"}, "has no labels that can be used: abc is not a list"),
        ({"labels": ["a", 1]}, "1 is not of type str"),
        ({"labels": ["a"] * 100_001}, "is not a list"),
        ({"joint_idx": [-1]}, "-1 is not a number up to 100,000"),
        ({"joint_idx": [True]}, "True is not a number"),
        ({"keypoints": 10**9}, "is not a number"),
        ({"keypoints": 0}, "has no keypoints that can be used: 0 is too few"),
        ({"groups": {"body": [1]}}, "is not two numbers"),
        ({"frames": [64, 16]}, "has no frames that can be used"),
        ({"frames": [16, 16]}, "has no frames that can be used"),
        ({"frames": [0]}, "0 is too few"),
        ({"longest": 15}, "has no frames that can be used"),
        ({"preprocessing": 1}, "1 is not of type bool"),
        ({"layout": "half"}, "half is not full or selected"),
        ({"output": None}, "None is not logits or probabilities"),
        ({"source": {"model.h5": 1}}, "1 is not of type str"),
        ({"proof": {}}, "has no proof that can be used: has no passed"),
        ({"accuracy": ACCURACY | {"drop": "1"}}, "1 is not a finite number"),
        ({"version": "\x1b[2J" * 100_000, "layout": "\x1b[2J"}, r"\x1b[2J is not full"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], says: str) -> None:
    said = json.loads(a_card(CONFIG).to_json())
    with pytest.raises(ValueError) as refused:
        Card.of_json(json.dumps(said | changes))
    assert says in str(refused.value)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 300


NAMED = {"skeleton", "takes", "contract", "unproven"}  # only where they are not the usual ones


@pytest.mark.parametrize("field", sorted(Card.__dataclass_fields__.keys() - NAMED))
def test_every_field_is_needed(field: str) -> None:
    said = json.loads(a_card(CONFIG).to_json())
    del said[field]
    with pytest.raises(ValueError, match=f"^has no {field}$"):
        Card.of_json(json.dumps(said))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"schema": 1}', "NaN"])
def test_what_is_no_card(text: str) -> None:
    with pytest.raises(ValueError):
        Card.of_json(text)


def test_what_is_not_finite_is_no_json() -> None:
    said = a_card(CONFIG).to_json()
    assert "1e-05" in said
    for number in ("NaN", "Infinity", "1e999"):
        with pytest.raises(ValueError, match="is not a finite number"):
            Card.of_json(said.replace("1e-05", number))


def test_the_card_of_an_emitted_file(ported: Path) -> None:
    card, config = metadata.read(ported / "model.tflite"), CONFIG
    assert card is not None
    assert (card.joint_idx, card.keypoints) == (config.joint_idx, config.keypoints)
    assert (card.frames, card.longest) == ((16,), 16)
    assert (card.labels, card.accuracy) == (None, None)
    assert (card.output, card.quantization, card.preprocessing) == ("logits", "none", False)
    assert (card.layout, card.count_missing) == (config.layout, config.count_missing)
    assert card.groups["left hand"] == (33, 54)
    assert card.source == {
        name: digest.of_file(ported / name) for name in ("model.h5", "model.pth")
    }
    assert card.proof["passed"] is True
    assert card.proof["from_pytorch"] is False, "the .h5 was converted with verify=False"
    (length,) = card.proof["lengths"]
    assert length["frames"] == 16 and length["same_class"] == (7, 7)
    assert 0 < length["error"] <= length["limit"]


@pytest.fixture(scope="module")
def plain(small_tflite: Callable[..., Path]) -> bytes:
    """A file without a card."""
    return bare(small_tflite(5, 16))


@pytest.fixture
def inspected(
    plain: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """What `inspect` prints of a file with such a card."""

    def program(*arguments: str, **card: Any) -> str:
        path = tmp_path / "model.tflite"
        path.write_bytes(metadata.attach(plain, a_card(CONFIG, (5, 16), **card)))
        monkeypatch.setattr("sys.argv", ["signbart-port", "inspect", str(path), *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        return capsys.readouterr().out

    return program


def test_inspect_shows_it(inspected: Callable[..., str]) -> None:
    labels = ("سلام", "[red]dog", "\x1b[2J", "cat", "two words")
    printed = inspected(labels=labels, accuracy=ACCURACY, source={"[b]m.h5": "12ab"})
    assert "\x1b" not in printed
    for words in (
        r"سلام, [red]dog, \x1b[2J, cat, two words",
        "5, 16 frames of 12 keypoints, normalized, the whole skeleton; missing points count",
        "11,0,2-3,5,7",
        "serving_default 16, frames_5 5",
        "logits; quantization none",
        "[b]m.h5 12ab",
        "equal to Keras; the .h5 not proven against PyTorch",
        "16 frames: error 1.0e-06, limit 1.0e-05; same class for 7 of 7 synthetic clips",
        "model.h5: top-1 50.0%, top-5 100.0%, same prediction 100.0% of 60 clips",
        "signbart-port 0.1.0",
    ):
        assert words in printed


@pytest.mark.parametrize(("keypoints", "takes"), [(75, None), (80, None), (100, "mediapipe-100")])
def test_raw_keypoints_of_version_0_1(keypoints: int, takes: str | None) -> None:
    """It took any number from 75 on for `--skeleton`, and normalized the face's share of them."""
    raw = Interface(keypoints, preprocessing=True)
    found = a_card(CONFIG, interface=raw).interface_of(Path("a.tflite"))
    assert found.keypoints == keypoints and (found.takes.name if found.takes else None) == takes
    assert [len(group) for group in found.skeleton.spans(80)] == [6, 21, 21, 5]


def test_raw_keypoints_of_no_skeleton() -> None:
    raw = Interface(74, preprocessing=True)
    with pytest.raises(PortError, match="has 74 keypoints, not those of a skeleton"):
        a_card(CONFIG, interface=raw).interface_of(Path("a.tflite"))


def test_inspect_folds_many_labels(inspected: Callable[..., str]) -> None:
    printed = inspected(labels=tuple(f"sign-{n}" for n in range(2000)))
    assert "sign-9 and 1,990 more" in printed and "sign-10" not in printed


def test_inspect_for_machines(inspected: Callable[..., str]) -> None:
    card = json.loads(a_card(CONFIG, (5, 16)).to_json()) | dict.fromkeys(NAMED)
    assert json.loads(inspected("--json"))["card"] | {"schema": 1} == card
