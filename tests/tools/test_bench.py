"""The benchmark's own machinery: what is not there is skipped, what is compared is what it says."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import bench
import bench_clips
import bench_latency
import bench_limit
from bench_models import relabeled
from bench_runners import EAGER, FLOAT32, Classify, Floats, Peer, Runner, available, ours, tflite
from bench_turns import Failed, run, timed
from signbart_port.data.dataset import open_dataset
from signbart_port.pairs.signbart_cases import make_for
from signbart_port.tflite.modes import Quantization
from tests.support.small_models import small_config


@pytest.fixture
def checkpoint(ported: Path, tmp_path: Path) -> Path:
    """The small model's weights alone, with its config beside them."""
    import torch

    container = torch.load(ported / "model.pth", weights_only=True)
    torch.save(container["model"], tmp_path / "model.pth")
    (tmp_path / "model.yaml").write_text(small_config().model_dump_json())
    return tmp_path / "model.pth"


def emitted(ported: Path, start: object = tflite) -> Runner:
    return Runner("tflite none", FLOAT32, True, ported / "model.tflite", start)  # type: ignore[arg-type]


def rows(table: object) -> list[list[str]]:
    return [list(row) for row in zip(*(c.cells for c in table.columns), strict=True)]  # type: ignore[attr-defined]


def test_a_peer_that_is_not_installed_is_skipped_with_a_word(checkpoint: Path) -> None:
    absent = Peer("absent", FLOAT32, ("torch", "no_such_module"), "onnx", tflite)
    words: list[str] = []
    attempts = {peer.name: partial(peer.runner, checkpoint, 16) for peer in (absent, EAGER)}

    assert [runner.name for runner in available(attempts, words.append)] == ["PyTorch eager"]
    assert words == ["absent: skipped, no_such_module not installed (the extra `peers` has it)"]


def test_a_mode_that_needs_clips_is_skipped_without_a_dataset(checkpoint: Path) -> None:
    words: list[str] = []
    attempts = {"int8": partial(ours, checkpoint, Quantization.INT8, [16])}

    assert list(available(attempts, words.append)) == []
    assert words == ["int8: skipped, needs real clips (--data)"]


def test_latency_holds_ours_against_the_fastest_peer(checkpoint: Path, ported: Path) -> None:
    table, words = bench_latency.columns(), list[str]()
    among = (EAGER.runner(checkpoint, 16), emitted(ported))
    bench_latency.bench("small", checkpoint, among, 16, 1, 1, table, words.append)

    eager, own = rows(table)
    assert words == []
    assert eager[:4] == ["small", "16", "1", "PyTorch eager"]
    assert eager[5:] == ["1.00x", "1.00x", "0.0e+00"]
    assert own[3] == "tflite none"
    assert float(own[7]) < 1e-5


def test_latency_says_who_computes_something_else(checkpoint: Path, ported: Path) -> None:
    def reversed_labels(file: Path, threads: int) -> Classify:
        classify = tflite(file, threads)
        return lambda keypoints, mask: classify(keypoints, mask)[:, ::-1]

    def broken(file: Path, threads: int) -> Classify:
        raise RuntimeError("no\ncompiler")

    table, words = bench_latency.columns(), list[str]()
    among = (
        EAGER.runner(checkpoint, 16),
        emitted(ported, reversed_labels),
        Runner("broken", FLOAT32, False, checkpoint, broken),
    )
    bench_latency.bench("small", checkpoint, among, 16, 1, 1, table, words.append)

    assert [row[7].endswith("COMPUTES SOMETHING ELSE") for row in rows(table)] == [False, True]
    assert words == ["broken: skipped, no compiler"]


@pytest.mark.release
def test_the_bare_products_are_those_of_the_file(ported: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    data = (ported / "model.tflite").read_bytes()
    bare = bench_limit.only(data, bench_limit.PRODUCTS)
    interpreter = Interpreter(model_content=bare)
    interpreter.allocate_tensors()
    kinds = [op["op_name"] for op in interpreter._get_ops_details()]

    counts = bench_limit.operators(data)
    assert {"SOFTMAX", *bench_limit.PRODUCTS} <= set(counts)
    for kind in bench_limit.PRODUCTS:
        assert kinds.count(kind) == counts[kind] > 0
    assert set(kinds) <= {*bench_limit.PRODUCTS, "DELEGATE"}
    table = bench_limit.columns()
    bench_limit.shares("small", ported / "model.tflite", 1, table)
    assert {"all", "matrix products", "FULLY_CONNECTED"} <= {row[2] for row in rows(table)}


def test_a_clip_goes_to_the_shortest_signature_that_it_fits_in() -> None:
    lengths = (16, 32, 64)
    assert [bench_clips.fitting(frames, lengths) for frames in (1, 16, 17, 32, 33, 64)] == [
        *(16, 16, 32, 32, 64, 64)
    ]


def test_a_clip_is_classified_by_the_signature_of_its_length(ported: Path) -> None:
    inputs = make_for(small_config(), 16)
    classify = tflite(ported / "model.tflite", 1)
    logits: Floats = classify(inputs.keypoints[:1], inputs.attention_mask[:1])

    assert logits.shape == (1, 5)
    with pytest.raises(KeyError):
        classify(inputs.keypoints[:1, :15], inputs.attention_mask[:1, :15])


def test_a_dataset_gets_as_many_labels_as_the_model(tmp_path: Path) -> None:
    data = tmp_path / "given"
    (data / "train" / "B").mkdir(parents=True)
    (data / "label2id.json").write_text('{"A": 0, "B": 1}')
    np.save(data / "train" / "B" / "clip.npy", np.zeros((3, 75, 2), np.float32))

    assert relabeled(tmp_path, data, 2) == data
    dataset = open_dataset(relabeled(tmp_path, data, 5))
    assert dataset.labels[:2] == ("A", "B") and len(dataset.labels) == 5
    assert [entry.label for entry in dataset.entries] == ["B"]
    with pytest.raises(ValueError, match="has 2 labels, the model 1"):
        relabeled(tmp_path, data, 1)


def test_turns_begin_with_another_one_every_round() -> None:
    called: list[str] = []
    calls = {name: partial(called.append, name) for name in "abc"}
    seconds = timed(calls, 3, warm=False)

    assert "".join(called) == "abcbcacab"
    assert {name: len(spent) for name, spent in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_command_that_fails_says_its_last_line() -> None:
    with pytest.raises(Failed, match=r"^the last word$"):
        run([shutil.which("sh") or "sh", "-c", "echo first >&2; echo the last word >&2; exit 3"])


def test_every_part_has_a_table() -> None:
    assert tuple(bench.tables()) == bench.PARTS
