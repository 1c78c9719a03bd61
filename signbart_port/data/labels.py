"""The label maps of a dataset: label2id.json and id2label.json."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from signbart_port.config.class_names import usable
from signbart_port.errors import PortError, printable
from signbart_port.untrusted.file_kind import regular_file
from signbart_port.untrusted.pickle_globals import describe
from signbart_port.untrusted.refusal import Refusal, naming

LABEL2ID, ID2LABEL = "label2id.json", "id2label.json"
_LARGEST = 4 << 20  # bytes: 100,000 labels
_NUMBER = re.compile("0|[1-9][0-9]{0,9}")


def read_labels(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the labels in a JSON file, the label with the id i at index i.

    The file may map either way, as its content shows: {"label": 0} or {"0": "label"}. Raises
    PortError for anything but a bijection of one-line labels onto 0, 1, 2 ...
    """
    with naming(path):
        pairs = _pairs(path)
        if all(type(value) is str for _, value in pairs):
            pairs = [(label, _number(key)) for key, label in pairs]
        labels: dict[int, str] = {}
        for label, number in pairs:
            shown = printable(label, 40)
            if type(number) is not int:
                raise Refusal(f'gives "{shown}" the id {printable(json.dumps(number), 40)}')
            if number in labels:
                first = printable(labels[number], 40)
                raise Refusal(f'gives "{first}" and "{shown}" the same id {number}')
            if not usable(label):
                raise Refusal(f'has the unusable label "{shown}"')
            labels[number] = label
        missing = next((i for i in range(len(labels)) if i not in labels), None)
        if missing is not None:
            raise Refusal(f"has {len(labels)} labels, but none with the id {missing}")
        if repeated := len(labels) - len(set(labels.values())):
            raise Refusal(f"has {repeated} labels more than once")
        return tuple(labels[i] for i in range(len(labels)))


def read_label_maps(root: Path) -> tuple[str, ...]:
    """Return the labels of the dataset in `root`, which has one of the two maps, or both and
    equal."""
    found = [root / name for name in (LABEL2ID, ID2LABEL) if (root / name).exists()]
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
            if pair[0] != pair[1]:
                one, two = (printable(label, 40) for label in pair)
                raise PortError(found[1], f'{number} is "{one}" here, "{two}" in {LABEL2ID}')
    return labels


def _pairs(path: str | os.PathLike[str]) -> list[tuple[str, Any]]:
    """Return the members of the JSON object in a file, none of them twice."""
    with regular_file(path) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise Refusal(f"has more than {_LARGEST:,} bytes: not a map of labels")
    try:
        content = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_Object)
    except UnicodeDecodeError:
        raise Refusal("is not UTF-8 text", "Save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise Refusal(f"is not JSON: {error.msg} in line {error.lineno}") from None
    except (RecursionError, ValueError) as error:  # deep nesting, a number without end
        raise Refusal(f"is not a map of labels: {printable(error)}") from None
    if type(content) is not _Object:
        raise Refusal(f"holds {describe(content)}, not a map of labels")
    if not content:
        raise Refusal("has no labels")
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
