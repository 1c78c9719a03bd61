"""The key of a config that a misspelt one was meant to be."""

from __future__ import annotations

from collections.abc import Iterable

_LONG = 12  # letters, from which on a key may be misspelt in two places


def meant(key: str, known: Iterable[str]) -> str | None:
    """Return the nearest of the `known` keys that `key` may be a misspelling of, or None.

    Case, hyphens and underscores do not count. A letter too many, too few, wrong, or exchanged with
    its neighbor does: one in a short key, two in a long one.
    """
    plain = _plain(key)
    distances = {one: _distance(plain, _plain(one)) for one in sorted(known)}
    near = {one: n for one, n in distances.items() if n <= _allowed(plain, _plain(one))}
    return min(near, key=near.__getitem__, default=None)


def _plain(key: str) -> str:
    return "".join(c for c in key[:100].lower() if c.isalnum())


def _allowed(key: str, known: str) -> int:
    if len(known) >= _LONG:
        return 2
    # With three letters or fewer nearly everything is near: `l1` is no misspelt `lr`.
    return int(len(known) > 3 or key.startswith(known))


def _distance(a: str, b: str) -> int:
    """Return the optimal string alignment distance: edits that turn one into the other."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before, last = list[int](), list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            steps = [last[j] + 1, row[j - 1] + 1, last[j - 1] + (one != other)]
            if i > 1 and j > 1 and one == b[j - 2] and other == a[i - 2]:
                steps.append(before[j - 2] + 1)
            row.append(min(steps))
        before, last = last, row
    return last[-1]
