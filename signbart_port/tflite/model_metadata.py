"""TFLite's ModelMetadata, the flatbuffer `M001` that Android's and MediaPipe's libraries read.

The tables and the places of their fields are those of `metadata_schema.fbs` 1.1.0, of
tflite-support, whose Python package no longer installs. Only what a SignBART has to say is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import flatbuffers

from signbart_port.tflite.tables import table, vector

IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"  # the schema's version in which the newest of these fields came


class FileType(IntEnum):
    """The purpose of an associated file (`AssociatedFileType`)."""

    DESCRIPTIONS = 1
    TENSOR_AXIS_LABELS = 2


@dataclass(frozen=True)
class AssociatedFile:
    """A file in the zip archive that follows the model."""

    name: str
    description: str
    type: FileType


@dataclass(frozen=True)
class TensorMetadata:
    """An input or output."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    files: tuple[AssociatedFile, ...] = ()


@dataclass(frozen=True)
class ModelMetadata:
    """A model; `inputs` and `outputs` are those of its first subgraph, in its order."""

    name: str
    description: str
    version: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    files: tuple[AssociatedFile, ...]

    def pack(self) -> bytes:
        """Return the flatbuffer."""
        to = flatbuffers.Builder()
        graph = table(
            to,
            7,
            {
                2: vector(to, [_tensor(to, one) for one in self.inputs]),
                3: vector(to, [_tensor(to, one) for one in self.outputs]),
            },
        )
        root = table(
            to,
            8,
            {
                0: to.CreateString(self.name),
                1: to.CreateString(self.description),
                2: to.CreateString(self.version),
                3: vector(to, [graph]),
                6: _files(to, self.files),
                7: to.CreateString(PARSER_VERSION),
            },
        )
        to.Finish(root, IDENTIFIER)
        return bytes(to.Output())


def _tensor(to: Any, tensor: TensorMetadata) -> int:
    feature = table(to, 0, {})
    content = table(to, 3, {1: feature}, {0: 1})  # 1: FeatureProperties, neither image nor box
    fields = {
        0: to.CreateString(tensor.name),
        1: to.CreateString(tensor.description),
        2: vector(to, [to.CreateString(name) for name in tensor.dimensions]),
        3: content,
    }
    return table(to, 7, fields | ({6: _files(to, tensor.files)} if tensor.files else {}))


def _files(to: Any, files: Sequence[AssociatedFile]) -> int:
    return vector(
        to,
        [
            table(
                to,
                4,
                {0: to.CreateString(file.name), 1: to.CreateString(file.description)},
                {2: file.type},
            )
            for file in files
        ],
    )
