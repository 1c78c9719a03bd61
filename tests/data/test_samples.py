"""Samples that are accepted, whoever wrote them, and those that are no clip."""

from __future__ import annotations

import base64
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signbart_port.data.samples import read, read_clips
from signbart_port.errors import PortError
from tests.support.datasets import Array, a_clip, npy, npz, parameter_id

Refused = Callable[..., str]

# {"keypoints": numpy.arange(12, dtype="f4").reshape(2, 3, 2) / 16, "class": "G01"}, pickled by
# NumPy 1.26 with the protocols 2, 4 and 5, the last with a numpy.str_ as class.
NUMPY_1 = (
    b"fC7DS04P`q0001MWqELKX>N3LaRFm)b!~8YE@N+UWiD-XY;<X1a&lpL3SV+%V{dMAbaHiLbP90-V{UbAaCr)DWMOi"
    b"0VR;I114{sfaRg&uV{c?-V{-~+Zewp`WeRZxSOEY40Ag_lSOx$90Bm7&X>Kub2ZnJ7QgI1~aSBp#3n)tgO9D#+O9F>"
    b"+3}bF}ZE$%CWOR9OWeRZ(SONe50A@6C4vC0|aSu{)5GYFnSOEY406cLKPEJlr|NsC0O8@`=|4RULaS~#QXa!g`0000"
    b"0000000K$Mh0000!002Nf006>(J^%p1pgsTq!+<^j0K=d@0000#000m_001CA001yQaT90<hH(^9aTRoN7GhWh0001E"
    b"Y+-YAaTizv0000-Ffnl$buI",
    b"fCQD=000000001elqie|Yh`(GZ)t9HbCiq~Zgp*Nc`jpba%C=Ub!>ELVRCX|d6bL{Uvgz*Z*FsRa&=>Ll#`T<1#We1a"
    b"CwxB2X16xa&lpLl#`T80ELu80b-Pglv0!^O94v)O9M*+hm>dqj0I$Ld2nTvla!1CW;B$Eh=-I?lqgFBi~&59PEJlr|N"
    b"sC0O8@`=|4RULlwyfPFaQ7m0001hJpcdzJ^%nfJ^%oKJ^%oqJ^%o~J^%pVJ^%m!KL7v_KL7wAKL7wQKa_NoVvGf2Y+-"
    b"YAl#ByMFfo*ME&",
    b"fCZHk0RR910001elqie|Yh`(GZ)t9HbCiq{Zgp*Nc`jpba%C=Vb!}yGX=9X(3twh(Z*5|AW@cq_l#`SwmM{PS000000"
    b"00000001hJpcdzJ^%nfJ^%oKJ^%oqJ^%o~J^%pVJ^%m!KL7v_KL7wAKL7wQKa`9GZgp*Nd6bL=WOR9OWt5YYi~?pfl!"
    b"=Iklv0!^O9PAnJd{pOPD=m(|Nlz=|Ns9>0CbdMO9D#+O9F?Ki~&QGbd*w*j0IzCVRLhoj1_KmZE$%mV{dY0E^T#ebZK"
    b"F7a$$Ltj0SUKVQgV?l#`Tb2#f+%Gn9#lhm=y3C`$uq3{Fl?OAJc{O9*t7VnYl^0000m0000n0001#hLlp2buI",
)


def read_back(tmp_path: Path, content: bytes) -> tuple[Array, str | None]:
    path = tmp_path / "sample.any"
    path.write_bytes(content)
    sample = read(path)
    assert sample.path == path and not sample.keypoints.flags.writeable
    return sample.keypoints, sample.label


