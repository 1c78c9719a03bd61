from __future__ import annotations

from pathlib import Path

import pytest

from signbart_port.errors import PortError
from signbart_port.hub.access import current, hub_access, parse_size
from signbart_port.hub.address import Address, is_address, named_for_outputs, parse, shown


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://o/signs", Address("o", "signs")),
        ("hf://o/signs@v1.0", Address("o", "signs", revision="v1.0")),
        ("hf://o/signs@refs/pr/1", Address("o", "signs", revision="refs/pr/1")),
        ("hf://o/signs/a/b.pth", Address("o", "signs", "a/b.pth")),
        ("hf://o/signs/b.pth@v1", Address("o", "signs", "b.pth", "v1")),
    ],
)
def test_an_address_is_read_as_a_text_and_as_a_path(text: str, address: Address) -> None:
    assert parse(text) == parse(Path(text)) == address
    assert str(address) == shown(Path(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("hf://", "hf://o", "hf://o/", "hf:///signs", "hf://../signs", "hf://o/a--b", "hf://o/.."),
        *("hf://o/signs@", "hf://o/signs@../main", "hf://o/signs@-x", "hf://o/signs@a@b"),
        *("hf://o/signs/../x.pth", "hf://o/signs//etc/passwd", "hf://o/signs/a\nb.pth"),
        *("hf://o/signs/a\\b.pth", "hf://datasets/o/signs", "hf://o/signs/a\x1b[1m.pth"),
        f"hf://o/signs/{'a' * 300}.pth",
    ],
)
def test_what_has_no_such_form_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(PortError) as refused:
        parse(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("path", ["model.pth", "/hf:/o/signs", "hf/o/signs", "./a/hf://o/signs"])
def test_any_other_path_is_local(path: str) -> None:
    assert not is_address(Path(path))
    assert named_for_outputs(Path(path)) == Path(path)


def test_outputs_are_named_for_the_file_or_the_repository_in_the_current_folder() -> None:
    assert named_for_outputs(Path("hf://o/signs-1.0@x")) == Path("signs-1.0.safetensors")
    assert named_for_outputs(Path("hf://o/signs/a/b.pth")) == Path("b.pth")


def test_the_terms_of_a_download_hold_inside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hf_secret")
    with hub_access(hf_token="MY_TOKEN"), hub_access(max_download="2.5MB"):
        assert (current().token, current().max_download) == ("MY_TOKEN", 2_500_000)
    assert (current().token, current().max_download) == (None, 10**9)


@pytest.mark.parametrize("given", ["hf_AbCdEf", "hf-AbCdEf", "BROKEN", "EMPTY"])
def test_no_message_repeats_a_token(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "hf_AbCdEf\nX: y")
    monkeypatch.setenv("EMPTY", " ")
    with pytest.raises(PortError) as refused:
        hub_access(hf_token=given)
    assert "AbCdEf" not in str(refused.value) and "HF_TOKEN" in str(refused.value)


@pytest.mark.parametrize("size", ["", "-1", "much", "1 PB", "1e9", -1, "9" * 20])
def test_what_is_no_size_is_refused(size: int | str) -> None:
    with pytest.raises(PortError, match="no size"):
        parse_size(size)
