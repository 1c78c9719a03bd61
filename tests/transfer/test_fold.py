"""Names folded by layer: back from a fold come exactly the names that went in."""

from __future__ import annotations

import pytest

from signbart_port.transfer.folding import folded, template


def fold(*names: str) -> str:
    shared, numbers = zip(*map(template, names), strict=True)
    assert len(set(shared)) == 1
    return folded(shared[0], numbers)


@pytest.mark.parametrize(
    ("names", "one"),
    [
        (["encoder.layers.0.fc1.weight", "encoder.layers.1.fc1.weight"],
         "encoder.layers.{0..1}.fc1.weight"),
        (["a/layers.3/b", "a/layers.1/b", "a/layers.2/b"], "a/layers.{1..3}/b"),
        (["a.0", "a.2", "a.10"], "a.{0,2,10}"),
        (["a.7.b", "a.7.b"], "a.7.b"),
        (["a.fc1.b"], "a.fc1.b"),
        (["a\0.4.b"], "a\0.4.b"),
    ],
)  # fmt: skip
def test_fold(names: list[str], one: str) -> None:
    assert fold(*names) == one


def test_a_number_is_a_part_of_its_own() -> None:
    """And only as mappings write it: names that differ otherwise stay apart."""
    for name in ("a.fc1.b", "a.1x.b", "1.a", "a.01.b", f"a.{'9' * 5000}.b", "a.٣.b"):
        assert template(name) == ((name,), None)
    assert template("a.1.b.2.c") == (("a.", ".b.2.c"), 1)