LAYOUTS = {
    "rows": lambda a: a,
    "columns": np.asfortranarray,
    "turned": lambda a: np.ascontiguousarray(a.transpose(1, 2, 0)).transpose(2, 0, 1),
    "strided": lambda a: np.repeat(a, 2, axis=0)[::-2],
    "four coordinates": lambda a: np.concatenate([a, a], axis=-1),
    "one frame": lambda a: a[:1],
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pickle_comes_back_as_it_was(
    tmp_path: Path, protocol: int, dtype: str, layout: str
) -> None:
    keypoints = LAYOUTS[layout](a_clip(0)).astype(dtype, order="K")
    sample = {"keypoints": keypoints, "class": "G01"}
    found, label = read_back(tmp_path, pickle.dumps(sample, protocol))
    assert found.dtype == keypoints.dtype and label == "G01"
    np.testing.assert_array_equal(found, keypoints)


@pytest.mark.parametrize("content", NUMPY_1, ids=["2", "4", "5"])
def test_pickles_of_numpy_1(tmp_path: Path, content: bytes) -> None:
    content = base64.b85decode(content)
    assert b"numpy.core." in content and b"numpy._core." not in content
    found, label = read_back(tmp_path, content)
    assert found.dtype == np.float32 and label == "G01"
    np.testing.assert_array_equal(found, np.arange(12).reshape(2, 3, 2) / 16)


def test_a_pickle_of_python_2(tmp_path: Path) -> None:
    """Which has strings of bytes only."""
    content = (
        b"\x80\x02}q\x00(U\tkeypointsq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\n"
        b"ndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x01K\x01K\x02\x87cnumpy\ndtype\nq\x05"
        b"U\x02f4K\x00K\x01\x87Rq\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T\x08\x00\x00\x00" + np.array([0.25, 1.7], "<f4").tobytes() + b"tbU\x05classU\x03G01u."
    )
    found, label = read_back(tmp_path, content)
    assert label == "G01" and found.tolist() == [[[0.25, np.float32(1.7)]]]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_stands_beside_is_passed_over(tmp_path: Path, protocol: int) -> None:
    sample = OrderedDict(
        fps=np.float32(29.97),
        signer=np.str_("ü"),
        boxes=np.arange(4),
        kinds=np.array(["a", "b"]),
        notes=[1, (2.5, None), {"deep": [True, {3}, frozenset()]}, b"", b"\xff", bytearray(b"a")],
        large=1 << 80,
        number=1j,
        keypoints=a_clip(0),
    )
    found, label = read_back(tmp_path, pickle.dumps(sample, protocol))
    assert label is None
    np.testing.assert_array_equal(found, a_clip(0))


def test_a_number_is_the_label_that_it_spells(tmp_path: Path) -> None:
    content = pickle.dumps({"keypoints": a_clip(3), "class": 7})
    assert read_back(tmp_path, content)[1] == "7"


def test_integers_are_numbers(tmp_path: Path) -> None:
    """Pixels: whether they can be read is judged with their frame's size."""
    np.save(tmp_path / "a.npy", (1000 * a_clip(0)).astype(np.uint16))
    found = read(tmp_path / "a.npy").keypoints
    assert found.dtype == np.float64
    assert np.array_equal(found, (1000 * a_clip(0)).astype(int))


@pytest.mark.parametrize(
    ("content", "label"),
    [
        (npz(keypoints=a_clip(0), **{"class": "G01"}), "G01"),
        (npz(keypoints=a_clip(0), fps=25), None),
        (npz(compressed=True, keypoints=a_clip(0), **{"class": np.array("G01")}), "G01"),
        (npz(keypoints=a_clip(0), label="G01"), "G01"),
        (npz(keypoints=a_clip(0), label="G01", **{"class": "G02"}), "G02"),
        (npz(keypoints=a_clip(0), label=3), None),
        (npz(arr_0=a_clip(0)), None),
        (npy(a_clip(0)), None),
        (npy(np.asfortranarray(a_clip(0)), version=(2, 0)), None),
    ],
    ids=[
        *("with a class", "with more", "compressed", "with a label", "with a class and a label"),
        *("with an id", "one array", "npy", "npy by columns"),
    ],
)
def test_numpy_s_own_files(tmp_path: Path, content: bytes, label: str | None) -> None:
    found, said = read_back(tmp_path, content)
    assert said == label
    np.testing.assert_array_equal(found, a_clip(0))


CLIP = a_clip(0)


@pytest.mark.parametrize(
    ("keypoints", "says"),
    [
        (CLIP[0], "has keypoints of shape 75×2. They are frames × points × coordinates"),
        (CLIP[None], "has keypoints of shape 1×5×75×2"),
        (CLIP[..., :1], "has keypoints of shape 5×75×1"),
        (CLIP[:0], "has no frames: its shape is 0×75×2"),
        (CLIP[:, :0], "has no points: its shape is 5×0×2"),
        (np.float32(1), "has keypoints of shape a single value"),
        (CLIP > 0.5, "has keypoints of type bool, not numbers. They are x"),
        (CLIP.astype(complex), "has keypoints of type complex128"),
        (CLIP.astype(str), "has keypoints of type str"),
        (CLIP.view("f4,f4"), "type"),
    ],
    ids=parameter_id,
)
def test_arrays_that_are_no_clip(
    tmp_path: Path, refused: Refused, keypoints: Array, says: str
) -> None:
    for protocol in (2, 4, 5):
        refused(pickle.dumps({"keypoints": keypoints, "class": "G01"}, protocol), says)
    refused(npz(keypoints=keypoints), says)
    refused(npy(np.asarray(keypoints)), says)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ([CLIP], "has keypoints of shape 1×5×75×2"),
        (None, "holds None, not keypoints. Save"),
        ("text", "holds a str, not keypoints"),
        ({}, "has no keypoints: it holds nothing"),
        ({"left": CLIP, "right": CLIP, "class": "a"}, "has no keypoints: it holds left, right, cl"),
        ({"data": (100 * CLIP).astype(int)}, "has no keypoints: it holds data"),
        ({"video": np.ones((5, 112, 112), "f4")}, "has no keypoints: it holds video"),
        ({"keypoints": None}, "has keypoints that are None, not an array. Save"),
        ({"keypoints": []}, "has keypoints of shape 0"),
        ({"keypoints": [[], []]}, "has keypoints of shape 2×0"),
        ({"keypoints": [*CLIP, CLIP[0, 1:]]}, "several shapes: 75×2 first, then, in place 5, 74×2"),
        ({"keypoints": [[*CLIP[0], [1.0]]]}, "several shapes: 2 first, then, in place 75, 1"),
        ({"keypoints": [*CLIP, None]}, "has keypoints with None among the numbers"),
        ({"keypoints": [[["0.5", "0.5"]]]}, "has keypoints with a str among the numbers"),
        ({"keypoints": [[[True, False]]]}, "has keypoints with a bool among the numbers"),
        ({"keypoints": [[[{"x": 0.5}]]]}, "has keypoints with a dict among the numbers"),
        ({"keypoints": [[[[0.5]]]]}, "nested deeper than frames, points, coordinates"),
        ({"keypoints": [[[1 << 80, 0]]]}, "has keypoints that are too large for numbers"),
        ({"keypoints": np.array(["0.5", None], object)}, "with a str among the numbers"),
        ({"keypoints": np.ma.masked_array(CLIP[0])}, "has keypoints of shape 75×2"),
        ({"keypoints": np.ma.masked_array([1, 2])}, "has keypoints of shape 2. They"),
        ({"keypoints": CLIP, "class": True}, "has a class that is a bool, not a label"),
        ({"keypoints": CLIP, "class": 1.5}, "has a class that is a float, not a label"),
        ({"keypoints": CLIP, "class": ""}, 'has a class that is the string "", not a label'),
        ({"keypoints": CLIP, "class": b"G01"}, "has a class that is a bytes"),
        ({"keypoints": CLIP, "class": "G" * 1000}, "(1,000 characters)"),
        ({"keypoints": CLIP, "class": np.array(["G01"])}, "has a class that is an array"),
    ],
    ids=parameter_id,
)
def test_pickles_that_are_no_sample(refused: Refused, sample: object, says: str) -> None:
    refused(pickle.dumps(sample), says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is an empty file, not a clip of keypoints. Download or copy it again"),
        (b"keypoints", "is a text file"),
        (b"<html>", "is a web page (HTML), not a clip of keypoints"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (bytes(4096), "is a run of zero bytes"),
        (b"\x01\xfe\xff", "is of no known kind"),
        (
            pickle.dumps({"keypoints": CLIP}, 0),
            "is of no known kind, not a clip of keypoints. Give",
        ),
        (pickle.dumps({"keypoints": CLIP}, 1), "is of no known kind"),
        (npz(left=CLIP, right=CLIP), "has no keypoints: it holds left, right"),
        (npz(), "is a zip archive, such as torch.save writes, not a clip of keypoints"),
        (npz(**{"class": "G01"}), "has no keypoints: it holds class"),
    ],
    ids=parameter_id,
)
def test_other_files(refused: Refused, content: bytes, says: str) -> None:
    refused(content, says)


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path, "is a directory"),
        (tmp_path / "nothing.pkl", "does not exist"),
        (Path("/dev/null"), "not a regular file"),
    ):
        with pytest.raises(PortError, match=says):
            read(path)


def test_several_clips_one_after_the_other(tmp_path: Path, refused: Refused) -> None:
    clips = [a_clip(seed, frames=3 + seed) for seed in range(3)]
    joined, lengths = np.concatenate(clips), [len(clip) for clip in clips]
    content = npz(keypoints=joined, lengths=lengths)
    refused(content, "holds 3 clips, one after the other", "Write each to a file of its own")
    path = tmp_path / "sample.pkl"
    found = read_clips(path)
    assert [str(one.path) for one in found] == [f"{path}, clip {number}" for number in (1, 2, 3)]
    for one, clip in zip(found, clips, strict=True):
        np.testing.assert_array_equal(one.keypoints, clip)

    for other in (lengths[:2], [[*lengths]], [0, *lengths], [len(joined)], [0.5] * 24, "three"):
        path.write_bytes(npz(keypoints=joined, lengths=other))
        assert [one.keypoints.shape for one in read_clips(path)] == [joined.shape]
        assert read(path).path == path
