"""YAML from strangers: what is read, what is refused, and where each refusal points."""

import math
import os
import pickle
import random
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from signbart_port.errors import PortError
from signbart_port.untrusted import strict_yaml
from tests.support.running import run_program, run_python

FILE = Path("config.yaml")


def refusal(text: str) -> str:
    with pytest.raises(PortError) as refused:
        strict_yaml.load(FILE, text)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def refusal_of_file(path: Path) -> str:
    with pytest.raises(PortError) as refused:
        strict_yaml.load(path)
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[(word, word) for word in ("NO", "no", "yes", "on", "Off", "y", "tRUE", "nULL", "=")],
        *[(word, word) for word in ("2024-01-01", "2024-01-01 10:00:00", "12:30:45", "1:30.5")],
        *[(word, word) for word in ("1_000", "0b11", "0o8", "0xg", "1e", "e5", ".", "inf", "nan")],
        *[(word, word) for word in ("-0x1F", "1.2.3", "١", "1.e+", ".e5")],
        ("0", 0),
        ("010", 10),
        ("+7", 7),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-5", 1e-5),
        ("1e5", 1e5),
        ("1E+5", 1e5),
        ("2.", 2.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("+.Inf", math.inf),
        ("-.inf", -math.inf),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(plain: str, value: Any) -> None:
    data = strict_yaml.load(FILE, f"key: {plain}\nlist: [{plain}]\n")
    assert data == {"key": value, "list": [value] if plain else []}
    assert type(data["key"]) is type(value)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(strict_yaml.load(FILE, "key: .nan")["key"])


@pytest.mark.parametrize("quoted", ["'1'", '"true"', "'~'", '"1e-5"', "|-\n  1", '"<<"'])
def test_what_is_quoted_is_a_string(quoted: str) -> None:
    assert isinstance(strict_yaml.load(FILE, f"key: {quoted}")["key"], str)


def test_a_quoted_key_may_be_spelled_like_anything() -> None:
    assert strict_yaml.load(FILE, '"1": a\n"<<": b\non: c\n') == {"1": "a", "<<": "b", "on": "c"}


def test_every_block_and_key_knows_its_line() -> None:
    data = strict_yaml.load(
        FILE,
        "# a comment\n"
        "d_model: 128\n"
        "\n"
        "axes:\n"
        "  enc: {range: encoder_layers,\n"
        "        also: x}\n"
        "modules:\r\n"
        "  - {path: a}\n"
        "  - path: b\n"
        "    kind: |\n"
        "      text\n"
        "    last: 1\n",
    )
    assert (data.line, data.lines) == (2, {"d_model": 2, "axes": 4, "modules": 7})
    enc = data["axes"]["enc"]
    assert (enc.line, enc.lines) == (5, {"range": 5, "also": 6})
    assert data["modules"][0].line == 8
    second = data["modules"][1]
    assert (second.line, second.lines) == (9, {"path": 9, "kind": 10, "last": 12})


def test_a_block_is_a_plain_dict_to_others() -> None:
    data = strict_yaml.load(FILE, "a: {b: [1, {c: x}]}")
    assert isinstance(data, dict)
    assert data == {"a": {"b": [1, {"c": "x"}]}}
    assert strict_yaml.Block() == {}


LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghi"))


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("- 1\n- 2\n", 1, "expected keys and values, got a list"),
        ("\n\njust text\n", 1, "expected keys and values, got just text"),
        ("---\n", 1, "expected keys and values, got null"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\n---\n", 2, "second document"),
        ("a:\n\tb: 1\n", 2, "Indent with spaces, not tabs"),
        ("a: 1\nb: [1, 2\n", 3, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("a: 'x\n", 2, "not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' repeats that of line 1"),
        ("x:\n  - {k: 1, k: 1}\n", 2, "key 'k' repeats that of line 2"),
        (LAUGHS, 1, "anchors and aliases"),
        ("a: &a [*a]\n", 1, "anchors and aliases"),
        ("a: 1\nb: *a\n", 2, "anchors and aliases"),
        ("&a a: 1\n", 1, "anchors and aliases"),
        ("b:\n  <<: {c: 1}\n", 2, "merge keys"),
        ("a: 1\nb: !!python/object/apply:os.system [x]\n", 2, "'!!python/object/apply:os.system'"),
        ("a: !!str 1\n", 1, "tag '!!str'"),
        ("a: !local {b: 1}\n", 1, "tag '!local'"),
        ("a: ! b\n", 1, "tag '!'"),
        ("a: !<tag:example.org,2000:x> b\n", 1, "tag 'tag:example.org,2000:x'"),
        ("a: !undeclared!x b\n", 1, "undefined tag handle"),
        ("a: 1\n2: b\n", 2, "a key must be a string, got 2. Put it in quotes"),
        ("true: b\n", 1, "a key must be a string, got True"),
        ("~: b\n", 1, "a key must be a string, got null"),
        ("?\n: b\n", 1, "a key must be a string, got null"),
        ("a:\n  ? [b,\n     c]\n  : d\n", 2, "a key must be a string, got a list"),
        ("{{a: b}: c}\n", 1, "a key must be a string, got a mapping"),
        ("a: 1\nb: x\0y\n", 2, "control character U+0000"),
        ("a: \x1b[31m\n", 1, "control character U+001B"),
        ('a: "\\ud800"\n', 1, "surrogates not allowed"),
        ('a:\n  "\\UFFFFFFFF"\n', 2, "not valid YAML"),
        ("a: 1\nb: " + "1" * 5000, 2, "(5,000 characters) cannot be read"),
        ("%YAML 1." + "1" * 5000 + "\n---\na: 1\n", 1, "not valid YAML"),
        ("%YAML 2.0\n---\na: 1\n", 1, "not valid YAML"),
        ("a: 1\nb: " + "[" * 50_000, 2, "nested deeper than 32 levels"),
        ("[" * 50_000 + "]" * 50_000, 1, "nested deeper than 32 levels"),
        ("- " * 50_000, 1, "nested deeper than 32 levels"),
        ("{a: " * 50_000, 1, "nested deeper than 32 levels"),
    ],
)
def test_refused_by_line(text: str, line: int, what: str) -> None:
    message = refusal(text)
    assert message.startswith(f"config.yaml: line {line}: ")
    assert what in message


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert refusal(text) == "config.yaml: is empty"


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "0o" + "7" * 5000])
def test_a_number_that_cannot_be_printed_is_refused(number: str) -> None:
    with pytest.raises(PortError, match="cannot be read: a number too long"):
        strict_yaml.load(Path("it.yaml"), f"a: 1\nd_model: {number}\n")


