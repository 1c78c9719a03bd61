"""A .tflite run on raw clips: prepared, padded and dequantized as Keras would have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from signbart_port.config import SignBartConfig
from signbart_port.data import preprocessing
from signbart_port.errors import PortError
from signbart_port.inference.logits import Inference, Outputs
from signbart_port.tflite import metadata, model_file, object_tree
from signbart_port.tflite.runner import Runner
from signbart_port.untrusted.model_kind import ModelKind
from tests.support.cards import INTEGERS, a_card, bare, emit, emit_integers
from tests.support.datasets import a_clip
from tests.support.framework_models import torch_model
from tests.support.modified_tflite import packed
from tests.support.running import run_python
from tests.support.small_models import small_config, state_dict

CONFIG = small_config()
FRAMES = (3, 9, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runner")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    """Of three lengths; it reads 12 keypoints, of whatever skeleton it is given."""
    return emit(folder / "model.tflite", CONFIG, FRAMES)


def clip_of(frames: int, points: int = 75) -> np.ndarray:
    """Raw keypoints with a third coordinate, some beyond the picture, some missing."""
    clip = 1.4 * a_clip(frames, frames, points).astype(np.float64) - 0.2
    clip[:: max(1, frames // 2), :40] = 0
    return np.concatenate([clip, np.full((frames, points, 1), 9.0)], axis=-1)


def expected(config: SignBartConfig, clip: np.ndarray, **variant: bool) -> np.ndarray:
    """The logits of PyTorch, inputs the clip alone: no padding."""
    import torch

    prepared = preprocessing.prepare(clip, **variant)
    if config.layout == "selected":
        prepared = prepared[:, list(config.joint_idx)]
    model = torch_model(config, state_dict(config))
    with torch.inference_mode():
        _, logits = model(torch.from_numpy(prepared[None]), torch.ones(1, len(prepared)))
    return logits[0].numpy()


def near(got: np.ndarray, wanted: np.ndarray) -> bool:
    assert got.dtype == np.float32 and got.shape == wanted.shape
    assert np.ptp(wanted) > 0.1
    return bool(np.abs(got - wanted).max() < 1e-5)


@pytest.mark.parametrize(
    ("frames", "signature", "length"),
    [
        (1, "frames_3", 3),
        (3, "frames_3", 3),
        (4, "frames_9", 9),
        (9, "frames_9", 9),
        (10, "serving_default", 16),
        (16, "serving_default", 16),
    ],
)
def test_the_shortest_signature_that_takes_a_clip(
    model: Path, frames: int, signature: str, length: int
) -> None:
    runner, clip = Runner(model), clip_of(frames)
    inputs = runner.prepare(clip)
    assert inputs.signature == signature
    assert inputs.keypoints.shape == (1, length, 12, 2) and not inputs.keypoints[0, frames:].any()
    assert inputs.attention_mask.tolist() == [[1.0] * frames + [0.0] * (length - frames)]
    assert near(runner.scores(clip), expected(CONFIG, clip))
    assert np.array_equal(runner.run(inputs), runner.scores(clip))


@pytest.mark.parametrize("frames", [17, 40, 100])
def test_a_longer_clip_is_shortened_to_the_longest(model: Path, frames: int) -> None:
    runner, clip = Runner(model), clip_of(frames)
    kept = clip[np.linspace(0, frames - 1, 16).astype(int)]
    assert runner.prepare(clip).signature == "serving_default"
    assert np.array_equal(runner.scores(clip), runner.scores(kept))
    assert near(runner.scores(clip), expected(CONFIG, kept))


def test_it_knows_itself(model: Path) -> None:
    runner = Runner(model)
    assert runner.card == metadata.read(model) and runner.notes == ()
    assert (runner.classes, runner.card.frames) == (5, FRAMES)


@pytest.mark.release
def test_only_the_joints(folder: Path) -> None:
    config = small_config(layout="selected", count_missing=False)
    runner, clip = Runner(emit(folder / "selected.tflite", config, (8, 12))), clip_of(7)
    assert runner.prepare(clip).keypoints.shape == (1, 8, 6, 2)
    assert near(runner.scores(clip), expected(config, clip, count_missing=False))
    assert not near(runner.scores(clip), expected(config, clip, count_missing=True))


@pytest.mark.release
def test_raw_keypoints_and_probabilities(folder: Path) -> None:
    path = emit(folder / "raw.tflite", CONFIG, (6, 12), skeleton=75, probabilities=True)
    runner, clip = Runner(path), clip_of(5, points=100)
    inputs = runner.prepare(clip)
    assert np.array_equal(inputs.keypoints[0, :5], clip[:, :75, :2].astype(np.float32))
    logits = expected(CONFIG, clip[:, :75])
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert runner.card.output == "probabilities"
    assert np.abs(runner.scores(clip) - wanted).max() < 1e-6 and np.ptp(wanted) > 0.05


@pytest.mark.release
def test_a_number_of_frames_set_at_run_time(folder: Path) -> None:
    runner = Runner(emit(folder / "runtime.tflite", CONFIG, ()))
    for frames in (1, 6, 16, 2):
        clip = clip_of(frames)
        assert runner.prepare(clip).keypoints.shape == (1, frames, 12, 2)
        assert near(runner.scores(clip), expected(CONFIG, clip))
    assert runner.prepare(clip_of(50)).keypoints.shape[1] == 16 == runner.card.longest


@pytest.mark.release
def test_integers_in_and_out(folder: Path) -> None:
    """As by hand, with the steps that the file has by its own schema."""
    path = emit_integers(folder)
    runner, clip = Runner(path), clip_of(7)
    assert model_file.read(path).integer_io
    tree = object_tree.parsed(path.read_bytes())
    signature = object_tree.signatures(tree)["frames_8"]
    tensors = object_tree.graph_of(tree, "frames_8").tensors

    def steps_of(edge: Any) -> tuple[float, int]:
        quantization = tensors[edge.tensorIndex].quantization
        return float(quantization.scale[0]), int(quantization.zeroPoint[0])

    inputs = runner.prepare(clip)
    values = {"keypoints": inputs.keypoints, "attention_mask": inputs.attention_mask}
    for edge in signature.inputs:
        step, zero = steps_of(edge)
        nearest = np.rint(values[edge.name.decode()] / step) + zero
        values[edge.name.decode()] = nearest.clip(-128, 127).astype(np.int8)
    assert (
        np.unique(values["keypoints"]).size > 50 and np.unique(values["attention_mask"]).size == 2
    )
    step, zero = steps_of(signature.outputs[0])
    integers = Interpreter(str(path)).get_signature_runner("frames_8")(**values)["logits"][0]
    assert integers.dtype == np.int8 and np.unique(integers).size == 5
    scores = runner.scores(clip)
    assert np.abs(scores - step * (integers.astype(int) - zero)).max() < step / 1000
    wanted = expected(INTEGERS, clip)
    assert np.corrcoef(scores, wanted)[0, 1] > 0.9 and abs(scores - wanted).max() < np.ptp(wanted)


def test_without_a_card_it_is_taken_for_the_usual(model: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(bare(model))
    runner, clip = Runner(plain), clip_of(8)
    assert runner.card.labels is None and runner.card.frames == FRAMES
    assert runner.notes[0].startswith("plain.tflite has no model card: taken for")
    assert np.array_equal(runner.scores(clip), Runner(model).scores(clip))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"keypoints": 11}, "has other keypoints than its card says"),
        ({"frames": (3, 16)}, "has other frames than its card says"),
        ({"frames": ()}, "has other frames than its card says"),
        ({"labels": ("a", "b")}, "gives 5 classes, its card names 2"),
    ],
)
def test_a_card_of_another_file(
    model: Path, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(metadata.attach(bare(model), a_card(CONFIG, **({"frames": FRAMES} | changes))))
    for open_it in (Runner, once):
        with pytest.raises(PortError, match=says):
            open_it(path)


def once(path: Path, clip: np.ndarray | None = None) -> np.ndarray:
    clip = clip_of(5) if clip is None else clip
    (scores,) = apart(path, [clip], [Path("clip.pkl")]).scores
    return scores


def apart(path: Path, clips: list[np.ndarray], paths: list[Path]) -> Outputs:
    """What a process of its own gives."""
    with Inference(path, ModelKind.TFLITE) as run:
        run.send(clips, paths)
        return run.outputs()


def renamed(data: bytes) -> bytes:
    assert data.count(b"keypoints") > 1
    return data.replace(b"keypoints", b"landmarks")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (renamed, "is not a SignBART: its signature is attention_mask, landmarks, ->, "),
        (lambda data: data[: len(data) // 2], ""),
        (lambda data: b"text", "is a text file, not a TFLite model"),
        (lambda data: b"", "is an empty file, not a TFLite model"),
    ],
)
def test_what_is_no_signbart(model: Path, tmp_path: Path, damage: Any, says: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(damage(bare(model)))
    with pytest.raises(PortError) as refused:
        once(path)
    assert str(refused.value).startswith(f"{path}: ") and says in str(refused.value)


def test_a_file_that_crashes_the_interpreter_crashes_it_alone(model: Path, tmp_path: Path) -> None:
    """Operators that read tensors which are not there."""
    tree = object_tree.parsed(bare(model))
    for graph in tree.subgraphs:
        for operator in graph.operators:
            operator.inputs = np.full(len(operator.inputs), 10_000, np.int32)
    path = tmp_path / "model.tflite"
    path.write_bytes(packed(tree))
    with pytest.raises(PortError, match="the LiteRT interpreter cannot run it") as refused:
        once(path)
    assert refused.value.path == path


def test_apart_gives_what_the_runner_does(model: Path) -> None:
    runner, clips = Runner(model), [clip_of(frames) for frames in (2, 30, 8)]
    ran = apart(model, clips, [Path(f"{n}.pkl") for n in range(3)])
    assert ran.output == "logits" and ran.frames.tolist() == [3, 16, 9]
    for scores, one, clip in zip(ran.scores, ran.inputs, clips, strict=True):
        inputs = runner.prepare(clip)
        assert np.array_equal(scores, runner.scores(clip))
        assert one.signature == inputs.signature
        assert np.array_equal(one.keypoints, inputs.keypoints)
        assert np.array_equal(one.attention_mask, inputs.attention_mask)


def test_a_clip_that_does_not_fit_is_named(model: Path) -> None:
    clips, paths = [clip_of(2), clip_of(2, points=42)], [Path("a.pkl"), Path("b.pkl")]
    with pytest.raises(
        ValueError, match="42 keypoints a frame: the model reads mediapipe-75, of 75"
    ):
        Runner(model).scores(clips[1])
    with pytest.raises(PortError, match=r"^b\.pkl: 42 keypoints"):
        apart(model, clips, paths)


def test_it_needs_no_framework(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "clip.npy", clip_of(4))
    code = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(name)

HEAVY = {"torch", "tensorflow", "keras", "h5py", "pydantic", "yaml", "typer", "rich", "safetensors"}
sys.meta_path.insert(0, Refuse())
import numpy as np
from signbart_port.tflite.runner import Runner
print(len(Runner(sys.argv[1]).scores(np.load(sys.argv[2]))))
"""
    assert run_python(code, model, tmp_path / "clip.npy") == "5\n"
