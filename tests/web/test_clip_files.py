"""Clips as the page reads them, under Node: NumPy's arrays, or one line for what is none."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signbart_port.config.skeletons import MEDIAPIPE_75
from signbart_port.data import coordinates, samples
from signbart_port.data.coordinates import Coordinates
from tests.support.datasets import a_clip
from tests.support.node import PROGRAMS, SITE, run_node

CLIP = a_clip(0, 4)
Write = Callable[[Path], Any]


def read(tmp_path: Path, *files: Path) -> list[dict[str, Any]]:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"rules": coordinates.rules(), "hands": MEDIAPIPE_75.hands}))
    done = run_node(PROGRAMS / "read_clips.mjs", SITE, rules, *files)
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def npy(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


PIXELS = np.arange(4 * 75 * 2).reshape(4, 75, 2)
READ = {
    "float32.npy": npy(CLIP),
    "float64.npy": npy(CLIP.astype(float) / 3),
    "big-endian.npy": npy(CLIP.astype(">f8")),
    "fortran.npy": npy(np.asfortranarray(CLIP)),
    "version-2.npy": npy(CLIP, version=(2, 0)),
    "three.npy": npy(np.concatenate([CLIP, CLIP[..., :1]], axis=-1)),
    "nan.npy": npy(np.where(CLIP > 0.9, np.nan, np.where(CLIP < 0.1, np.inf, CLIP))),
    **{f"{kind}.npy": npy(PIXELS.astype(kind)) for kind in ("int16", "uint16", ">i4", "int64")},
    "stored.npz": npz({"keypoints.npy": npy(CLIP), "label.npy": npy(np.array("wave"))}),
    "deflated.npz": npz({"keypoints.npy": npy(CLIP)}, zipfile.ZIP_DEFLATED),
    "alone.npz": npz({"arr_0.npy": npy(CLIP)}),
    "only-one.npz": npz({"x.npy": npy(CLIP), "scores.npy": npy(np.zeros(3))}),
    "list.json": json.dumps(CLIP.astype(float).tolist()).encode(),
    "dict.json": json.dumps({"keypoints": CLIP.astype(float).tolist(), "label": "a"}).encode(),
}


def test_what_numpy_reads(tmp_path: Path) -> None:
    """Every kind of file, bit for bit, and float32 as float32: so it is divided, too."""
    for name, content in READ.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in READ]
    for path, got in zip(paths, read(tmp_path, *paths), strict=True):
        expected = samples.read(path).keypoints
        assert "error" not in got, (path, got)
        assert tuple(got["shape"]) == expected.shape, path
        single = expected.dtype.itemsize == 4 and expected.dtype.kind == "f"
        assert got["type"] == ("Float32Array" if single else "Float64Array"), path
        found = np.array([float(n) for n in got["data"]]).reshape(expected.shape)
        assert np.array_equal(found, expected.astype(float), equal_nan=True), path


def header(text: str) -> bytes:
    content = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content


BOMB = npz({"keypoints.npy": bytes(65 << 20)}, zipfile.ZIP_DEFLATED)
HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 2), }"
REFUSED = {
    "empty.npy": (b"", "is an empty file"),
    "a.pkl": (b"\x80\x04K\x01.", "signbart-port predict model.tflite a.pkl --golden clip.json"),
    "-x.pkl": (b"\x80\x04K\x01.", "predict model.tflite FILE --golden"),
    "objects.npy": (npy(np.array([{}], object), allow_pickle=True), "holds Python objects"),
    "structured.npy": (npy(np.zeros(2, "f4,f4")), "not one of numbers"),
    "complex.npy": (npy(CLIP.astype(complex)), "has numbers of type c16"),
    "text.npy": (npy(np.array(["a"])), "has numbers of type U1"),
    "huge.npy": (header(HUGE), "at most"),
    "cut.npy": (npy(CLIP)[:-1], "is cut short"),
    "head.npy": (npy(CLIP)[:20], "is cut short"),
    "long-head.npy": (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(99), "cut short or damaged"),
    "flat.npy": (npy(CLIP[0]), "has keypoints of shape 75×2"),
    "scalar.npy": (npy(np.array(1.0)), "has keypoints of shape a single value"),
    "no-frames.npy": (npy(CLIP[:0]), "at least one frame"),
    "bomb.npz": (BOMB, "unpacks to more than"),
    "twice.npz": (b"", "two members of one name"),
    "several.npz": (
        npz({"keypoints.npy": npy(CLIP), "lengths.npy": npy(np.array([2, 2]))}),
        "holds several clips",
    ),
    "other.npz": (npz({"a.npy": npy(CLIP), "b.npy": npy(CLIP)}), "has no keypoints: it holds a, b"),
    "cut.npz": (npz({"keypoints.npy": npy(CLIP)})[:-30], "is cut short"),
    "member.npz": (npz({"keypoints.npy": npy(CLIP)[:-9]}), "is cut short"),
    "text.txt": (b"no clip", "neither .npy, .npz nor JSON"),
    "bytes.json": (b'["\xff"]', "neither .npy, .npz nor JSON"),
    "number.json": (b"1", "has no keypoints"),
    "null.json": (b"null", "has no keypoints"),
    "words.json": (b'[[["a", "b"]]]', "expected a number"),
    "ragged.json": (b"[[[0, 0]], [[0, 0], [0, 0]]]", "expected arrays of one length"),
    "deep.json": (b"[" * 100_000, "neither .npy, .npz nor JSON"),
    "proto.json": (b'{"__proto__": {"keypoints": [[[0, 0]]]}}', "has no keypoints"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning:zipfile")
def test_what_is_no_clip(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for _ in range(2):
            archive.writestr("keypoints.npy", npy(CLIP))
    for name, (content, _) in REFUSED.items():
        (tmp_path / name).write_bytes(stream.getvalue() if name == "twice.npz" else content)
    results = read(tmp_path, *(tmp_path / name for name in REFUSED))
    for (name, (_, words)), got in zip(REFUSED.items(), results, strict=True):
        assert words in got.get("error", ""), (name, got)


def judged(clip: np.ndarray) -> dict[str, Any]:
    """Return what the commands say of a clip."""
    found = Coordinates.of(clip, MEDIAPIPE_75)
    try:
        found.check()
    except ValueError as error:
        return {"refused": str(error)}
    return {"notes": found.notes()}


def test_coordinates_are_judged_as_the_commands_do(tmp_path: Path) -> None:
    """Word for word, and digit for digit: in percent, pixels, around 0, beyond the picture."""
    no_hand, blank = CLIP.copy(), np.zeros_like(CLIP)
    no_hand[:, 33:54] = 0
    some, half = CLIP.copy(), CLIP.copy()
    some[:, :20, 0] += 1
    half[:, :, 0] += 1
    strays = CLIP.copy()
    strays[0, 0] = (-3.14159, 12345.678)
    missing = np.where(CLIP > 0.5, np.nan, CLIP)
    clips = [CLIP, CLIP * 100, CLIP * 1280, CLIP - 0.5, CLIP * 2 - 1, CLIP * 3, no_hand, blank]
    clips += [some, half, strays, missing, CLIP * 1e-7 - 1e-3, CLIP * 123456, CLIP * -1]
    paths = [tmp_path / f"{number}.npy" for number in range(len(clips))]
    for path, clip in zip(paths, clips, strict=True):
        np.save(path, clip)
    expected = [judged(clip) for clip in clips]
    assert len({str(one) for one in expected}) >= 12
    for clip, got, said in zip(clips, read(tmp_path, *paths), expected, strict=True):
        assert {key: got.get(key) for key in said} == said, clip[0, 0]
