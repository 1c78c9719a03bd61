"""Operations of a file, counted off its graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from signbart_port.errors import PortError
from signbart_port.metrics.flops import of_forward
from signbart_port.tflite import flops, model_file, object_tree, tables
from tests.support.cards import emit
from tests.support.small_models import small_config

CONFIG = small_config()


@pytest.fixture(scope="module")
def file(small_tflite: Callable[..., Path]) -> Path:
    return small_tflite(5, 16)


@pytest.mark.release
@pytest.mark.parametrize("frames", [5, 16])
def test_all_of_the_model_but_what_its_last_layer_leaves_out(file: Path, frames: int) -> None:
    """The last layer computes one frame alone, and instead of projecting all keys and values it
    takes that frame's query to them, a row a head."""
    width, heads, ffn = CONFIG.d_model, CONFIG.decoder_attention_heads, CONFIG.decoder_ffn_dim
    project, compare = 2 * width * width, 2 * width * frames
    whole_attention = 4 * frames * project + 2 * frames * compare
    attention = (1 + heads) * project + 2 * heads * compare + (heads + 1) * project
    feed_forward = 2 * (2 * width * ffn)
    left_out = 2 * whole_attention + frames * feed_forward
    picking = compare  # the classified frame, by a product
    assert flops.flops(file)[frames] == (
        of_forward(CONFIG, frames) - left_out + 2 * attention + feed_forward + picking
    )


def test_every_signature(file: Path) -> None:
    assert flops.flops(file).keys() == {5, 16}
    assert flops.flops(file)[5] < flops.flops(file)[16]


@pytest.mark.release
def test_frames_of_run_time_have_no_count(tmp_path: Path) -> None:
    assert flops.flops(emit(tmp_path / "dynamic.tflite", CONFIG, ())) == {}


def a_bomb(count: int) -> bytes:
    """A model whose many subgraphs are one, and the tensors of that are one too."""
    builder = flatbuffers.Builder()
    schema.TensorStart(builder)
    tensor = schema.TensorEnd(builder)
    tensors = tables.vector(builder, [tensor] * count)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    graph = schema.SubGraphEnd(builder)
    graphs = tables.vector(builder, [graph] * count)
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def test_many_tables_that_are_one_are_counted_before_they_are_made() -> None:
    """Ten thousand times ten thousand objects, in 80 kB."""
    with pytest.raises(ValueError, match="more tables than bytes for them"):
        object_tree.parsed(a_bomb(10_000))
    assert len(object_tree.parsed(a_bomb(2)).subgraphs) == 2


def test_a_damaged_file(file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(PortError, match=r"damaged\.tflite: is damaged or truncated"):
        flops.flops(damaged)
    assert model_file.read(file).lengths  # the whole one is fine
