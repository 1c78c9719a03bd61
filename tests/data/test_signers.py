"""Signers by the names of samples."""

from __future__ import annotations

import pytest

from signbart_port.data.signers import signer_of


@pytest.mark.parametrize(
    ("path", "signer"),
    [
        ("signs/test/G03/user08_G03_R05.pkl", "user08"),
        ("my_signs/test/a_b/00414.npz", None),
        ("_1.pkl", None),
        ("user08_.npy", "user08"),
    ],
)
def test_what_stands_before_the_first_underscore(path: str, signer: str | None) -> None:
    assert signer_of(path) == signer
