"""What the proof is told of a model: axes by name, parts, the place of a pair; and the defaults."""

from __future__ import annotations

import numpy as np
import pytest

import signbart_port
from signbart_port.model_files import mappings
from signbart_port.pairs.signbart import SIGNBART, SignBartPair
from signbart_port.pairs.signbart_cases import FRAMES, make_for
from signbart_port.parity.counting import Counting
from signbart_port.parity.load_pair import import_pair, place_of
from signbart_port.parity.pair import Case, Pair, Tap, mapping_path, tap_of
from signbart_port.parity.taps import outputs_of
from tests.support.small_models import small_config


def test_where_sizes_are_equal_the_names_of_axes_tell_what_counts() -> None:
    """Each is taken for another thing where shapes are looked at: positions of one clip for its
    states, channels for frames."""
    counting = Counting(
        {
            "positions": Tap("one position channel"),
            "channels": Tap("batch channel time"),
            "keys": Tap("batch heads time memory"),
        },
        {"time": np.array([[True, False, False]])},
    )
    square = np.arange(9.0).reshape(1, 3, 3)
    np.testing.assert_array_equal(counting.select("positions", square), square)
    np.testing.assert_array_equal(counting.select("channels", square), square[:, :, 0])
    np.testing.assert_array_equal(counting.select("unknown", square), square)
    weights = np.arange(27.0).reshape(1, 3, 3, 3)
    np.testing.assert_array_equal(counting.select("keys", weights), weights[:, :, 0])


def test_two_axes_may_have_positions() -> None:
    time, memory = np.array([[True, False], [True, True]]), np.array([[False, True, True]] * 2)
    counting = Counting({"*": Tap("batch heads time memory")}, {"time": time, "memory": memory})
    weights = np.random.default_rng(0).normal(size=(2, 4, 2, 3))
    expected = [weights[b, :, t, m] for b, t in np.argwhere(time) for m in (1, 2)]
    np.testing.assert_array_equal(counting.select("tap", weights), expected)
    assert counting.place("tap", weights.shape, (3, 2)) == (1, 2, 0, 2)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("batch time channel", (2, 3)), ("time channel", (3, 4)), ("batch time channel", (2, 4, 3))],
)
def test_an_output_of_other_axes_than_the_pair_names_is_an_error(
    axes: str, shape: tuple[int, ...]
) -> None:
    counting = Counting({"*": Tap(axes)}, {"time": np.ones((2, 3), bool)})
    with pytest.raises(ValueError, match="tap has "):
        counting.select("tap", np.ones(shape))


def test_the_first_pattern_is_in_force() -> None:
    taps = SIGNBART.taps(small_config())
    for path, axes in {
        "projection": "batch time channel",
        "encoder.embed_positions": "one position channel",
        "decoder.layers.0.encoder_attn.dropout": "batch heads time memory",
        "decoder.layers.0.dropout": "batch time channel",
        "last_frame": "batch one channel",
        "classification_head.out_proj": "batch label",
        "logits": "batch label",
    }.items():
        assert tap_of(taps, path).torch == axes, path
    assert tap_of({}, "any") == Tap()


def test_keras_outputs_are_compared_in_pytorchs_order() -> None:
    image = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    tap = Tap("batch channel height width", "batch height width channel")
    np.testing.assert_array_equal(tap.in_torch_order(image.transpose(0, 2, 3, 1)), image)
    assert Tap("batch time").in_torch_order(image) is image


def test_a_part_of_a_tuple_may_count_alone() -> None:
    assert outputs_of("attn", 2, ("states", "weights")) == {
        "attn:2[0]": "states",
        "attn:2[1]": "weights",
    }
    assert outputs_of("attn", 1, ("states", "weights"), part=0) == {"attn": "states"}
    assert outputs_of("attn", 1, "states", part=0) == {"attn": "states"}


def test_another_process_finds_the_pair_and_its_mapping() -> None:
    place = place_of(SIGNBART)
    assert place == "signbart_port.pairs.signbart:SignBartPair"
    assert isinstance(import_pair(place), SignBartPair)
    assert mapping_path(SIGNBART) == mappings.signbart().path


def test_the_defaults_of_a_pair() -> None:
    pair, config = signbart_port.Pair(), {"width": 3}
    assert pair.read_config({"width": 3}, {"width": 2, "depth": 1}) == {"width": 3, "depth": 1}
    assert pair.sizes(config) is None and not pair.taps(config)
    assert not pair.tflite(config) and not pair.vary(config) and not pair.custom_objects
    assert pair.causes(config, dict, signbart_port.Case("", {}, {})) is None
    assert not pair.summary(np.ones(2), np.ones(2))
    assert pair.torch_output(["it"]) == pair.keras_output({"it": "it"}) == "it"
    with pytest.raises(ValueError, match="2 outputs"):
        pair.torch_output(("one", "other"))
    assert pair.call_torch(lambda x, y: (x, y), {"x": 1, "y": 2}) == (1, 2)

    def called(inputs, training):
        return inputs, training

    assert pair.call_keras(called, {"x": 1, "y": 2}) == ({"x": 1, "y": 2}, False)
    assert pair.call_keras(called, {"x": 1}) == (1, False)
    for build in (pair.torch_model, pair.keras_model, lambda config: pair.cases(config, 0)):
        with pytest.raises(NotImplementedError):
            build(config)


def test_signbarts_cases_count_what_is_real_or_classified() -> None:
    config = small_config()
    (case,) = SIGNBART.cases(config, 0)
    inputs = make_for(config)
    assert isinstance(case, Case) and isinstance(SIGNBART, Pair)
    for arrays in (case.torch, case.keras):
        np.testing.assert_array_equal(arrays["keypoints"], inputs.keypoints)
        np.testing.assert_array_equal(arrays["attention_mask"], inputs.attention_mask)
    np.testing.assert_array_equal(case.counted["time"], inputs.classified)
    frames = min(FRAMES, config.max_position_embeddings)
    assert case.facts == {"clips": inputs.names, "masks": inputs.drawn(), "frames": frames}
    (other,) = SIGNBART.cases(config, 1)
    assert (other.torch["keypoints"] != case.torch["keypoints"]).any()


def test_signbarts_config_is_validated() -> None:
    config = small_config()
    assert SIGNBART.read_config(config.model_dump(), {}) == config
    assert SIGNBART.sizes(config) == config.sizes()
    with pytest.raises(ValueError, match="does not divide"):
        SIGNBART.read_config({"encoder_attention_heads": 3}, config.model_dump())
