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
        ('{"b": "1", "a": "0"}', ("a", "b")),
        ('{"5": "1", "7": "0"}', ("7", "5")),
        ('{"0": "5", "1": "7"}', ("5", "7")),
        ('["b", "a", "0"]', ("b", "a", "0")),
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
        ('{"a": 1}', "none with the id 0. The classes are numbered 0, 1, 2 and so on"),
        ('{"a": -1, "b": 0}', "none with the id 1"),
        ('{"a": 0, "a": 1}', 'has the key "a" twice'),
        ('{"0": "a", "1": "a"}', "has 1 labels more than once"),
        ('{"0": "a", "00": "b"}', 'the key "00" where an id should be'),
        ('{"a": "0", "b": "x"}', 'the key "a" where an id should be'),
        ('{"a": "0", "b": "0"}', 'gives "a" and "b" the same id 0'),
        ('{"a": "0", "b": "2"}', "has 2 labels, but none with the id 1"),
        ('{"é": 0, "e\\u0301": 1}', "has 1 labels more than once"),
        ('{"a": 0.0}', 'gives "a" the id 0.0'),
        ('{"a": true}', 'gives "a" the id true'),
        ('{"a": 2305843009213693951}', 'gives "a" the id 2305843009213693951'),
        ('{"a": null}', 'gives "a" the id null'),
        ('{"a": {"id": 0}}', 'gives "a" the id '),
        ('{"a": 0, "b": "1"}', 'gives "b" the id "1"'),
        ('{"": 0}', 'the unusable label ""'),
        ('{"a\\nb": 0}', r'the unusable label "a\nb". A label is one line'),
        ('{"\\ud800": 0}', r'the unusable label "\ud800"'),
        ('{"\\u001b[2J": 0}', "the unusable label"),
        (json.dumps({"a" * 300: 0}), "the unusable label"),
        ("{}", "has no labels"),
        ("[]", "has no labels"),
        ('["a", "a"]', "has 1 labels more than once"),
        ('["a", 1]', "holds an int where a label should be. Give a list of texts"),
        ('[["a", 0]]', "holds a list where a label should be"),
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


CYCLE = '{"0": "1", "1": "2", "2": "0"}'


def test_numbers_to_numbers_go_by_the_file_s_name(tmp_path: Path) -> None:
    for name, labels in (("label2id.json", ("2", "0", "1")), ("id2label.json", ("1", "2", "0"))):
        path = tmp_path / name
        path.write_text(CYCLE)
        assert read_labels(path) == labels
    path = tmp_path / "labels.json"
    path.write_text(CYCLE)
    assert "may be read either way. Write ids as numbers" in refused(path)


@pytest.mark.parametrize(
    "content", ["b\nun mot\n0", "b\nun mot\n0\n", "\ufeffb\r\nun mot\r\n0\r\n"]
)
def test_one_label_a_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(content, encoding="utf-8", newline="")
    assert read_labels(path) == ("b", "un mot", "0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no labels"),
        ("\n\n", "has no labels"),
        ("a\n\nb\n", "has nothing in line 2. Write one label a line"),
        ("a\na\n", "has 1 labels more than once"),
        ("0 a\n1 b\n", "has a number before each label. Write the labels alone"),
        ("1,a\n2,b", "has a number before each label"),
        ("a\tb\n", r'the unusable label "a\tb"'),
        ("{a\n", "is not JSON"),
    ],
)
def test_lines_that_are_no_labels(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(content)
    assert words in refused(path)


def test_labels_are_compared_in_one_form_of_unicode(tmp_path: Path) -> None:
    (tmp_path / "label2id.json").write_text('{"é": 0, "b": 1}', encoding="utf-8")
    (tmp_path / "id2label.json").write_text('{"0": "e\\u0301", "1": "b"}', encoding="utf-8")
    assert read_label_maps(tmp_path) == ("é", "b")


def test_a_dataset_may_have_labels_a_line_where_it_has_no_map(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("b\na\n")
    assert read_label_maps(tmp_path) == ("b", "a")
    (tmp_path / "id2label.json").write_text('{"0": "a"}')
    assert read_label_maps(tmp_path) == ("a",)


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
