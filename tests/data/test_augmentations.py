"""The augmentations of training: each by what it keeps and what it changes, and how often each is
drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from signbart_port.data import augmentations
from signbart_port.data.augmentations import (
    add_noise,
    augment,
    keep_frames,
    mirror,
    rotate,
    stretch,
)
from signbart_port.data.preprocessing import Floats

Rng = np.random.Generator
Change = Callable[[Floats, Rng], Floats]
NAMES = ("rotate", "add_noise", "keep_frames", "stretch", "mirror")
EACH: dict[str, Change] = {
    "rotate": lambda clip, rng: rotate(clip, 12.0),
    "noise": lambda clip, rng: add_noise(clip, 0.1, rng),
    "keep": keep_frames,
    "stretch": lambda clip, rng: stretch(clip, 1.4),
    "mirror": lambda clip, rng: mirror(clip),
    "all": lambda clip, rng: augment(clip, rng, most=64),
}


def a_clip(seed: int = 0, frames: int = 40, missing: float = 0.3) -> Floats:
    """Points well inside the picture, and missing ones."""
    rng = np.random.default_rng(seed)
    clip = rng.uniform(0.1, 0.9, (frames, 75, 2)).astype(np.float32)
    clip[rng.random((frames, 75)) < missing] = 0
    return clip


def there(clip: Floats) -> np.ndarray:
    return clip.any(axis=-1)


# Each on its own


@pytest.mark.parametrize("degrees", [-15.0, 7.0, 15.0])
def test_rotation_keeps_distances_and_turns_by_its_angle(degrees: float) -> None:
    clip = a_clip()
    turned = rotate(clip, degrees)
    seen = there(clip)
    np.testing.assert_allclose(
        np.linalg.norm(turned, axis=-1), np.linalg.norm(clip, axis=-1), atol=1e-6
    )
    apart, before = (np.linalg.norm(np.diff(c[seen], axis=0), axis=-1) for c in (turned, clip))
    np.testing.assert_allclose(apart, before, atol=1e-6)
    angle = np.degrees(np.arctan2(turned[..., 1], turned[..., 0])[seen])
    was = np.degrees(np.arctan2(clip[..., 1], clip[..., 0])[seen])
    np.testing.assert_allclose(angle - was, degrees, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.01, 0.2])
def test_noise_has_its_sigma_and_no_mean(sigma: float) -> None:
    clip = a_clip(frames=200)
    moved = (add_noise(clip, sigma, np.random.default_rng(1)) - clip)[there(clip)].astype(float)
    of = moved.size  # five standard errors
    assert abs(moved.std() / sigma - 1) < 5 / np.sqrt(2 * of)
    assert abs(moved.mean()) < 5 * sigma / np.sqrt(of)
    assert abs(np.corrcoef(moved.T)[0, 1]) < 5 / np.sqrt(len(moved)), "x and y on their own"


@pytest.mark.parametrize("frames", [2, 3, 40, 41])
def test_frames_are_kept_in_order_from_half_of_them(frames: int) -> None:
    clip = np.broadcast_to(1 + np.arange(frames, dtype=np.float32)[:, None, None], (frames, 3, 2))
    rng = np.random.default_rng(2)
    counts, evenly, repeated = set[int](), 0, False
    for _ in range(2000):
        kept = keep_frames(clip, rng)[:, 0, 0] - 1
        assert np.all(np.diff(kept) >= 0) and set(kept) <= set(range(frames))
        counts.add(len(kept))
        evenly += np.array_equal(kept, np.linspace(0, frames - 1, len(kept)).astype(int))
        repeated |= len(set(kept)) < len(kept)
    assert counts == set(range((frames + 1) // 2, frames)), "n from [T/2, T)"
    assert repeated or frames == 2, "with replacement"
    if frames >= 40:  # chance gives even frames too, but not of so many
        assert binomial(evenly, 2000, 0.5)


def test_a_stretched_clip_goes_the_same_way_more_slowly() -> None:
    start, end = a_clip(3, 1, 0), a_clip(4, 1, 0)
    way = np.linspace(0, 1, 20, dtype=np.float32)[:, None, None]
    clip = (start + way * (end - start)).astype(np.float32)
    for factor, frames in ((1.1, 22), (1.26, 25), (1.5, 30)):
        slower = np.linspace(0, 1, frames, dtype=np.float32)[:, None, None]
        np.testing.assert_allclose(
            stretch(clip, factor), start + slower * (end - start), rtol=0, atol=1e-6
        )


def test_a_stretched_point_that_is_in_one_frame_alone_is_as_in_the_nearer_one() -> None:
    clip = np.ones((5, 3, 2), np.float32)
    clip[:, 1] = [[0.2], [0.3], [0], [0.5], [0.6]]  # missing in the middle
    clip[:, 2] = 0
    stretched = stretch(clip, 1.5)  # 8 frames, at 0, 4/7 ... 4
    assert len(stretched) == 8
    times = np.arange(8) * 4 / 7  # 0 0.57 1.14 1.71 2.29 2.86 3.43 4
    assert times.round().tolist() == [0, 1, 1, 2, 2, 3, 3, 4]
    expected = [0.2, 0.2 + 0.1 * times[1], 0.3, 0, 0, 0.5, 0.5 + 0.1 * (times[6] - 3), 0.6]
    np.testing.assert_allclose(stretched[:, 1], np.array(expected)[:, None] * [1, 1], atol=1e-6)
    assert np.all(stretched[:, 0] == 1) and not stretched[:, 2].any()


def test_mirrored_twice_is_the_same() -> None:
    clip = a_clip()
    mirrored = mirror(clip)
    np.testing.assert_array_equal(mirrored[..., 1], clip[..., 1])
    np.testing.assert_allclose(mirrored[..., 0][there(clip)], 1 - clip[..., 0][there(clip)])
    np.testing.assert_allclose(mirror(mirrored), clip, rtol=0, atol=1e-7)
    edge = np.array([[(0, 0.5), (1, 0.5), (0, 0)]], np.float32)
    assert mirror(edge).tolist() == [[[1, 0.5], [0, 0.5], [0, 0]]]


# All of them


@pytest.mark.parametrize("name", EACH)
def test_missing_points_stay_missing_and_no_other_becomes_so(name: str) -> None:
    gone = np.arange(0, 75, 3)
    clip = a_clip(missing=0)
    clip[:, gone] = 0
    for seed in range(50):
        changed = EACH[name](clip, np.random.default_rng(seed))
        expected = np.ones(changed.shape[:2], bool)
        expected[:, gone] = False
        np.testing.assert_array_equal(there(changed), expected)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("frames", [1, 2, 3, 64])
def test_any_length_and_the_input_is_left_as_it_was(name: str, frames: int) -> None:
    clip = a_clip(frames=frames)
    before = clip.copy()
    clip.flags.writeable = False
    for seed in range(30):
        changed = EACH[name](clip, np.random.default_rng(seed))
        assert changed.dtype == np.float32 and changed.shape[1:] == (75, 2) and len(changed)
        assert np.isfinite(changed).all()
    np.testing.assert_array_equal(clip, before)


def test_a_clip_of_one_frame_keeps_it() -> None:
    clip = a_clip(frames=1)
    np.testing.assert_array_equal(keep_frames(clip, np.random.default_rng(0)), clip)
    for factor in (1.1, 1.5):
        for frame in stretch(clip, factor):
            np.testing.assert_array_equal(frame, clip[0])


@pytest.mark.parametrize("most", [1, 7, 40])
def test_no_clip_is_longer_than_most(most: int) -> None:
    clip = a_clip(frames=most)
    lengths = {len(augment(clip, np.random.default_rng(seed), most=most)) for seed in range(300)}
    assert max(lengths) == most
    longer = {len(augment(clip, np.random.default_rng(seed), most=100)) for seed in range(300)}
    assert max(longer) > most or most == 1


def test_a_stretched_clip_is_shortened_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "stretch")
    clip = a_clip(frames=64, missing=0)
    changed = augment(clip, np.random.default_rng(0), most=64)
    assert changed is not clip and len(changed) == 64
    np.testing.assert_array_equal(changed[[0, -1]], clip[[0, -1]])


@pytest.mark.parametrize("joints", [1, 48, 100])
def test_any_number_of_joints(joints: int) -> None:
    clip = np.full((10, joints, 2), 0.5, np.float32)
    for seed in range(30):
        assert augment(clip, np.random.default_rng(seed), most=64).shape[1:] == (joints, 2)


# Chance


def binomial(found: int, of: int, probability: float) -> bool:
    """Whether a count is within five standard deviations: a right one fails once in a million."""
    return abs(found - of * probability) < 5 * np.sqrt(of * probability * (1 - probability))


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let `augment` draw this one alone, always."""
    chosen = augmentations._AUGMENTATIONS[NAMES.index(name)]
    monkeypatch.setattr(augmentations, "_AUGMENTATIONS", (chosen,))
    monkeypatch.setattr(augmentations, "AUGMENTED", 1.0)


