"""The model card of a .tflite: all that an app needs to feed it and to read its answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from types import NoneType
from typing import Any

from signbart_port.config import model_skeleton, skeletons
from signbart_port.config.skeletons import MEDIAPIPE_75, MEDIAPIPE_100, Skeleton
from signbart_port.data.model_interface import Interface
from signbart_port.data.preprocessing import MOST_FRAMES
from signbart_port.errors import PortError, printable
from signbart_port.tflite import gislr

SCHEMA = 1
SCHEMA_OF_SKELETONS = 2
"""The schema of a card that names a skeleton: a reader that knows none must not read it."""
OUTPUTS = ("logits", "probabilities")
_MOST = 100_000  # of anything that is counted


@dataclass(frozen=True)
class Card:
    """A .tflite in plain data.

    `labels` by class id (None: unknown). A frame has `keypoints` (K), x and y: with `preprocessing`
    raw ones, else those of `data.preprocessing`, normalized by `groups` (first number, and one past
    the last) in the variant `count_missing`, of the whole skeleton (`layout` "full") or `joint_idx`
    alone ("selected"). `contract` names the interface, if it is not this program's own (see
    `tflite.gislr`). `skeleton` is what a config says of the skeleton that `joint_idx` counts in
    (None: MediaPipe's), `takes` the name of that of raw keypoints, if it is another. `frames` are
    the lengths of clips, ascending, a signature for each; () where the number is set at run time,
    up to `longest`. `output` is "logits" or "probabilities". `source` has the SHA-256 of each file
    that this one was made of, by name. `proof` is how far the output is from that of Keras in
    float64, by length, and `accuracy` how the file did on real clips; their fields are those of
    `model_card.card_of`. `version` is that of signbart-port. `unproven` says what of the model its
    proof cannot tell (None: nothing).
    """

    labels: tuple[str, ...] | None
    joint_idx: tuple[int, ...]
    keypoints: int
    groups: dict[str, tuple[int, int]]
    frames: tuple[int, ...]
    longest: int
    preprocessing: bool
    count_missing: bool
    layout: str
    output: str
    quantization: str
    source: dict[str, str]
    proof: dict[str, Any]
    accuracy: dict[str, Any] | None
    version: str
    skeleton: str | dict[str, Any] | None = None
    takes: str | None = None
    contract: str | None = None
    unproven: str | None = None

    @property
    def most_frames(self) -> int:
        """The number of frames that longer clips are shortened to."""
        return max(self.frames, default=min(MOST_FRAMES, self.longest))

    def interface_of(self, path: Path) -> Interface:
        """Return the inputs and the output of the file at `path`, whose card it is.

        Raises PortError where its joints do not fit a skeleton.
        """
        try:
            return self._interface()
        except ValueError as error:
            raise PortError(path, str(error)) from None

    def _interface(self) -> Interface:
        joints = self.joint_idx or range(self.keypoints)
        skeleton = model_skeleton.of_model(self.skeleton, joints)
        return Interface(
            self.keypoints,
            preprocessing=self.preprocessing,
            count_missing=self.count_missing,
            probabilities=self.output == "probabilities",
            skeleton=skeleton,
            takes=self._takes(skeleton) if self.preprocessing else None,
            sampled_to=self.longest if self.contract else None,
        )

    def _takes(self, skeleton: Skeleton) -> Skeleton | None:
        """Return the skeleton of raw keypoints, if it is another than the model's."""
        if self.takes is not None:
            takes = skeletons.named(self.takes)
        elif skeleton == MEDIAPIPE_75 and self.keypoints == MEDIAPIPE_100.points:
            takes = MEDIAPIPE_100
        elif skeleton in (MEDIAPIPE_75, MEDIAPIPE_100) and self.keypoints > skeleton.points:
            return None  # version 0.1 made files for any number: the first points are its own
        else:
            takes = skeleton
        if takes.points != self.keypoints:
            raise ValueError(
                f"has {self.keypoints} keypoints, not those of a skeleton that it names"
            )
        return None if takes == skeleton else takes

    def to_json(self) -> str:
        named = {"skeleton": self.skeleton, "takes": self.takes, "contract": self.contract}
        stated = {name: value for name, value in named.items() if value is not None}
        fields = {name: value for name, value in asdict(self).items() if name not in named}
        if self.unproven is None:  # as cards were before
            del fields["unproven"]
        schema = {"schema": SCHEMA_OF_SKELETONS if stated else SCHEMA}
        return json.dumps(schema | fields | stated, ensure_ascii=False, allow_nan=False)

    @classmethod
    def of_json(cls, text: str) -> Card:
        """Parse a card. Raises ValueError for anything else; unknown keys of a newer card are
        ignored."""
        try:
            data = json.loads(text)
        except RecursionError:
            raise ValueError("is nested too deep") from None
        if type(data) is not dict or data.get("schema") not in (SCHEMA, SCHEMA_OF_SKELETONS):
            raise ValueError(f"is not of schema {SCHEMA} or {SCHEMA_OF_SKELETONS}")
        named: dict[str, Any] = {n: data.get(n) for n in ("skeleton", "takes", "contract")}
        card = cls(**_CARD(data), **named, unproven=_or_null(_text)(data.get("unproven")))
        if type(card.skeleton) not in (str, dict, NoneType) or type(card.takes) not in (
            str,
            NoneType,
        ):
            raise ValueError("has no skeleton that can be used")
        if card.contract not in (None, gislr.NAME) or (card.contract and not card.preprocessing):
            raise ValueError("has no contract that can be used")
        ascending = sorted({*card.frames}) == list(card.frames)
        if not ascending or card.longest < max(card.frames, default=1):
            raise ValueError("has no frames that can be used")
        return card


def without_card(keypoints: int, frames: tuple[int, ...], output: str) -> Card:
    """Return what a file without a card is taken for: a model of MediaPipe's skeleton, its clips
    prepared as published."""
    return Card(
        labels=None,
        joint_idx=(),
        keypoints=keypoints,
        groups=dict(MEDIAPIPE_75.groups),
        frames=frames,
        longest=max(frames, default=MOST_FRAMES),
        preprocessing=False,
        count_missing=True,
        layout="full",
        output=output,
        quantization="",
        source={},
        proof={},
        accuracy=None,
        version="",
    )


Reader = Callable[[Any], Any]
"""Gives a part of the JSON in the type that it should have; raises ValueError where it has not."""


def _exactly(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{_shown(value)} is not of type {kind.__name__}")
        return value

    return read


def _one_of(*words: str) -> Reader:
    def read(value: Any) -> Any:
        if value not in words:
            raise ValueError(f"{_shown(value)} is not {' or '.join(words)}")
        return value

    return read


def _or_null(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


def _each(reader: Reader) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not list or len(value) > _MOST:
            raise ValueError(f"{_shown(value)} is not a list")
        return tuple(reader(one) for one in value)

    return read


def _values(reader: Reader) -> Reader:
    return lambda value: {name: reader(one) for name, one in _dict(value).items()}


def _fields(**readers: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        given, fields = _dict(value), dict[str, Any]()
        for name, reader in readers.items():
            if name not in given:
                raise ValueError(f"has no {name}")
            try:
                fields[name] = reader(given[name])
            except ValueError as error:
                raise ValueError(f"has no {name} that can be used: {error}") from None
        return fields

    return read


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f"{_shown(value)} is not a number up to {_MOST:,}")
    return value


def _positive(value: Any) -> int:
    if (number := _number(value)) == 0:
        raise ValueError("0 is too few")
    return number


def _real(value: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise ValueError(f"{_shown(value)} is not a finite number")
    return float(value)


def _pair(value: Any) -> tuple[int, int]:
    numbers = _each(_number)(value)
    if len(numbers) != 2:
        raise ValueError(f"{_shown(value)} is not two numbers")
    return numbers[0], numbers[1]


def _shown(value: Any) -> str:
    return printable(value, 40)


_text, _flag, _dict = _exactly(str), _exactly(bool), _exactly(dict)
_CARD = _fields(
    labels=_or_null(_each(_text)),
    joint_idx=_each(_number),
    keypoints=_positive,
    groups=_values(_pair),
    frames=_each(_positive),
    longest=_number,
    preprocessing=_flag,
    count_missing=_flag,
    layout=_one_of("full", "selected"),
    output=_one_of(*OUTPUTS),
    quantization=_text,
    source=_values(_text),
    proof=_fields(
        passed=_flag,
        from_pytorch=_flag,
        lengths=_each(
            _fields(frames=_number, error=_real, keras_error=_real, limit=_real, same_class=_pair)
        ),
    ),
    accuracy=_or_null(
        _fields(
            clips=_number,
            scores=_each(_fields(model=_text, top1=_real, top5=_real, agreement=_real)),
            drop=_real,
        )
    ),
    version=_text,
)
