"""The forms that keypoints are kept in: each gives the array that they were, and says what was
taken for what."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.data.samples import Sample, read
from tests.data.test_hostile import peak_of
from tests.support.datasets import Array, a_clip, npy, npz

Refused = Callable[..., str]
CLIP = a_clip(0)


def sample_of(tmp_path: Path, content: bytes) -> Sample:
    path = tmp_path / "sample.any"
    path.write_bytes(content)
    return read(path)


def of_objects(items: Any, shape: tuple[int, ...]) -> Array:
    made = np.empty(shape, object)
    for place, item in zip(np.ndindex(*shape), items, strict=True):
        made[place] = item
    return made


FORMS: dict[str, Any] = {
    "list of frames": list(CLIP),
    "tuple of frames": tuple(CLIP),
    "lists of points": [list(frame) for frame in CLIP],
    "lists of NumPy's numbers": [[list(point) for point in frame] for frame in CLIP],
    "lists of numbers": CLIP.tolist(),
    "array of frames": of_objects(list(CLIP), (5,)),
    "array of points": of_objects([p for frame in CLIP for p in frame], (5, 75)),
    "array of lists": of_objects([p for frame in CLIP.tolist() for p in frame], (5, 75)),
    "array of numbers": CLIP.astype(object),
    "array of numbers by columns": np.asfortranarray(CLIP.astype(object)),
    "array of an array": of_objects([CLIP], ()),
    "masked array": np.ma.masked_array(CLIP),
    "list of masked frames": [np.ma.masked_array(frame) for frame in CLIP],
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_array(tmp_path: Path, form: str, protocol: int) -> None:
    sample = sample_of(tmp_path, pickle.dumps({"keypoints": FORMS[form], "class": "a"}, protocol))
    np.testing.assert_array_equal(sample.keypoints, CLIP)
    assert sample.keypoints.dtype.kind == "f" and not sample.keypoints.flags.writeable
    assert sample.label == "a" and sample.notes == ()


@pytest.mark.parametrize("form", FORMS)
def test_keypoints_may_be_all_that_a_file_holds(tmp_path: Path, form: str) -> None:
    for content in (pickle.dumps(FORMS[form]), pickle.dumps(CLIP)):
        sample = sample_of(tmp_path, content)
        np.testing.assert_array_equal(sample.keypoints, CLIP)
        assert sample.label is None


@pytest.mark.parametrize("form", [name for name in FORMS if name.startswith("array of")])
def test_arrays_of_objects_in_numpy_s_files(tmp_path: Path, form: str) -> None:
    one = FORMS[form]
    for content in (npy(one, allow_pickle=True), npz(keypoints=one), npz(data=one, label=3)):
        np.testing.assert_array_equal(sample_of(tmp_path, content).keypoints, CLIP)


def test_a_dict_that_np_save_wrote(tmp_path: Path) -> None:
    content = npy(of_objects([{"keypoints": CLIP, "class": "a"}], ()), allow_pickle=True)
    sample = sample_of(tmp_path, content)
    np.testing.assert_array_equal(sample.keypoints, CLIP)
    assert sample.label == "a"


def test_whole_numbers_among_the_others(tmp_path: Path) -> None:
    """A missing point is often written so."""
    lists = CLIP.tolist()
    lists[2][7] = [0, 0]
    lists[3][:] = [[0, 1]] * 75
    expected = CLIP.astype(np.float64)
    expected[2, 7], expected[3] = 0, (0, 1)
    for content in (pickle.dumps(lists), json.dumps(lists).encode()):
        np.testing.assert_array_equal(sample_of(tmp_path, content).keypoints, expected)


TENSORS: dict[str, Any] = {
    "as it is": lambda torch, t: t,
    "strided": lambda torch, t: torch.cat([t, t], dim=1)[:, ::2][:, :75],
    "turned": lambda torch, t: t.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "from the middle": lambda torch, t: torch.cat([t[:2], t])[2:],
    "float64": lambda torch, t: t.double(),
    "float16": lambda torch, t: t.half(),
    "a parameter": lambda torch, t: torch.nn.Parameter(t),
    "frames": lambda torch, t: list(t),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("form", TENSORS)
def test_tensors_of_pytorch(tmp_path: Path, form: str, protocol: int) -> None:
    torch = pytest.importorskip("torch")
    tensor = TENSORS[form](torch, torch.from_numpy(CLIP.copy()))
    expected = np.stack([frame.detach().numpy() for frame in tensor])
    sample = sample_of(tmp_path, pickle.dumps({"keypoints": tensor, "class": "a"}, protocol))
    np.testing.assert_array_equal(sample.keypoints, expected)
    assert sample.keypoints.dtype.itemsize >= expected.dtype.itemsize


def test_masked_points_are_missing_and_said(tmp_path: Path) -> None:
    clip = np.concatenate([CLIP, CLIP[..., :1]], axis=-1)  # x, y and z
    mask = np.zeros(clip.shape, bool)
    mask[1, 3], mask[2, 5, 0], mask[2, 6, 1], mask[4, 7, 2] = True, True, True, True
    expected = clip.copy()
    expected[1, 3, :2] = expected[2, 5, :2] = expected[2, 6, :2] = 0
    masked = np.ma.masked_array(clip, mask)
    for form in (masked, masked.copy(order="F"), list(masked)):
        for protocol in (2, 5):
            sample = sample_of(tmp_path, pickle.dumps({"keypoints": form}, protocol))
            np.testing.assert_array_equal(sample.keypoints, expected)
            assert sample.notes == ("3 of 375 points are masked: missing ones",)


@pytest.mark.parametrize("head", ["", "\ufeff", " \n"])
def test_clips_in_json(tmp_path: Path, head: str) -> None:
    for content in (
        CLIP.tolist(),
        {"fps": 25, "keypoints": CLIP.tolist(), "class": "a", "more": [[[1]]]},
    ):
        sample = sample_of(tmp_path, (head + json.dumps(content)).encode())
        np.testing.assert_array_equal(sample.keypoints, CLIP)
        assert sample.label == ("a" if isinstance(content, dict) else None)
        assert sample.notes == ()


def test_null_and_nan_in_json_are_missing_points(tmp_path: Path) -> None:
    lists: list[Any] = CLIP.tolist()
    lists[1][2] = [None, None]
    lists[1][3] = [0.5, None]
    lists[1][4] = [float("nan"), 0.5]
    sample = sample_of(tmp_path, json.dumps({"keypoints": lists}).encode())
    missing = np.argwhere(~np.isfinite(sample.keypoints).all(axis=-1)).tolist()
    assert missing == [[1, 2], [1, 3], [1, 4]]
    assert sample.notes == ("3 coordinates are null: their points are missing ones",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"keypoints": [[[0.5, 0.5]]', "is not JSON: Expecting ',' delimiter"),
        (b'{"keypoints": [[[0.5, 0.5]]], "keypoints": 1}', "has a key twice in an object"),
        (b'{"frames": [{"x": 1}]}', 'has no keypoints: it holds frames. Save {"keypoints": a'),
        (b'{"keypoints": {"0": [[0.5, 0.5]]}}', "has keypoints that are a dict, not an array"),
        (b"[" * 100_000, "is damaged or truncated (RecursionError"),
        (b"[" + b"9" * 5000 + b"]", "is damaged or truncated (ValueError"),
        (b"[[[0.5, 1e999]]" + b" " * (17 << 20) + b"]", "bytes, more than 16,777,216"),
        (b"[\xff]", "is of no known kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_json_that_is_no_clip(refused: Refused, content: bytes, says: str) -> None:
    refused(content, says)


@pytest.mark.parametrize(
    "content",
    [
        npz(data=CLIP, label=np.int64(3)),
        npz(compressed=True, data=CLIP, scores=CLIP[..., 0], video=np.ones((5, 9, 9))),
        pickle.dumps({"data": CLIP, "label": 3, "sizes": [640, 480]}),
        pickle.dumps({"data": list(CLIP), "counts": (100 * CLIP).astype(int)}),
        json.dumps({"label": 3, "data": CLIP.tolist(), "bbox": [[0.0, 1.0]]}).encode(),
    ],
)  # fmt: skip
def test_under_another_name_if_nothing_else_has_their_shape(tmp_path: Path, content: bytes) -> None:
    sample = sample_of(tmp_path, content)
    np.testing.assert_array_equal(sample.keypoints, CLIP)
    assert sample.label is None
    assert sample.notes == ('keypoints taken from "data", alone of their shape',)


def test_of_two_that_have_their_shape_none_is_taken(refused: Refused) -> None:
    pair = {"image": CLIP, "world": CLIP}
    for content in (pickle.dumps(pair), npz(**pair), json.dumps({"a": CLIP.tolist()} | {
        "image": CLIP.tolist(), "world": CLIP.tolist()}).encode()):  # fmt: skip
        refused(content, "has no keypoints: it holds ")


def test_a_class_that_is_a_number_is_its_digits(tmp_path: Path) -> None:
    for number in (7, np.int64(7), np.array(7), np.array(7, object), "7"):
        sample = sample_of(tmp_path, pickle.dumps({"keypoints": CLIP, "class": number}))
        assert sample.label == "7"


def shared(leaf: bytes, *each: int) -> bytes:
    """A pickle of lists in lists, by the memo: each holds the one before it so many times."""
    content = leaf + b"q\x00"
    for level, times in enumerate(each):
        again = b"h" + bytes([level])
        content = b"](" + content + again * (times - 1) + b"eq" + bytes([level + 1])
    return b"\x80\x02" + content + b"."


HALF = b"G" + struct.pack(">d", 0.5)


@pytest.mark.parametrize(
    "content",
    [
        shared(b"]", 30_000, 30_000),
        shared(b"](" + HALF + HALF + b"e", 30_000, 30_000),
        shared(b"](" + HALF * 30_000 + b"e", 30_000),
        pickle.dumps([CLIP] * 50_000),
    ],
    ids=["empty lists", "points", "many coordinates", "frames"],
)
@pytest.mark.on_commit("many coordinates")
def test_parts_that_are_held_again_and_again_cost_little(refused: Refused, content: bytes) -> None:
    assert len(content) < 3 << 20
    said = "has keypoints of more than 33,554,432 numbers: not one clip"
    assert peak_of(lambda: refused(content, said)) < 400 << 20


@pytest.mark.release
def test_a_storage_that_is_named_again_and_again_is_not_read_each_time(refused: Refused) -> None:
    torch = pytest.importorskip("torch")
    whole = pickle.dumps(torch.zeros(9), 3)
    bytes_at = whole.index(b"B", whole.index(b"_load_from_bytes"))
    length = int.from_bytes(whole[bytes_at + 1 : bytes_at + 5], "little")
    held = whole[bytes_at : bytes_at + 5 + length]
    call = b"ctorch.storage\n_load_from_bytes\nh\x00\x85R"
    start = b"\x80\x03}X\x28\0\0\0" + b"a" * 40 + b"](" + held + b"q\x00"
    refused(start + call * 100 + b"es.", "has no keypoints: it holds aaaa")
    refused(start + call * 20_000 + b"es.", "holds more tensors than one clip")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (b"K\x00K\x0a\x85K\x01\x85", "reaches outside its storage"),
        (b"K\x01K\x09\x85K\x01\x85", "reaches outside its storage"),
        (b"K\x00J\x00\x00\x00\x7f\x85K\x00\x85", "reaches outside its storage"),
        (b"K\x00J\xff\xff\xff\xff\x85K\x01\x85", "negative or unreadable shape"),
        (b"K\x00K\x09K\x01\x85", "shape and strides do not go together"),
    ],
    ids=["size", "offset", "no stride", "negative", "no tuple"],
)
def test_tensors_that_claim_more_than_they_have(
    refused: Refused, arguments: bytes, says: str
) -> None:
    torch = pytest.importorskip("torch")
    whole = pickle.dumps(torch.zeros(9), 2)
    start = whole.index(b"R", whole.index(b"R", whole.index(b"_load_from_bytes")) + 1)
    before = whole[: whole.index(b"R", whole.index(b"latin1")) + 1]
    rest = whole[len(before) :]
    made = rest[: rest.index(b"R") + 1]
    assert start and made.endswith(b"R")
    refused(before + made + arguments + b"tR.", says)