def test_how_often_each_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 % of the samples get any; each of five is drawn with 0.5, and one of them where none is:
    each comes in 0.5 + 0.5^5 / 5 of these samples, and k of them by the binomial distribution."""
    drawn = list[str]()

    def noting(name: str, change: Change) -> Change:
        return lambda clip, rng: (drawn.append(name), change(clip, rng))[1]

    spies = tuple(map(noting, NAMES, augmentations._AUGMENTATIONS))
    monkeypatch.setattr(augmentations, "_AUGMENTATIONS", spies)
    clip, rng, of = np.full((4, 2, 2), 0.5, np.float32), np.random.default_rng(5), 10_000
    each, alone, together = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0), [0] * 6
    for _ in range(of):
        drawn.clear()
        changed = augment(clip, rng, most=64)
        assert (changed is clip) == (not drawn), "the very same array where nothing is drawn"
        assert drawn == [name for name in NAMES if name in drawn], "once each, in order"
        together[len(drawn)] += 1
        for name in drawn:
            each[name] += 1
            alone[name] += len(drawn) == 1
    assert binomial(of - together[0], of, 0.4)
    for name in NAMES:
        assert binomial(each[name], of, 0.4 * (0.5 + 0.5**5 / 5)), name
        assert binomial(alone[name], of, 0.4 * (1 + 1 / 5) / 2**5), name
    for count, ways in ((1, 5 + 1), (2, 10), (3, 10), (4, 5), (5, 1)):
        assert binomial(together[count], of, 0.4 * ways / 2**5), count


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("rotate", -15, 15), ("add_noise", 0.01, 0.2), ("stretch", 1.1, 1.5)],
)
def test_how_strong_each_is(
    monkeypatch: pytest.MonkeyPatch, name: str, least: float, most: float
) -> None:
    """Uniformly over its range: mean and spread are those of the uniform distribution."""
    strengths = list[float]()

    def noting(clip: Floats, strength: float, *rest: Rng) -> Floats:
        strengths.append(strength)
        return clip

    monkeypatch.setattr(augmentations, name, noting)
    only(monkeypatch, name)
    clip, rng, of = np.full((4, 2, 2), 0.5, np.float32), np.random.default_rng(6), 4000
    for _ in range(of):
        augment(clip, rng, most=64)
    drawn = np.array(strengths)
    width = most - least
    assert len(drawn) == of and least <= drawn.min() and drawn.max() < most
    assert drawn.min() < least + width / 100 and drawn.max() > most - width / 100
    assert abs(drawn.mean() - (least + most) / 2) < 5 * width / np.sqrt(12 * of)
    assert abs(drawn.std() - width / np.sqrt(12)) < 5 * width / np.sqrt(60 * of)


def test_the_same_state_gives_the_same_clip_and_the_next_another() -> None:
    clip = a_clip()
    first, again = np.random.default_rng(7), np.random.default_rng(7)
    one, two = ([augment(clip, rng, most=64) for _ in range(40)] for rng in (first, again))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    changed = {a.tobytes() for a in one if a is not clip}
    assert len(changed) == sum(a is not clip for a in one) > 5
