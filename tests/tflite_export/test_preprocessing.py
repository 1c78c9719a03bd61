"""Preprocessing inside the graph: equal to NumPy's, number for number, in every kind of file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from signbart_port.config import joints
from signbart_port.config.skeletons import FOR_MODELS, KNOWN
from signbart_port.data.clip_fitting import Selection
from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import Interface
from signbart_port.data.preprocessing import Floats, clip, normalize
from signbart_port.inference.logits import run
from signbart_port.tflite import model_file, object_tree
from tests.support.framework_models import keras_model
from tests.support.small_models import small_config, state_dict

FRAMES = 16
POSE_HANDS = joints.NAMED["pose_hands"]
LEFT, RIGHT = slice(33, 54), slice(54, 75)
LAYOUTS = ("full", "selected")
BOTH = pytest.mark.parametrize("count_missing", [True, False])


def edges(skeleton: int) -> Floats:
    """A clip (1, FRAMES, skeleton, 2), each frame of it another difficulty."""
    rng = np.random.default_rng(skeleton)
    clip_ = rng.random((FRAMES, skeleton, 2), dtype=np.float32)
    clip_[rng.random((FRAMES, skeleton)) < 1 / 3] = 0
    clip_[1, LEFT] = 0
    clip_[2] = 0
    clip_[3] = 3 * clip_[3] - 1  # beyond the picture on every side
    clip_[4, RIGHT] = 0.3  # a box without sides
    clip_[5, RIGHT, 0] = 0.7  # without one of them
    clip_[6, RIGHT] *= (1e-4, 1e-3)
    clip_[7] = 0.5 + clip_[7] * 1e-7  # margins that rounding swallows
    clip_[8, 11:17] = 1  # at the edge, with no room for a margin
    clip_[9, ::7, 0], clip_[9, ::5, 1] = np.nan, np.nan
    clip_[10, ::7, 0], clip_[10, ::5, 1] = np.inf, -np.inf
    clip_[11, LEFT] = np.nan
    clip_[12] = np.nan
    clip_[13] = (np.inf, 0.5)
    clip_[14, ::3] = (0, 0.5)  # one coordinate of 0: not missing
    clip_[15] *= np.finfo(np.float32).max
    return clip_[None]


def by_numpy(raw: Floats, count_missing: bool) -> Floats:
    known = np.isfinite(raw).all(axis=-1, keepdims=True)
    return normalize(clip(np.where(known, raw, np.float32(0))), count_missing=count_missing)


def converted(
    function: Callable[..., Any],
    shapes: dict[str, tuple[int | None, ...]],
    quantization: str = "none",
    model: Any = None,
) -> bytes:
    """A .tflite of a function of float32 tensors, as the program converts a model."""
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()]
    graph = tf.function(function, input_signature=signature).get_concrete_function()
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables] if model else []
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    data: bytes = converter.convert()
    return data


def alone(
    skeleton: int,
    joint_idx: tuple[int, ...],
    frames: int | None = FRAMES,
    quantization: str = "none",
    **options: Any,
) -> bytes:
    from signbart_port.keras_model.preprocessing import prepared

    def function(keypoints: Any) -> dict[str, Any]:
        return {"prepared": prepared(keypoints, joint_idx, **options)}

    return converted(function, {"keypoints": (1, frames, skeleton, 2)}, quantization)


def operators(data: bytes) -> Counter[int]:
    model = object_tree.parsed(data)
    return Counter(
        model.operatorCodes[operator.opcodeIndex].builtinCode
        for graph in model.subgraphs
        for operator in graph.operators
    )


def results(data: bytes, raw: Floats) -> dict[str, Floats]:
    """By LiteRT's kernels for this processor, XNNPACK's, and by its plain ones."""
    found = {}
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        interpreter = Interpreter(
            model_content=data, num_threads=1, experimental_op_resolver_type=kernels
        )
        runner = interpreter.get_signature_runner()
        found[kernels.name] = runner(keypoints=raw)["prepared"]
    return found


@BOTH
@pytest.mark.parametrize(
    ("skeleton", "frames", "quantization"),
    [
        *product([75, 90, 100], [FRAMES], ["none"]),
        *product([100], [FRAMES, None], ["float16", "dynamic"]),
        (100, None, "none"),
        (75, 1, "none"),
    ],
)
@pytest.mark.on_commit(
    "100-16-float16-False",
    "90-16-none-True",
    "75-16-none-False",
    "100-None-dynamic-True",
    "75-1-none-True",
)
def test_equal_to_numpy(
    skeleton: int, frames: int | None, quantization: str, count_missing: bool
) -> None:
    """Of a static length, or of one set at run time (None)."""
    every = tuple(range(skeleton))
    data = alone(skeleton, every, frames, quantization, count_missing=count_missing)
    assert schema.BuiltinOperator.CUSTOM not in operators(data)
    clips = [edges(skeleton)] if frames != 1 else list(np.split(edges(skeleton), FRAMES, axis=1))
    if frames is None:
        clips += [clips[0][:, 3:8], clips[0][:, :1]]
    for raw in clips:
        for kernels, found in results(data, raw).items():
            np.testing.assert_array_equal(found, by_numpy(raw, count_missing), kernels)


@BOTH
def test_real_clips(shared_data: Path, count_missing: bool) -> None:
    with np.load(shared_data / "arabic-asl.npz") as data:
        raw, lengths = data["keypoints"].astype(np.float32), data["lengths"]
    file = alone(raw.shape[1], tuple(range(raw.shape[1])), None, count_missing=count_missing)
    runner = Interpreter(model_content=file).get_signature_runner()
    for one in np.split(raw, np.cumsum(lengths)[:-1])[::5]:
        found = runner(keypoints=one[None])["prepared"]
        np.testing.assert_array_equal(found[0], by_numpy(one, count_missing))


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("skeleton", "joint_idx"),
    [
        (75, POSE_HANDS),
        (100, POSE_HANDS),
        (75, tuple(reversed(POSE_HANDS))),
        (75, (40, 12, 38, 70, 54)),  # a group is read in part, its box is made of all of it
        (90, (80, 3, 89, 20, 33)),
        (100, (99, 75)),
        (75, (0, 20, 5)),  # no group at all
        (110, (105, 11)),  # beyond the face
    ],
)
def test_joints(
    skeleton: int, joint_idx: tuple[int, ...], layout: str, count_missing: bool
) -> None:
    from signbart_port.keras_model.preprocessing import prepared

    raw = edges(skeleton)
    options: Any = {"count_missing": count_missing, "layout": layout}
    found = np.asarray(prepared(raw, joint_idx, **options))
    expected = by_numpy(raw, count_missing)[:, :, joint_idx]
    assert found.shape[2] == (skeleton if layout == "full" else len(joint_idx))
    np.testing.assert_array_equal(found[:, :, joint_idx] if layout == "full" else found, expected)
    assert np.isfinite(found).all()


def graph_choices() -> list[tuple[str, str]]:
    """Every skeleton that a model can count in, with every one that a graph can bring to it."""
    found = []
    for read, given in product(FOR_MODELS, KNOWN):
        hands = [point for points in KNOWN[read].hands.values() for point in points]
        if read != given and not Selection(KNOWN[given], KNOWN[read], tuple(hands)).lacking:
            found.append((read, given))
    return [*((name, name) for name in FOR_MODELS), *found]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("read", "given"), graph_choices())
def test_every_skeleton_that_a_graph_can_take(read: str, given: str, layout: str) -> None:
    """The hands of each, with NaN, infinity and missing points among them."""
    from signbart_port.keras_model.preprocessing import prepared

    skeleton, takes = KNOWN[read], KNOWN[given]
    hands = tuple(point for points in skeleton.hands.values() for point in points)
    config = small_config(joint_idx=hands, skeleton=read, layout=layout)
    interface = Interface(
        takes.points,
        preprocessing=True,
        count_missing=config.count_missing,
        skeleton=skeleton,
        takes=None if takes == skeleton else takes,
    )
    raw = edges(takes.points)
    expected = interface.prepared(Inputs((), raw, raw[..., 0, 0]), config).keypoints
    found = np.asarray(
        prepared(
            raw,
            hands,
            count_missing=config.count_missing,
            layout=config.layout,
            skeleton=skeleton,
            selection=interface.selection(config),
        )
    )
    if layout == "full":
        assert found.shape == expected.shape
        found, expected = found[:, :, hands], expected[:, :, hands]
    np.testing.assert_array_equal(found, expected)


def test_usual_joints_need_no_gather_and_hands_alone_no_body() -> None:
    """What a phone has to compute: gathers are slow, and boxes that nobody reads are work."""
    pose_hands, hands = (
        operators(alone(75, joint_idx, layout="selected"))
        for joint_idx in (POSE_HANDS, joints.NAMED["hands_only"])
    )
    assert schema.BuiltinOperator.GATHER not in pose_hands + hands
    assert pose_hands[schema.BuiltinOperator.REDUCE_MIN] == 3
    assert hands[schema.BuiltinOperator.REDUCE_MIN] == 2


@pytest.mark.parametrize(("skeleton", "joint_idx"), [(74, (33,)), (75, (3, 75))])
def test_a_skeleton_that_lacks_joints_is_refused(skeleton: int, joint_idx: tuple[int, ...]) -> None:
    from signbart_port.keras_model.preprocessing import prepared

    with pytest.raises(ValueError, match=f"{skeleton} keypoints"):
        prepared(np.zeros((1, 2, skeleton, 2), np.float32), joint_idx)


@pytest.mark.parametrize(
    ("frames", "quantization", "layout", "count_missing"),
    [
        (FRAMES, "none", "selected", True),
        (None, "none", "full", False),
        (None, "float16", "selected", False),
        (FRAMES, "dynamic", "full", True),
    ],
)
@pytest.mark.on_commit("16-dynamic-full-True", "16-none-selected-True")
def test_with_a_model(
    tmp_path: Path, frames: int | None, quantization: str, layout: Any, count_missing: bool
) -> None:
    """The same logits for raw keypoints as for those that NumPy prepared, and whatever the frames
    beyond the clip hold."""
    from signbart_port.keras_model.preprocessing import prepared

    config = small_config(
        joint_idx=(*POSE_HANDS, 5), layout=layout, encoder_layers=1, decoder_layers=1
    )
    model = keras_model(config, state_dict(config))

    def of_prepared(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
        return {"logits": model.classify(keypoints, attention_mask)}

    def of_raw(keypoints: Any, attention_mask: Any) -> dict[str, Any]:
        keypoints = prepared(
            keypoints, config.joint_idx, count_missing=count_missing, layout=layout
        )
        return of_prepared(keypoints, attention_mask)

    shape = {"keypoints": (1, frames, 75, 2), "attention_mask": (1, frames)}
    picked = shape | {"keypoints": (1, frames, 75 if layout == "full" else 49, 2)}
    (tmp_path / "raw.tflite").write_bytes(converted(of_raw, shape, quantization, model))
    (tmp_path / "prepared.tflite").write_bytes(converted(of_prepared, picked, quantization, model))
    files = [model_file.read(tmp_path / f"{name}.tflite") for name in ("raw", "prepared")]
    assert not [name for name in files[0].ops if name.startswith("custom:")]

    rng = np.random.default_rng(0)
    first, length = edges(75)[0], 11
    zero, other, nan, inf, huge = (first.copy() for _ in range(5))
    zero[length:], nan[length:], inf[length:], huge[length:] = 0, np.nan, -np.inf, 3e38
    other[length:] = rng.normal(size=other[length:].shape)
    mask = np.tile(np.arange(FRAMES) < length, (5, 1)).astype(np.float32)
    mask[:, 3] = 0  # a hole
    raw = np.stack([zero, other, nan, inf, huge])
    ready = by_numpy(raw, count_missing)
    ready = ready if layout == "full" else ready[:, :, config.joint_idx]
    found, expected = (
        run(file, Inputs((), fed, mask)).outputs
        for file, fed in zip(files, (raw, ready), strict=True)
    )
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, np.broadcast_to(found[0], found.shape))
    np.testing.assert_array_equal(found, expected)
