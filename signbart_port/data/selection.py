"""The choice of a few clips that represent many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from signbart_port.data.dataset import Entry


def stratified(
    entries: Sequence[Entry], lengths: Sequence[int], count: int, seed: int
) -> tuple[int, ...]:
    """Return indices of `count` entries (or of all, if there are no more), in ascending order.

    Every class gets the same number, as far as it has enough, and chance decides which get one
    more. Of n clips of a class, one is chosen from each nth of its clips by length; whether it is a
    short or a long one there is spread evenly over all that are chosen, as in a Latin hypercube.
    The same seed chooses the same. Raises ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError(f"{count} clips: at least 1 must be chosen")
    rng = np.random.default_rng(seed)
    by_length: dict[int, list[int]] = {}
    for index in sorted(range(len(entries)), key=lambda i: (lengths[i], str(entries[i].path))):
        by_length.setdefault(entries[index].id, []).append(index)
    classes = sorted(by_length)
    rng.shuffle(classes)
    # Dealt like cards: a first clip to every class, then a second ...
    dealt = sorted((n, at) for at, id in enumerate(classes) for n in range(len(by_length[id])))
    shares = Counter(classes[at] for _, at in dealt[:count])
    chosen = min(count, len(entries))
    quantiles = iter((rng.permutation(chosen) + rng.random(chosen)) / chosen)
    picked = list[int]()
    for id, share in shares.items():
        for part in np.array_split(by_length[id], share):
            picked.append(int(part[int(next(quantiles) * len(part))]))
    return tuple(sorted(picked))
