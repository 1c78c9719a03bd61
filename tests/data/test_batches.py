"""The batches of a training: each clip once, by the seed, in parts that make up the whole."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from signbart_port.data import augmentations
from signbart_port.data.batches import Batch, Feed, bucketed, shards_of, unchanged
from signbart_port.data.dataset import Clips, Entry
from signbart_port.data.examples import Examples, make_examples
from tests.support.datasets import a_clip, held
from tests.support.small_models import small_config

CONFIG = small_config(max_position_embeddings=32)
COUNT = 83


def examples_of(count: int = COUNT) -> Examples:
    """Each a class of its own, so that its label says which it is."""
    rng = np.random.default_rng(5)
    clips = tuple(a_clip(seed, int(rng.integers(1, 30))) for seed in range(count))
    entries = tuple(Entry(Path(f"{number}.pkl"), "a", number, "train") for number in range(count))
    return make_examples(Clips(entries, held(clips)), CONFIG)


EXAMPLES = examples_of()
FEED = Feed(EXAMPLES, CONFIG, batch_size=8, seed=379)


def places(batches: list[Batch]) -> list[int]:
    return [label for batch in batches for label in batch.labels.tolist()]


def clips_in(batches: list[Batch]) -> dict[int, np.ndarray]:
    """The clips without their filling, by number; where one comes twice, both are the same."""
    found: dict[int, np.ndarray] = {}
    for batch in batches:
        for keypoints, mask, label in zip(
            batch.keypoints, batch.attention_mask, batch.labels.tolist(), strict=True
        ):
            length = int(mask.sum())
            assert mask[:length].all() and not keypoints[length:].any()
            clip = keypoints[:length]
            np.testing.assert_array_equal(found.setdefault(label, clip), clip)
    return found


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x, y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip(vars(one).values(), vars(other).values(), strict=True)
    )


# Which clips, in which order


@pytest.mark.parametrize("size", [1, 2, 8, 82, 83, 84, 1000])
def test_every_clip_comes_once_an_epoch(size: int) -> None:
    feed = replace(FEED, batch_size=size)
    for epoch in (1, 2):
        batches = list(feed.batches(epoch))
        assert sorted(places(batches)) == list(range(COUNT))
        assert len(batches) == feed.steps
        smaller = [batch for batch in batches if len(batch.labels) < size]
        assert len(smaller) == (COUNT % size > 0)
        assert all(batch.size == len(batch.labels) for batch in batches)


def test_the_seed_and_the_epoch_settle_all_of_it() -> None:
    third = list(FEED.batches(3))
    assert same(third, list(replace(FEED).batches(3)))  # whatever came before it
    for other in (replace(FEED, seed=380).batches(3), FEED.batches(4)):
        other = list(other)
        assert places(third) != places(other)
        changed = [
            label
            for label, clip in clips_in(other).items()
            if not np.array_equal(clip, clips_in(third)[label])
        ]
        assert len(changed) > COUNT / 4  # augmented otherwise


def test_a_batch_has_clips_of_like_length() -> None:
    """No clip is between those of another batch, of the batches that were sorted together."""
    lengths = EXAMPLES.lengths
    batches = bucketed(lengths, 8, np.random.default_rng(0))
    ranges = sorted((int(lengths[b].min()), int(lengths[b].max())) for b in batches)
    for (_, longest), (shortest, _) in itertools.pairwise(ranges):
        assert longest <= shortest
    assert [len(b) for b in batches].count(8) == COUNT // 8
    assert ranges != [(lengths[b].min(), lengths[b].max()) for b in batches]  # in no order


def test_other_clips_meet_in_every_epoch_where_there_are_many() -> None:
    """Not all clips are sorted together: the same would meet again and again."""
    lengths = np.random.default_rng(0).integers(1, 65, 1000)
    first, second = (bucketed(lengths, 4, np.random.default_rng(seed)) for seed in (1, 2))
    assert not {tuple(sorted(b)) for b in first} & {tuple(sorted(b)) for b in second}
    filled = [sum(int(lengths[b].max()) * len(b) for b in batches) for batches in (first, second)]
    at_random = np.random.default_rng(0).permutation(lengths).reshape(-1, 4).max(axis=1).sum() * 4
    wasted = np.array([*filled, at_random]) - lengths.sum()
    assert (wasted[:2] < wasted[2] / 4).all()


def test_single_clips_come_in_no_order_of_length() -> None:
    batches = bucketed(EXAMPLES.lengths, 1, np.random.default_rng(7))
    rises = np.mean(np.diff(EXAMPLES.lengths[np.concatenate(batches)]) > 0)
    assert 0.3 < rises < 0.7


# As what


def test_without_augmentation_clips_are_as_they_were_prepared() -> None:
    found = clips_in(list(replace(FEED, augmented=False).batches(1)))
    for place, clip in enumerate(EXAMPLES.prepared):
        np.testing.assert_array_equal(found[place], clip)


def test_augmentation_has_its_share() -> None:
    """Of what is not drawn nothing is changed, not by a rounding; none is too long."""
    for epoch in range(1, 7):
        changed = 0
        for place, clip in clips_in(list(FEED.batches(epoch))).items():
            changed += not np.array_equal(clip, EXAMPLES.prepared[place])
            assert 1 <= len(clip) <= CONFIG.max_position_embeddings
        assert abs(changed / COUNT - augmentations.AUGMENTED) < 0.15  # every clip draws its own


def test_augmentation_depends_on_no_other_clip() -> None:
    """Neither on the size of the batch, nor on how many processes share it."""
    expected = clips_in(list(FEED.batches(2)))
    for size, shards in ((1, 1), (5, 1), (8, 2), (7, 3)):
        feed = replace(FEED, batch_size=size, shards=shards)
        batches = [batch for shard in range(shards) for batch in feed.batches(2, shard)]
        found = clips_in(batches)
        assert found.keys() == expected.keys()
        for place, clip in found.items():
            np.testing.assert_array_equal(clip, expected[place])


# In parts


@pytest.mark.parametrize("shards", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_the_parts_make_up_the_batch(size: int, shards: int) -> None:
    losses = np.random.default_rng(1).uniform(0.1, 3, COUNT)
    whole = list(replace(FEED, batch_size=size).batches(1))
    feed = replace(FEED, batch_size=size, shards=shards)
    parts = [list(feed.batches(1, shard)) for shard in range(shards)]
    assert [len(of_shard) for of_shard in parts] == [feed.steps] * shards
    for batch, *of_batch in zip(whole, *parts, strict=True):
        counted = [part.labels[part.weights > 0] for part in of_batch]
        assert sorted(np.concatenate(counted)) == sorted(batch.labels)
        assert len({len(part.labels) for part in of_batch}) == 1  # a mean over parts is fair
        assert all(part.size == len(batch.labels) for part in of_batch)
        assert all(part.weights.dtype == np.float32 for part in of_batch)
        means = [np.mean(losses[part.labels] * part.weights) for part in of_batch]
        assert np.mean(means) == pytest.approx(losses[batch.labels].mean(), rel=1e-6)


def test_a_batch_as_a_whole_has_plain_weights() -> None:
    assert all((batch.weights == 1).all() for batch in FEED.batches(1))


def test_the_parts_of_a_process_are_its_devices() -> None:
    assert [list(shards_of(process, 2)) for process in range(3)] == [[0, 1], [2, 3], [4, 5]]


# For an evaluation


@pytest.mark.parametrize("size", [1, 10, 83, 100])
def test_unchanged_clips_come_in_their_order(size: int) -> None:
    batches = list(unchanged(EXAMPLES, size))
    assert places(batches) == list(range(COUNT))
    for place, clip in clips_in(batches).items():
        np.testing.assert_array_equal(clip, EXAMPLES.prepared[place])
    assert all((batch.weights == 1).all() for batch in batches)
