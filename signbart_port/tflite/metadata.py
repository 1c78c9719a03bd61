"""A .tflite and its card in one file, as TFLite's own metadata.

The model is followed by a zip archive of plain files, signbart.json and labels.txt, and declares
them in a buffer of its own: Android's and MediaPipe's libraries find them there, any unzip too, and
an interpreter sees none of it.
"""

from __future__ import annotations

import io
import mmap
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import flatbuffers

from signbart_port.errors import PortError
from signbart_port.tflite import gislr
from signbart_port.tflite.card import Card
from signbart_port.tflite.model_metadata import (
    AssociatedFile,
    FileType,
    ModelMetadata,
    TensorMetadata,
)
from signbart_port.tflite.tables import ALIGNMENT, Table, table, vector
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.file_kind import regular_file
from signbart_port.untrusted.refusal import Refusal, naming

CARD = "signbart.json"
LABELS = "labels.txt"
_ENTRY = "TFLITE_METADATA"
_LARGEST = 8 << 20  # bytes of the archive, and of the card in it

# The fields of schema.fbs that are read or written here.
_MODEL_VERSION, _MODEL_GRAPHS, _MODEL_BUFFERS, _MODEL_METADATA, _MODEL_SIGNATURES = 0, 2, 4, 6, 7
_GRAPH_INPUTS, _GRAPH_OUTPUTS = 1, 2
_BUFFER_DATA, _BUFFER_OFFSET = 0, 1
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS, _SIGNATURE_GRAPH = 0, 1, 4
_NAMED_NAME, _NAMED_TENSOR = 0, 1
# And of metadata_schema.fbs.
_DECLARED_FILES, _FILE_NAME = 6, 0


def attach(data: bytes, card: Card) -> bytes:
    """Return a .tflite with its card. Nothing of the model moves against its alignment, nothing
    changes.

    Raises ValueError for a model that has metadata already, or data outside the flatbuffer.
    """
    files = {CARD: card.to_json()}
    if card.labels is not None:
        files[LABELS] = "".join(f"{label}\n" for label in card.labels)
    return with_files(data, _described(data, card), files)


def with_files(data: bytes, described: ModelMetadata, files: Mapping[str, str]) -> bytes:
    """Return a .tflite with TFLite's own metadata, and with these files behind it. Raises as
    `attach` does."""
    archive = io.BytesIO()
    archive.write(_with_metadata(data, described.pack()))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as members:
        for name, text in files.items():
            members.writestr(zipfile.ZipInfo(name), text.encode())  # of no date: reproducible
    return archive.getvalue()


def read(path: str | os.PathLike[str]) -> Card | None:
    """Read the card of a .tflite; None if it declares none.

    Reads the ends of the file alone. Raises PortError for a file that is no .tflite, and for one
    that lacks what it declares or has nonsense there.
    """
    text = attached(path, CARD)
    if text is None:
        return None
    try:
        return Card.of_json(text)
    except ValueError as error:
        raise PortError(path, f"its {CARD} {error}") from None


def attached(path: str | os.PathLike[str], name: str) -> str | None:
    """Return the text of a file that a .tflite declares; None if it declares none of this name.

    Reads the ends of the .tflite alone, and raises as `read` does.
    """
    model_kind.check_kind(Path(path), model_kind.ModelKind.TFLITE)
    with naming(path), regular_file(path) as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            declared = name in _declared_files(data)
        if not declared:
            return None
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LARGEST))
        with zipfile.ZipFile(io.BytesIO(file.read())) as members, members.open(name) as member:
            text = member.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise Refusal(f"has a {name} of more than {_LARGEST:,} bytes")
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise Refusal(f"its {name} {error}") from None


def _declared_files(data: Any) -> list[str]:
    model = Table.root(data)
    for entry in model.tables(_MODEL_METADATA):
        if entry.text(_METADATA_NAME) == _ENTRY:
            buffer = model.tables(_MODEL_BUFFERS)[entry.number(_METADATA_BUFFER)]
            files = Table.root(buffer.data(_BUFFER_DATA)).tables(_DECLARED_FILES)
            return [file.text(_FILE_NAME) for file in files]
    return []


