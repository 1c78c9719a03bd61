"""Golden vectors as they stand in a file, validated before use.

`golden.schema.json` is the JSON Schema of `Record`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from signbart_port.config.validation import problems
from signbart_port.errors import PortError
from signbart_port.untrusted import strict_json
from signbart_port.untrusted.text_file import read_text

_LARGEST = 256 << 20
_MOST_CLIPS = 10_000
_MOST = 10_000  # frames, points or classes

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Tolerance = Annotated[Number, Field(ge=0)]
Numbers = Annotated[list[Number | None], Field(min_length=1, max_length=_MOST)]
Frame = Annotated[list[Numbers], Field(min_length=1, max_length=_MOST)]
Frames = Annotated[list[Frame], Field(min_length=1, max_length=_MOST)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class RecordedModel(_Part):
    """The `.tflite` that made the vectors."""

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class RecordedTensor(_Part):
    """An input or output; -1 stands for a dimension that is set at run time. Integers stand for
    (integer - zero_point) * scale."""

    shape: list[int]
    type: str
    scale: float | None
    zero_point: int | None


class RecordedSignature(_Part):
    """A signature; `frames` is null where their number is set at run time."""

    name: str
    frames: Count | None
    inputs: dict[str, RecordedTensor]
    outputs: dict[str, RecordedTensor]


class RecordedSkeleton(_Part):
    """The skeleton that raw clips have unless another is named."""

    skeleton: str
    points: Count


class ClipForm(_Part):
    """How clips of a skeleton (null: none is named) with so many points are read, or why not.

    `selection` is the point of the clip that becomes each point that is read, -1 for a missing one;
    `groups` are the points, of those that are read, that are normalized together: the first, and
    one past the last.
    """

    skeleton: str | None
    points: Count
    refused: str | None = None
    selection: list[Annotated[int, Field(ge=-1, le=_MOST)]] | None = None
    groups: list[Annotated[list[Count], Field(min_length=2, max_length=2)]] | None = None


class Normalization(_Part):
    """The box around a group: whether missing points count, and the share of its longer side by
    which it is widened on every side."""

    count_missing: bool
    margin: float


class Description(_Part):
    """What is needed to feed the file: see `description.py`.

    Clips longer than `frames` are shortened to that. `normalization` is null where the file itself
    normalizes. `keypoints` are the points, of those that are read, that a signature takes.
    """

    schema_: Literal[1] = Field(alias="schema")
    model: RecordedModel
    output: Literal["logits", "probabilities"]
    classes: Count
    labels: list[str] | None
    frames: Count
    signatures: list[RecordedSignature]
    reads: RecordedSkeleton
    clips: list[ClipForm]
    normalization: Normalization | None
    keypoints: list[Count]


class Tolerances(_Part):
    """The largest difference that a number may have from the recorded one."""

    keypoints: Tolerance
    scores: Tolerance


class RecordedClip(_Part):
    """A clip on its way through a signature; null is a number that is none."""

    clip: str
    label: str | None
    raw: Frames
    signature: str
    keypoints: Frames
    attention_mask: Numbers
    scores: Numbers


class Record(_Part):
    """Golden vectors: what clips became on their way through a `.tflite`.

    Schema 1 has no `description`.
    """

    schema_: Literal[1, 2] = Field(alias="schema")
    about: dict[str, str] = {}
    skeleton: str | None = None
    frame_size: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    model: RecordedModel
    output: Literal["logits", "probabilities"]
    labels: list[str] | None
    description: Description | None = None
    tolerance: Tolerances
    clips: Annotated[list[RecordedClip], Field(min_length=1, max_length=_MOST_CLIPS)]

    @model_validator(mode="after")
    def _check_description(self) -> Self:
        if self.schema_ > 1 and self.description is None:
            raise ValueError("has no description of its model")
        if self.description is not None and self.description.model != self.model:
            raise ValueError("its description is that of another model")
        return self


def read(path: Path) -> Record:
    """Read golden vectors of any schema. Raises PortError for anything else."""
    content = strict_json.load(path, read_text(path, "JSON", _LARGEST))
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        what, _ = problems(error, whole="the file")
        raise PortError(
            path,
            f"holds no golden vectors that can be used: {what}",
            "Write them again",
        ) from None
