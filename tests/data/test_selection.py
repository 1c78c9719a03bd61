"""The choice of a few clips: of every class, short and long, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from signbart_port.data.dataset import Entry
from signbart_port.data.selection import stratified

SIZES = (50, 50, 50, 3)


def entries() -> tuple[list[Entry], list[int]]:
    rng = np.random.default_rng(0)
    ids = rng.permutation(np.repeat(range(len(SIZES)), SIZES))
    made = [Entry(Path(f"{n}.pkl"), f"c{id}", int(id), "train") for n, id in enumerate(ids)]
    return made, rng.integers(10, 110, len(made)).tolist()


@pytest.mark.parametrize(
    ("count", "shares"),
    [(4, (1, 1, 1, 1)), (40, (12, 12, 13, 3)), (99, (32, 32, 32, 3)), (1000, SIZES)],
)
def test_classes_share_alike_as_far_as_they_can(count: int, shares: tuple[int, ...]) -> None:
    made, lengths = entries()
    picked = stratified(made, lengths, count, 0)
    assert list(picked) == sorted(set(picked))
    found = Counter(made[index].id for index in picked)
    assert sorted(found.values()) == sorted(shares)


@pytest.mark.parametrize("seed", range(20))
def test_lengths_are_spread(seed: int) -> None:
    made, lengths = entries()
    picked = stratified(made, lengths, 30, seed)
    for label_id in range(3):
        of_class = sorted(n for n, e in zip(lengths, made, strict=True) if e.id == label_id)
        mine = sorted(lengths[index] for index in picked if made[index].id == label_id)
        parts = np.array_split(of_class, len(mine))
        assert all(part[0] <= n <= part[-1] for n, part in zip(mine, parts, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_one_clip_a_class_is_short_in_one_and_long_in_another(seed: int) -> None:
    made = [Entry(Path(f"{n}.pkl"), f"c{n % 10}", n % 10, "train") for n in range(500)]
    lengths = [n // 10 for n in range(500)]
    picked = sorted(lengths[index] for index in stratified(made, lengths, 10, seed))
    assert [n // 5 for n in picked] == list(range(10))


def test_the_seed_decides() -> None:
    made, lengths = entries()
    first = stratified(made, lengths, 20, 1)
    assert stratified(made, lengths, 20, 1) == first
    assert stratified(made, lengths, 20, 2) != first


def test_edges() -> None:
    assert stratified([], [], 5, 0) == ()
    with pytest.raises(ValueError, match="0 clips: at least 1"):
        stratified(*entries(), 0, 0)