def _with_metadata(data: bytes, content: bytes) -> bytearray:
    """Return the same flatbuffer with one buffer and one entry of metadata more.

    A flatbuffer is written from its end to its front. So this goes on in front of a finished one:
    a new root that refers to the parts of the old one, which stay as they are.
    """
    old = Table.root(data)
    entries, buffers = old.tables(_MODEL_METADATA), old.tables(_MODEL_BUFFERS)
    if any(entry.text(_METADATA_NAME) == _ENTRY for entry in entries):
        raise ValueError("has metadata already")
    if any(buffer.number(_BUFFER_OFFSET) > 1 for buffer in buffers):  # 0 and 1 stand for none
        raise ValueError("has data outside the flatbuffer, which must not move")
    room = len(content) + 4 * (len(entries) + len(buffers)) + 1024
    room += -room % ALIGNMENT
    end = room + len(data) + -len(data) % ALIGNMENT

    to = flatbuffers.Builder(0)
    to.Bytes = bytearray(end)
    to.Bytes[room : room + len(data)] = data
    to.head = room
    to.Prep(ALIGNMENT, 0)

    def kept(place: int) -> int:
        """Return the builder's offset of a place in the old bytes: counted from the end."""
        return end - room - place

    to.StartVector(1, len(content), ALIGNMENT)
    to.head -= len(content)
    to.Bytes[to.head : to.head + len(content)] = content
    buffer = table(to, 3, {_BUFFER_DATA: to.EndVector()})
    name = to.CreateString(_ENTRY)
    to.StartObject(2)
    to.PrependUOffsetTRelativeSlot(_METADATA_NAME, name, 0)
    to.PrependUint32Slot(_METADATA_BUFFER, len(buffers), 0)
    entry = to.EndObject()
    parts = {
        slot: kept(old.target(slot))
        for slot in range(old.slots)
        if old.has(slot) and slot != _MODEL_VERSION
    }
    parts[_MODEL_BUFFERS] = vector(to, [*(kept(b.place) for b in buffers), buffer])
    parts[_MODEL_METADATA] = vector(to, [*(kept(e.place) for e in entries), entry])
    to.StartObject(max(parts) + 1)
    to.PrependUint32Slot(_MODEL_VERSION, old.number(_MODEL_VERSION), 0)
    for slot, offset in parts.items():
        to.PrependUOffsetTRelativeSlot(slot, offset, 0)
    to.Finish(to.EndObject(), data[4:8])
    packed: bytearray = to.Output()
    return packed


def names_in_order(data: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the inputs and outputs of a .tflite's first subgraph, in its order."""
    model = Table.root(data)
    signature = next(s for s in model.tables(_MODEL_SIGNATURES) if s.number(_SIGNATURE_GRAPH) == 0)
    graph = model.tables(_MODEL_GRAPHS)[0]
    inputs, outputs = (
        tuple(_in_order(signature.tables(named), graph.integers(order)))
        for named, order in (
            (_SIGNATURE_INPUTS, _GRAPH_INPUTS),
            (_SIGNATURE_OUTPUTS, _GRAPH_OUTPUTS),
        )
    )
    return inputs, outputs


def _described(data: bytes, card: Card) -> ModelMetadata:
    """Return TFLite's own metadata of a SignBART."""
    inputs, outputs = names_in_order(data)
    tensors = {tensor.name: tensor for tensor in _tensors(card)}
    lengths = ", ".join(map(str, card.frames)) or f"1 to {card.longest}"
    lengths = "any number" if card.contract else lengths
    return ModelMetadata(
        name="SignBART",
        description=(
            f"Classifies one isolated sign from a clip of {lengths} frames of skeleton keypoints."
            f" {CARD} has all that is needed to feed it. Written by signbart-port {card.version}."
        ),
        version=card.version,
        inputs=tuple(tensors[name] for name in inputs),
        outputs=tuple(tensors[name] for name in outputs),
        files=(AssociatedFile(CARD, "What the model takes and gives.", FileType.DESCRIPTIONS),),
    )


def _in_order(named: list[Table], order: list[int]) -> Iterator[str]:
    names: Mapping[int, str] = {n.number(_NAMED_TENSOR): n.text(_NAMED_NAME) for n in named}
    return (names[place] for place in order)


def _tensors(card: Card) -> Iterator[TensorMetadata]:
    labels = AssociatedFile(
        LABELS, "The label of every class, a line each.", FileType.TENSOR_AXIS_LABELS
    )
    scores = (
        "The probability of every class."
        if card.output == "probabilities"
        else "A score for every class; their softmax is its probability."
    )
    files = () if card.labels is None else (labels,)
    if card.contract:
        yield TensorMetadata(
            gislr.INPUT,
            "x, y and z of every point of MediaPipe Holistic in every frame: face, left hand, pose,"
            " right hand; NaN where one is missing. The model prepares them itself.",
            ("frame", "point", "coordinate"),
        )
        yield TensorMetadata(gislr.OUTPUT, scores, ("class",), files)
        return
    yield TensorMetadata(
        "keypoints",
        "x and y of every keypoint of every frame, in parts of the picture's width and height;"
        " (0, 0) where the detector has found none. "
        + (
            "As the detector gives them: the model prepares them itself."
            if card.preprocessing
            else f"Prepared as {CARD} says, and filled up with zeros."
        )
        + (f" {CARD} names their skeleton." if card.skeleton or card.takes else ""),
        ("batch", "frame", "keypoint", "coordinate"),
    )
    yield TensorMetadata(
        "attention_mask",
        "1 for every frame of the clip, 0 for those that fill it up behind them.",
        ("batch", "frame"),
    )
    yield TensorMetadata(card.output, scores, ("batch", "class"), files)
