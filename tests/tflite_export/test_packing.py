"""The bytes of an object tree: what is shared in them, left out and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from signbart_port.data.model_interface import Interface
from signbart_port.pairs import signbart_cases
from signbart_port.tflite import object_tree
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import packing
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.workers import converter
from signbart_port.verbs.to_tflite import Emitted
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict

TINY = small_config(encoder_layers=1, decoder_layers=1)


def plainly(model: Any) -> bytes:
    """As flatbuffers itself writes a tree."""
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def results(data: bytes, joints: int) -> dict[str, np.ndarray]:
    interpreter = Interpreter(model_content=data, num_threads=1)
    given = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        frames = runner.get_input_details()["attention_mask"]["shape"][1]
        clips = signbart_cases.make(joints, frames)
        given[name] = np.concatenate(
            [
                runner(keypoints=keypoints[None], attention_mask=mask[None])["logits"]
                for keypoints, mask in zip(clips.keypoints, clips.attention_mask, strict=True)
            ]
        )
    return given


@pytest.fixture(scope="module")
def for_a_quantizer() -> bytes:
    """A float32 file of two signatures, with the names that a quantizer goes by."""
    conversion = Conversion((2, 4), Quantization.INT8, Interface(TINY.keypoints))
    return converter.converted(keras_model(TINY, state_dict(TINY)), conversion)


def tensors(model: Any) -> list[Any]:
    return [tensor for graph in model.subgraphs for tensor in graph.tensors]


def full(model: Any) -> list[Any]:
    return [buffer for buffer in model.buffers if buffer.data is not None and len(buffer.data)]


@pytest.mark.parametrize("every_name", [True, False])
def test_the_same_outputs(for_a_quantizer: bytes, every_name: bool) -> None:
    """Whatever is left out and shared, and however often it is packed."""
    expected = results(for_a_quantizer, TINY.keypoints)
    assert expected.keys() == {"serving_default", "frames_2"}
    data = packing.pack(object_tree.parsed(for_a_quantizer), every_name=every_name)
    assert flatbuffers.util.BufferHasIdentifier(data, 0, b"TFL3")
    for name, result in results(data, TINY.keypoints).items():
        np.testing.assert_array_equal(result, expected[name])
    assert packing.pack(object_tree.parsed(data), every_name=every_name) == data


@pytest.mark.release
def test_a_quantized_file(emitted: Callable[[str], Emitted]) -> None:
    """With its scales, of tensors and of channels."""
    done = emitted("int16x8")
    model = object_tree.parsed(done.out.read_bytes())
    data, plain = packing.pack(model), plainly(model)
    assert len(data) < 0.9 * len(plain)
    again = object_tree.parsed(data)
    for tensor, other in zip(tensors(model), tensors(again), strict=True):
        one, same = tensor.quantization, other.quantization
        assert (one is None) == (same is None)
        if one is not None:
            np.testing.assert_array_equal(one.scale, same.scale)
            np.testing.assert_array_equal(one.zeroPoint, same.zeroPoint)
            assert one.quantizedDimension == same.quantizedDimension
    joints = done.config.keypoints
    expected = results(plain, joints)["serving_default"]
    np.testing.assert_array_equal(results(data, joints)["serving_default"], expected)


@pytest.mark.parametrize("mode", ["none", "float16", "dynamic", "int8_full", "int16x8"])
@pytest.mark.on_commit("dynamic")
def test_data_are_aligned(emitted: Callable[[str], Emitted], mode: str) -> None:
    """As the format asks, for the kernels that read them where they lie."""
    data = emitted(mode).out.read_bytes()
    model = schema.Model.GetRootAsModel(data, 0)
    begin = np.frombuffer(data, np.uint8).ctypes.data
    places = [
        buffer.DataAsNumpy().ctypes.data - begin
        for buffer in map(model.Buffers, range(model.BuffersLength()))
        if buffer.DataLength()
    ]
    assert len(places) > 10 and not [place for place in places if place % 16]


def test_every_tensor_has_a_name_of_its_own(for_a_quantizer: bytes) -> None:
    """In the whole file, and without what TensorFlow added."""
    names = [tensor.name.decode() for tensor in tensors(object_tree.parsed(for_a_quantizer))]
    assert [name for name, count in Counter(names).items() if count > 1 or not name] == []
    assert not [name for name in names if ";" in name]
    softmax = "encoder/layers.0/self_attn/Softmax"
    assert softmax in names and sum(name.startswith(softmax) for name in names) == 2


def test_names_that_nobody_reads_are_left_out(for_a_quantizer: bytes) -> None:
    model = object_tree.parsed(packing.pack(object_tree.parsed(for_a_quantizer)))
    for graph in model.subgraphs:
        edges = {*graph.inputs, *graph.outputs}
        for place, tensor in enumerate(graph.tensors):
            constant = model.buffers[tensor.buffer].data is not None
            assert bool(tensor.name) == (place in edges or constant)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (b"a/b_1/MatMul;c/d", b"a/b/MatMul"),
        (b"a/b_12;c_3", b"a/b"),
        (b"layers.0/fc_2/BiasAdd_10/ReadVariableOp", b"layers.0/fc/BiasAdd/ReadVariableOp"),
        (b"a/x_1y", b"a/x_1y"),
        (b"a:0", b"a"),
    ],
)
def test_names(for_a_quantizer: bytes, name: bytes, short: bytes) -> None:
    model = object_tree.parsed(for_a_quantizer)
    inner = [
        tensor
        for graph in model.subgraphs
        for place, tensor in enumerate(graph.tensors)
        if place not in {*graph.inputs, *graph.outputs}
    ]
    inner[0].name = inner[-1].name = name
    packing.pack(model, every_name=True)
    assert (inner[0].name, inner[-1].name) == (short, short + b":2")


def test_empty_buffers_are_dropped(for_a_quantizer: bytes) -> None:
    """The first stands for all; what is full keeps its users."""
    model = object_tree.parsed(for_a_quantizer)
    before = {t.name: model.buffers[t.buffer].data for t in tensors(model)}
    for _ in range(5):
        model.buffers.insert(1, schema.BufferT())
    for tensor in tensors(model):
        tensor.buffer = tensor.buffer + 5 if tensor.buffer else 3
    again = object_tree.parsed(packing.pack(model, every_name=True))
    assert len(again.buffers) == 1 + len(full(again)) == 1 + len(full(model))
    for tensor in tensors(again):
        np.testing.assert_array_equal(again.buffers[tensor.buffer].data, before[tensor.name])


def test_the_buffers_of_metadata_stay(for_a_quantizer: bytes) -> None:
    model = object_tree.parsed(for_a_quantizer)
    model.buffers = [model.buffers[0], schema.BufferT(), *model.buffers[1:], schema.BufferT()]
    for tensor in tensors(model):
        tensor.buffer += tensor.buffer > 0
    model.buffers[-1].data = np.frombuffer(b"said of the file", np.uint8)
    note = schema.MetadataT()
    note.name, note.buffer = b"note", len(model.buffers) - 1
    model.metadata = [note]
    again = object_tree.parsed(packing.pack(model))
    assert bytes(again.buffers[again.metadata[0].buffer].data) == b"said of the file"


def test_data_outside_of_the_tree(for_a_quantizer: bytes) -> None:
    """Where a quantizer puts those of a large model: after the flatbuffer, by their offsets."""
    model = object_tree.parsed(for_a_quantizer)
    outside = b""
    for buffer in full(model):
        outside += bytes(-len(outside) % 16)
        buffer.offset, buffer.size = len(outside), len(buffer.data)
        outside += buffer.data.tobytes()
    kept = [(buffer, buffer.data) for buffer in full(model)]
    for buffer, _ in kept:
        buffer.data, buffer.offset = None, buffer.offset + 1_000_000
    data = plainly(model).ljust(1_000_000, b"\0") + outside
    assert len(plainly(model)) < 1_000_000

    read = object_tree.parsed(data)
    with pytest.raises(ValueError, match="outside the flatbuffer"):
        packing.pack(read)
    packing.inline(read, data)
    assert packing.pack(read, every_name=True) == for_a_quantizer