def test_nesting_is_accepted_to_the_stated_depth() -> None:
    data: Any = strict_yaml.load(FILE, "a: " + "[" * 31 + "]" * 31)["a"]
    for _ in range(30):
        (data,) = data
    assert data == []
    assert "deeper" in refusal("a: " + "[" * 32 + "]" * 32)


def test_size_is_accepted_to_the_stated_bound(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    text = "a: " + "x" * ((1 << 20) - 3)
    path.write_text(text)
    assert len(strict_yaml.load(path)["a"]) == len(text) - 3
    path.write_text(text + "x")
    assert refusal_of_file(path) == "holds more than 1,048,576 bytes. Is it the right file?"
    assert "1,048,576" in refusal(text + "x")
    os.truncate(path, 1 << 40)  # more than memory holds
    assert "1,048,576" in refusal_of_file(path)


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "signs.yaml"
    path.write_bytes("\ufeffname: señal إشارة\r\n".encode())
    assert strict_yaml.load(path) == {"name": "señal إشارة"}
    path.write_bytes(b"a: 1\nb: se\xf1al\n")
    assert refusal_of_file(path) == "line 2: is not UTF-8 text. Save it as UTF-8"
    path.write_bytes("a: 1\n".encode("utf-16"))
    assert "not UTF-8" in refusal_of_file(path)


def test_text_at_hand_is_read_instead_of_the_file(tmp_path: Path) -> None:
    assert strict_yaml.load(tmp_path / "missing.yaml", "a: 1") == {"a": 1}


def test_text_at_hand_with_bytes_that_were_no_text(tmp_path: Path) -> None:
    """As the command line and names of files have them."""
    with pytest.raises(PortError, match="line 2: is not UTF-8 text"):
        strict_yaml.load(tmp_path / "missing.yaml", "a: 1\nb: se\udcffal")


def test_no_file_and_no_regular_file(tmp_path: Path) -> None:
    assert refusal_of_file(tmp_path / "missing.yaml") == "does not exist. Check the path"
    assert refusal_of_file(tmp_path) == "is a directory, not a file. Give the file itself"
    assert "not a regular file" in refusal_of_file(Path("/dev/null"))


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from signbart_port import errors\nfrom signbart_port.untrusted import strict_yaml\n"
        "try: strict_yaml.load(Path(sys.argv[1]))\n"
        "except errors.PortError as error: print(error)\n"
    )
    assert "is a pipe" in run_python(code, tmp_path / "fifo")


def test_an_unreadable_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name, mode in (("open.yaml", 0o644), ("closed.yaml", 0o000)):
        (tmp_path / name).write_text("a: 1")
        (tmp_path / name).chmod(mode)
    assert run_program("load_yaml_without_rights", tmp_path).splitlines() == [
        "{'a': 1}",
        "closed.yaml: cannot be opened: Permission denied",
    ]


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(2_000_000))


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = 1.0


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (write_zip, "a PyTorch checkpoint"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1}, 2)), "a PyTorch checkpoint"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1}, 5)), "a PyTorch checkpoint"),
        (write_hdf5, "an HDF5 file"),
        (lambda path: save_file({"a": np.zeros(3)}, path), "a TFLite or safetensors file"),
        (lambda path: path.write_bytes(b"\x1c\0\0\0TFL3\0\0"), "a TFLite or safetensors file"),
    ],
)
def test_a_model_where_a_yaml_file_is_wanted(tmp_path: Path, write: Any, kind: str) -> None:
    path = tmp_path / "config.yaml"
    write(path)
    assert refusal_of_file(path) == f"is {kind}, not a YAML file: are the two swapped?"


def test_whatever_the_text_is_the_only_exception_is_ours() -> None:
    good = "a: [1, {b: \"\\u0041\", 'c': yes}]\n? key\n: |2-\n   text\nd: >+\n  fold\n\ne: 1e-5\n"
    parts = [*"\t\n\r []{}:,-?!&*|>%@`'\"#\\~<=019axUu\x85\u2028\ufeff\0é", "\n  ", "---", "...",
             "\\U", "\\x", "%TAG ! x", "%YAML 1.", "!!", "!<", "|+9", ": ", "- ", "? "]  # fmt: skip
    chance = random.Random(0)
    accepted = refused = 0
    for _ in range(3000):
        text = list(good)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(3)] = chance.choices(parts, k=chance.randrange(3))
        try:
            strict_yaml.load(FILE, "".join(text))
            accepted += 1
        except PortError as error:
            assert "\n" not in str(error)
            refused += 1
    assert min(accepted, refused) > 100


def test_no_framework_is_imported() -> None:
    code = "import sys, signbart_port.untrusted.strict_yaml; print(*sys.modules)"
    loaded = set(run_python(code).split())
    assert "yaml" in loaded
    assert not loaded & {"torch", "tensorflow", "keras", "numpy", "h5py"}
