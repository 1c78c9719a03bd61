"""A card in a .tflite: found by readers that know nothing of this program, in the way of nobody.

The bytes are read with zipfile, and with flatbuffers by the field numbers of metadata_schema.fbs.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from flatbuffers.table import Table

from signbart_port.errors import PortError
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.tflite import metadata, model_file, object_tree
from signbart_port.tflite.card import Card
from tests.support.cards import a_card, bare
from tests.support.running import run_python
from tests.support.small_models import small_config

CONFIG = small_config()


@pytest.fixture(scope="module")
def path(small_tflite: Callable[..., Path]) -> Path:
    """Of two signatures."""
    return small_tflite(5, 16)


@pytest.fixture(scope="module")
def model(path: Path) -> bytes:
    return bare(path)


@pytest.fixture(scope="module")
def card() -> Card:
    return a_card(CONFIG, (5, 16), labels=("سلام", "[red]a", "b c", "d", "e"))


@pytest.fixture(scope="module")
def attached(model: bytes, card: Card) -> bytes:
    return metadata.attach(model, card)


def constants(data: bytes) -> list[tuple[bytes, int]]:
    """Of every buffer its bytes, and where they begin."""
    start = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    return [
        (b.data.tobytes(), b.data.__array_interface__["data"][0] - start)
        for b in object_tree.parsed(data).buffers
        if b.data is not None and len(b.data)
    ]


def test_the_files_are_an_archive_at_the_end(attached: bytes, card: Card) -> None:
    with zipfile.ZipFile(io.BytesIO(attached)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["signbart.json", "labels.txt"]
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("labels.txt").decode().splitlines() == [*(card.labels or ())]
        told = json.loads(archive.read("signbart.json"))
    assert told["schema"] == 1 and told["labels"] == [*(card.labels or ())]
    assert told["joint_idx"] == [11, 0, 2, 3, 5, 7]


def test_without_labels_there_is_no_file_of_them(model: bytes) -> None:
    data = metadata.attach(model, a_card(CONFIG, (5, 16), labels=None))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["signbart.json"]
    output = tables(tables(root_of(data), 3)[0], 3)[0]
    assert tables(output, 6) == []


def root_of(data: bytes) -> Table:
    """The ModelMetadata in a .tflite, as its own schema's code finds it."""
    model = schema.Model.GetRootAsModel(data, 0)
    entry = model.Metadata(model.MetadataLength() - 1)
    assert entry.Name() == b"TFLITE_METADATA"
    content = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    assert content[4:8] == b"M001"
    return Table(content, int.from_bytes(content[:4], "little"))


def text(table: Table, slot: int) -> str:
    return table.String(table.Pos + table.Offset(4 + 2 * slot)).decode()


def tables(table: Table, slot: int) -> list[Table]:
    if not (offset := table.Offset(4 + 2 * slot)):
        return []
    start = table.Vector(offset)
    places = range(start, start + 4 * table.VectorLen(offset), 4)
    return [Table(table.Bytes, table.Indirect(place)) for place in places]


def byte(table: Table, slot: int) -> int:
    return int(table.Bytes[table.Pos + table.Offset(4 + 2 * slot)])


def test_the_metadata_by_the_fields_of_its_schema(attached: bytes) -> None:
    root = root_of(attached)
    assert text(root, 0) == "SignBART" and text(root, 2) == "0.1.0" and text(root, 7) == "1.0.0"
    assert "5, 16 frames" in text(root, 1)
    assert [(text(f, 0), byte(f, 2)) for f in tables(root, 6)] == [("signbart.json", 1)]
    (graph,) = tables(root, 3)
    model = schema.Model.GetRootAsModel(attached, 0)
    first = model.Subgraphs(0)
    signatures = [model.SignatureDefs(n) for n in range(model.SignatureDefsLength())]
    assert len(signatures) == 2
    (signature,) = (one for one in signatures if one.SubgraphIndex() == 0)
    for slot, places, named, count in (
        (2, first.InputsAsNumpy(), signature.Inputs, signature.InputsLength()),
        (3, first.OutputsAsNumpy(), signature.Outputs, signature.OutputsLength()),
    ):
        names = {named(n).TensorIndex(): named(n).Name().decode() for n in range(count)}
        described = tables(graph, slot)
        assert [text(one, 0) for one in described] == [names[place] for place in places.tolist()]
        for one, place in zip(described, places.tolist(), strict=True):
            assert len(text(one, 1)) > 20
            dimensions = one.VectorLen(one.Offset(4 + 2 * 2))
            assert dimensions == first.Tensors(place).ShapeLength()
            content = Table(one.Bytes, one.Indirect(one.Pos + one.Offset(4 + 2 * 3)))
            assert byte(content, 0) == 1, "a feature"
    (output,) = tables(graph, 3)
    assert [(text(f, 0), byte(f, 2)) for f in tables(output, 6)] == [("labels.txt", 2)]


def test_the_model_is_as_it_was(model: bytes, attached: bytes) -> None:
    """Every constant in every bit and at a multiple of 16, and equal logits."""
    before, after = constants(model), constants(attached)
    assert [data for data, _ in after[:-1]] == [data for data, _ in before]
    assert {place % 16 for _, place in after} == {0}
    assert len(attached) < len(model) + 6000

    was, now = (schema.Model.GetRootAsModel(data, 0) for data in (model, attached))
    kept = [(e.name, e.buffer) for e in object_tree.parsed(attached).metadata][:-1]
    assert kept == [(e.name, e.buffer) for e in object_tree.parsed(model).metadata] != []
    assert (now.Version(), now.Description()) == (was.Version(), was.Description())
    assert now.OperatorCodesLength() == was.OperatorCodesLength() > 10

    clips = parity_inputs.make(12, 16)
    logits = [
        [runner(keypoints=k[None], attention_mask=m[None])["logits"].tobytes()
         for k, m in zip(clips.keypoints, clips.attention_mask, strict=True)]
        for data in (model, attached)
        for runner in [Interpreter(model_content=data).get_signature_runner("serving_default")]
    ]  # fmt: skip
    assert logits[0] == logits[1] and len(set(logits[0])) == len(logits[0])


