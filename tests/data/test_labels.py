"""Label maps: a bijection of labels onto 0, 1, 2 ..., or an error that says what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from signbart_port.data.labels import read_label_maps, read_labels
from signbart_port.errors import PortError


def refused(path: Path, root: Path | None = None) -> str:
    with pytest.raises(PortError) as caught:
        read_label_maps(root) if root else read_labels(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and message.isprintable()
    return message


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ('{"b": 0, "a": 1}', ("b", "a")),
        ('{"b": 1, "a": 0}', ("a", "b")),
        ('{"1": "b", "0": "a"}', ("a", "b")),
        ('{"0": "1", "1": "0"}', ("1", "0")),
        ('{"1": 0, "0": 1}', ("1", "0")),
        ('\ufeff{"أ": 0, "un mot": 1}', ("أ", "un mot")),
        (json.dumps({f"{n}": n for n in range(2000)}), tuple(map(str, range(2000)))),
    ],
)
def test_either_way_round(tmp_path: Path, content: str, labels: tuple[str, ...]) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content, encoding="utf-8")
    assert read_labels(path) == labels


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 0, "b": 0}', 'gives "a" and "b" the same id 0'),
        ('{"a": 0, "b": 2}', "has 2 labels, but none with the id 1"),
        ('{"a": 1}', "none with the id 0"),
        ('{"a": -1, "b": 0}', "none with the id 1"),
        ('{"a": 0, "a": 1}', 'has the key "a" twice'),
        ('{"0": "a", "1": "a"}', "has 1 labels more than once"),
        ('{"0": "a", "00": "b"}', 'the key "00" where an id should be'),
        ('{"a": "0"}', 'the key "a" where an id should be'),
        ('{"a": 0.0}', 'gives "a" the id 0.0'),
        ('{"a": true}', 'gives "a" the id true'),
        ('{"a": null}', 'gives "a" the id null'),
        ('{"a": {"id": 0}}', 'gives "a" the id '),
        ('{"a": 0, "b": "1"}', 'gives "b" the id "1"'),
        ('{"": 0}', 'the unusable label ""'),
        ('{"a\\nb": 0}', r'the unusable label "a\nb"'),
        ('{"\\ud800": 0}', r'the unusable label "\ud800"'),
        ('{"\\u001b[2J": 0}', "the unusable label"),
        (json.dumps({"a" * 300: 0}), "the unusable label"),
        ("{}", "has no labels"),
        ("[]", "holds a list, not a map"),
        ('["a", "b"]', "holds a list, not a map"),
        ("0", "holds an int"),
        ("", "is not JSON: Expecting value in line 1"),
        ('{"a": 0,\n"b"}', "is not JSON: Expecting ':' delimiter in line 2"),
        ('{"a": NaN}', 'gives "a" the id NaN'),
        ("[" * 100_000, "is not a map of labels: maximum recursion"),
        ('{"a": ' + "9" * 5000 + "}", "is not a map of labels: Exceeds the limit"),
        (" " * (5 << 20), "has more than 4,194,304 bytes"),
    ],
)
def test_other_content(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "label2id.json"
    path.write_text(content)
    assert words in refused(path)


def test_other_files(tmp_path: Path) -> None:
    assert "is a directory" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path / "nothing")
    path = tmp_path / "latin.json"
    path.write_bytes('{"ü": 0}'.encode("latin-1"))
    assert "is not UTF-8 text" in refused(path)


def test_the_two_maps_of_a_dataset(tmp_path: Path) -> None:
    one, other = tmp_path / "label2id.json", tmp_path / "id2label.json"
    assert "it has no label2id.json" in refused(tmp_path, tmp_path)
    other.write_text('{"0": "a", "1": "b"}')
    assert read_label_maps(tmp_path) == ("a", "b")
    one.write_text('{"a": 0, "b": 1}')
    assert read_label_maps(tmp_path) == ("a", "b")
    one.write_text('{"a": 1, "b": 0}')
    assert '0 is "a" here, "b" in label2id.json' in refused(other, tmp_path)
    one.write_text('{"a": 0}')
    assert "has 2 labels, label2id.json has 1" in refused(other, tmp_path)
    one.write_text("{")
    assert "is not JSON" in refused(one, tmp_path)
    one.unlink()
    assert read_label_maps(tmp_path) == ("a", "b")
