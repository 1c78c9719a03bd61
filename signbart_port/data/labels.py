"""The labels of a dataset or a model: label2id.json, id2label.json, a list, or one a line."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

from signbart_port.config.class_names import USABLE, usable
from signbart_port.errors import PortError, printable
from signbart_port.untrusted.file_kind import regular_file
from signbart_port.untrusted.pickle_globals import describe
from signbart_port.untrusted.refusal import Refusal, naming

LABEL2ID, ID2LABEL, LABELS = "label2id.json", "id2label.json", "labels.txt"
LABELS_OF_MODEL = "Give those of the model, one for each class"
_LARGEST = 4 << 20  # bytes: 100,000 labels
_LARGEST_ID = 10**9  # the hashes of larger numbers can all be one
_IDS = "The classes are numbered 0, 1, 2 and so on, none left out"
_NUMBER = re.compile("0|[1-9][0-9]{0,9}")
_NUMBERED_LINE = re.compile(r"[0-9]+[\s,;:]+\S.*")


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the labels in a file, the label with the id i at index i.

    A JSON file may map either way, as its content shows, {"label": 0} or {"0": "label"}, its ids
    numbers or text; or it lists the labels by id. Another file has one label a line. Raises
    PortError for anything but a bijection of one-line labels onto 0, 1, 2 ...
    """
    with naming(path):
        labels: dict[int, str] = {}
        for label, number in _numbered(path):
            shown = printable(label, 40)
            if type(number) is not int or abs(number) > _LARGEST_ID:
                raise Refusal(f'gives "{shown}" the id {printable(json.dumps(number), 40)}')
            if number in labels:
                first = printable(labels[number], 40)
                raise Refusal(f'gives "{first}" and "{shown}" the same id {number}', _IDS)
            if not usable(label):
                raise Refusal(f'has the unusable label "{shown}"', USABLE)
            labels[number] = label
        missing = next((i for i in range(len(labels)) if i not in labels), None)
        if missing is not None:
            raise Refusal(f"has {len(labels)} labels, but none with the id {missing}", _IDS)
        if repeated := len(labels) - len(set(map(normalized, labels.values()))):
            raise Refusal(f"has {repeated} labels more than once")
        return tuple(labels[i] for i in range(len(labels)))


def normalized(label: str) -> str:
    """Return a label in Unicode's composed form, in which labels are compared: file systems and
    editors write the same letter in one code point, or in several."""
    return unicodedata.normalize("NFC", label)


def read_label_maps(root: Path) -> tuple[str, ...]:
    """Return the labels of the dataset in `root`, which has one of the two maps, or both and
    equal; or else a labels.txt."""
    found = [root / name for name in (LABEL2ID, ID2LABEL) if (root / name).exists()]
    if not found and (root / LABELS).exists():
        return read_labels(root / LABELS)
    if not found:
        raise PortError(
            root,
            f"is not a dataset: it has no {LABEL2ID}",
            'Write {"class": id, ...}, ids from 0, beside the train and test folders',
        )
    labels, *others = map(read_labels, found)
    for other in others:
        if len(other) != len(labels):
            what = f"has {len(other)} labels, {LABEL2ID} has {len(labels)}"
            raise PortError(found[1], what)
        for number, pair in enumerate(zip(other, labels, strict=True)):
            if normalized(pair[0]) != normalized(pair[1]):
                one, two = (printable(label, 40) for label in pair)
                raise PortError(found[1], f'{number} is "{one}" here, "{two}" in {LABEL2ID}')
    return labels


def _numbered(path: str | os.PathLike[str]) -> list[tuple[str, Any]]:
    """Return the labels in a file, each with what the file gives as its id."""
    text = _text(path)
    if Path(path).suffix.lower() != ".json" and not text.lstrip().startswith(("{", "[")):
        return [(label, number) for number, label in enumerate(_lines(text))]
    content = _json(text)
    if type(content) is list:
        if strange := [one for one in content if type(one) is not str]:
            what = f"holds {describe(strange[0])} where a label should be"
            raise Refusal(what, "Give a list of texts, one for each class")
        return [(label, number) for number, label in enumerate(content)]
    if any(type(value) is not str for _, value in content):
        return list(content)
    return _either_way(content, Path(path).name)


def _either_way(pairs: list[tuple[str, str]], name: str) -> list[tuple[str, int]]:
    """Return the labels and ids of an object that maps text to text."""
    readings = []
    if all(_NUMBER.fullmatch(value) for _, value in pairs):
        readings.append([(key, int(value)) for key, value in pairs])
    if not readings or all(_NUMBER.fullmatch(key) for key, _ in pairs):
        readings.append([(value, _number(key)) for key, value in pairs])
    complete = [one for one in readings if {n for _, n in one} == set(range(len(one)))]
    if len(complete) < 2 or sorted(complete[0]) == sorted(complete[1]):
        return complete[0] if complete else readings[-1]
    if name not in (LABEL2ID, ID2LABEL):
        raise Refusal("maps numbers to numbers, and may be read either way", "Write ids as numbers")
    return complete[name == ID2LABEL]


def _lines(text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if not any(lines):
        raise Refusal("has no labels")
    if "" in lines:
        raise Refusal(f"has nothing in line {1 + lines.index('')}", "Write one label a line")
    if all(_NUMBERED_LINE.fullmatch(line) for line in lines):
        raise Refusal(
            "has a number before each label",
            "Write the labels alone, one a line, in the order of their ids",
        )
    return lines


def _text(path: str | os.PathLike[str]) -> str:
    with regular_file(path) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise Refusal(f"has more than {_LARGEST:,} bytes: not a map of labels")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal("is not UTF-8 text", "Save it as UTF-8") from None


def _json(text: str) -> Any:
    """Return the JSON list in `text`, or the members of its object, none of them twice."""
    try:
        content = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        raise Refusal(f"is not JSON: {error.msg} in line {error.lineno}") from None
    except (RecursionError, ValueError) as error:  # deep nesting, a number without end
        raise Refusal(f"is not a map of labels: {printable(error)}") from None
    if type(content) not in (_Object, list):
        raise Refusal(f"holds {describe(content)}, not a map of labels")
    if not content:
        raise Refusal("has no labels")
    if type(content) is _Object:
        keys = set[str]()
        for key, _ in content:
            if key in keys:
                raise Refusal(f'has the key "{printable(key, 40)}" twice')
            keys.add(key)
    return content


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object, repeated ones included."""


def _number(key: str) -> int:
    if not _NUMBER.fullmatch(key):
        raise Refusal(f'has the key "{printable(key, 40)}" where an id should be')
    return int(key)