def test_our_own_reader_sees_the_same_model(
    tmp_path: Path, model: bytes, attached: bytes, card: Card
) -> None:
    one, other = tmp_path / "bare.tflite", tmp_path / "attached.tflite"
    one.write_bytes(model)
    other.write_bytes(attached)
    plain, described = model_file.read(one), model_file.read(other)
    assert described.constants == plain.constants and described.ops == plain.ops
    assert described.size == len(attached) and described.sha256 != plain.sha256
    assert metadata.read(other) == card and metadata.read(one) is None


@pytest.mark.parametrize("more", [1, 4, 15, 16])
def test_alignment_outlives_an_odd_length(model: bytes, card: Card, more: int) -> None:
    data = metadata.attach(model + bytes(more), card)
    assert {place % 16 for _, place in constants(data)} == {0}


def test_it_is_reproducible(model: bytes, attached: bytes, card: Card) -> None:
    assert metadata.attach(model, card) == attached


def test_what_it_must_not_touch(model: bytes, attached: bytes, card: Card) -> None:
    with pytest.raises(ValueError, match="has metadata already"):
        metadata.attach(attached, card)
    tree = object_tree.parsed(model)
    tree.buffers[1].data, tree.buffers[1].offset, tree.buffers[1].size = None, len(model), 4
    import flatbuffers

    builder = flatbuffers.Builder()
    builder.Finish(tree.Pack(builder), b"TFL3")
    with pytest.raises(ValueError, match="outside the flatbuffer"):
        metadata.attach(bytes(builder.Output()) + bytes(4), card)


def with_files(data: bytes, end: int, files: dict[str, bytes], how: int = 0) -> bytes:
    """The model, cut before its archive, with another one."""
    stream = io.BytesIO()
    stream.write(data[:end])
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def other_place(data: bytes) -> bytes:
    """With a buffer that is not there as the metadata's."""
    tree = object_tree.parsed(data)
    tree.metadata[-1].buffer = 100_000
    import flatbuffers

    builder = flatbuffers.Builder()
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


Damage = Callable[[bytes, int], bytes]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "the archive is gone": (lambda d, end: d[:end], "BadZipFile"),
    "cut": (lambda d, end: d[:-7], "BadZipFile"),
    "cut early": (lambda d, end: d[:3000], "is damaged or truncated"),
    "a flipped bit": (
        lambda d, end: d[: end + 60] + bytes([d[end + 60] ^ 1]) + d[end + 61 :],
        "CRC-32",
    ),
    "another file": (lambda d, end: with_files(d, end, {"a.txt": b""}), "signbart.json"),
    "no JSON": (lambda d, end: with_files(d, end, {"signbart.json": b"\x1b[2J"}), "signbart.json"),
    "no UTF-8": (lambda d, end: with_files(d, end, {"signbart.json": b"\xff"}), "signbart.json"),
    "no card": (
        lambda d, end: with_files(d, end, {"signbart.json": b"{}"}),
        "its signbart.json is not of schema 1",
    ),
    "a bomb": (
        lambda d, end: with_files(d, end, {"signbart.json": bytes(9 << 20)}, zipfile.ZIP_DEFLATED),
        "of more than 8,388,608 bytes",
    ),
    "nowhere": (lambda d, end: other_place(d), "is damaged or truncated"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_card_is_refused(tmp_path: Path, attached: bytes, name: str) -> None:
    damage, says = DAMAGES[name]
    with zipfile.ZipFile(io.BytesIO(attached)) as archive:
        end = archive.infolist()[0].header_offset
    path = tmp_path / "model.tflite"
    path.write_bytes(damage(attached, end))
    with pytest.raises(PortError) as refused:
        metadata.read(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and says in message and message.isprintable()


def test_random_damage_gives_a_card_or_a_port_error(tmp_path: Path, attached: bytes) -> None:
    random, path = np.random.default_rng(0), tmp_path / "model.tflite"
    refused = 0
    for _ in range(300):
        data = np.frombuffer(attached, np.uint8).copy()
        ends = np.r_[8:3000, len(data) - 3000 : len(data)]
        data[random.choice(ends, 10)] = random.integers(0, 256, 10)
        path.write_bytes(data.tobytes())
        try:
            metadata.read(path)
        except PortError:
            refused += 1
    assert refused > 100


def test_metadata_of_others_is_no_card(tmp_path: Path, model: bytes, card: Card) -> None:
    """It is declared, but none of ours."""
    data = metadata.attach(model, card).replace(b"signbart.json", b"strangers.txt")
    (tmp_path / "model.tflite").write_bytes(data)
    assert metadata.read(tmp_path / "model.tflite") is None


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(99)])
def test_what_is_no_tflite(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(PortError, match="not a TFLite model"):
        metadata.read(path)


def test_reading_needs_no_framework(tmp_path: Path, attached: bytes) -> None:
    (tmp_path / "model.tflite").write_bytes(attached)
    code = """
import sys
from signbart_port.tflite import metadata
print(len(metadata.read(sys.argv[1]).labels))
heavy = {"torch", "tensorflow", "keras", "h5py", "pydantic", "yaml", "ai_edge_litert"}
print(sorted({name.partition(".")[0] for name in sys.modules} & heavy))
"""
    assert run_python(code, tmp_path / "model.tflite").splitlines() == ["5", "[]"]
