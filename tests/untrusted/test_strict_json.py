"""JSON from strangers: one object of plain data, or a refusal by the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from signbart_port.errors import PortError
from signbart_port.untrusted import strict_json

FILE = Path("it.json")


def test_an_object_is_read(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_bytes('\ufeff{\n\t"a": [1, 2.5, null, {"b": "كتاب \\ud83d\\ude00"}]\r\n}\n'.encode())
    assert strict_json.load(path) == {"a": [1, 2.5, None, {"b": "كتاب 😀"}]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: is not valid JSON"),
        ('{"a": 1,\n"b"', "line 2: is not valid JSON"),
        ("[1]", "expected an object of keys and values. Is it the right file"),
        ("5", "expected an object"),
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ('{"a": {"b": 1, "b": 2}}', "has the key 'b' twice"),
        ('{"a": NaN}', "has NaN"),
        ('{"a": -Infinity}', "has -Infinity"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32"),
        ('{"a": ' + "[" * 100_000, "cannot be read as JSON"),
        ('{"a": ' + "9" * 10_000 + "}", "cannot be read as JSON"),
    ],
)
def test_anything_else_is_refused(text: str, says: str) -> None:
    with pytest.raises(PortError) as refused:
        strict_json.load(FILE, text)
    assert str(refused.value).startswith(f"it.json: {says}")


def test_another_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(PortError, match="is a PyTorch checkpoint, not a JSON file"):
        strict_json.load(path)
