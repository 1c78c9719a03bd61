"""What goes over the network, held against a small hub on loopback."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from signbart_port.errors import PortError
from signbart_port.hub.access import hub_access
from signbart_port.hub.fetch import fetched, origin_of
from tests.hub.conftest import RELEASE
from tests.support.hub import COMMIT, LATER, Hub, git_hash, serving, sha256

SIGNS = Path("hf://o/signs")


def refusal(address: str | Path = SIGNS) -> str:
    with pytest.raises(PortError) as refused:
        fetched(Path(address))
    said = str(refused.value)
    assert said.startswith("hf://o/signs") and said.isprintable()
    return said


def half_files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.name.endswith((".incomplete", ".tmp"))]


def test_the_files_of_the_allow_list_are_fetched_and_no_token_is_sent(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hf_secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "token").write_text("hf_secret")  # of a login
    path = fetched(SIGNS)
    assert path.read_bytes() == RELEASE["model.safetensors"]
    assert sorted(one.name for one in path.parent.iterdir()) == ["config.json", "model.safetensors"]
    assert hub.asked_for() == {"config.json", "model.safetensors"}
    assert not hub.tokens()
    assert not [one for one in hub.log if "hf_secret" in str(one)]
    known = ("/api/models/o/signs/", "/o/signs/resolve/", "/bytes/")  # and no telemetry
    assert all(one.path.startswith(known) for one in hub.log)
    origin = origin_of(path)
    assert origin is not None and origin.as_dict() == {
        "repository": "o/signs",
        "revision": "main",
        "commit": COMMIT,
        "files": {name: sha256(RELEASE[name]) for name in ("model.safetensors", "config.json")},
    }


def test_a_token_goes_to_the_hub_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hf_mine\n")  # as a file of it ends
    with hub_access(hf_token="MY_TOKEN"):
        fetched(SIGNS)
    assert hub.tokens() == {("hub", "Bearer hf_mine")}
    assert any(one.host == "storage" for one in hub.log)


def test_a_branch_that_moves_gives_the_files_of_one_commit(hub: Hub) -> None:
    hub.files[LATER] = {**RELEASE, "config.json": b"{}", "model.safetensors": b"later"}

    def move() -> None:
        hub.branches["main"] = LATER

    hub.listed = move
    path = fetched(SIGNS)
    assert path.read_bytes() == RELEASE["model.safetensors"]
    assert (path.parent / "config.json").read_bytes() == RELEASE["config.json"]
    assert {one.path.split("/")[4] for one in hub.log if "/resolve/" in one.path} == {COMMIT}
    hub.log.clear()
    assert fetched(Path("hf://o/signs")).read_bytes() == b"later"


def test_offline_the_cache_is_all_there_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "is not in the cache, and HF_HUB_OFFLINE forbids" in refusal()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    online = fetched(SIGNS)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.log.clear()
    assert fetched(SIGNS) == online
    assert fetched(Path(f"hf://o/signs@{COMMIT}")) == online
    assert not hub.log
    online.resolve().write_bytes(b"damaged")
    assert "model.safetensors is damaged" in refusal()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "RepoNotFound", "the hub has no such repository. If it is private"),
        (404, "RevisionNotFound", "the repository has no revision v9"),
        (401, "GatedRepo", "is gated"),
        (401, "", "the hub answers 401. If it is private or gated: --hf-token"),
        (500, "", "the hub answers 500"),
    ],
    ids=["repository", "revision", "gated", "credentials", "error"],
)
@pytest.mark.on_commit("gated")
def test_a_refusal_of_the_hub_is_one_line(hub: Hub, status: int, code: str, said: str) -> None:
    hub.refusal = status, code
    assert said in refusal("hf://o/signs@v9")


def test_what_is_too_large_is_not_downloaded(hub: Hub) -> None:
    total = sum(len(RELEASE[name]) for name in ("model.safetensors", "config.json"))
    with hub_access(max_download=total - 1):
        assert f"has {total:,} bytes to download, and {total - 1:,} are allowed" in refusal()
    assert not hub.asked_for()


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (flipped, "is damaged: its hash is"),
        (lambda data: data + bytes(2 << 20), "sends more bytes than it states"),
        (lambda data: data[:-9], "should be of size"),
    ],
    ids=["other", "more", "fewer"],
)
@pytest.mark.on_commit("other", "more")
def test_other_bytes_than_those_that_are_stated_are_refused(
    hub: Hub, tmp_path: Path, sent: Callable[[bytes], bytes], said: str
) -> None:
    hub.sent = sent
    assert said in refusal()
    assert not half_files(tmp_path) and not (tmp_path / "cache" / "assets").exists()


@pytest.mark.release  # it is tried again, for some seconds
def test_a_download_that_ends_early_leaves_nothing_half(hub: Hub, tmp_path: Path) -> None:
    hub.cut = True
    assert "cannot be fetched (" in refusal()
    assert not half_files(tmp_path) and not (tmp_path / "cache" / "assets").exists()
    hub.cut = False
    assert fetched(SIGNS).read_bytes() == RELEASE["model.safetensors"]


@pytest.mark.release
def test_a_token_is_not_sent_in_the_clear(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    with hub_access(hf_token="HF_TOKEN"):
        assert "no token is sent to HF_ENDPOINT http://hub.invalid" in refusal()


@pytest.mark.parametrize("header", ["X-Linked-Etag", "X-Repo-Commit"])
@pytest.mark.on_commit("X-Linked-Etag")
def test_a_hash_that_is_a_path_names_no_file(hub: Hub, tmp_path: Path, header: str) -> None:
    hub.headers = {header: '"../../../../owned"'}
    assert 'is "../../../../owned"' in refusal()
    assert not list(tmp_path.rglob("owned*"))


@pytest.mark.release
def test_a_hub_that_is_not_there_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert f"[Errno {errno.ECONNREFUSED}]" in refusal()


@pytest.mark.release
def test_a_link_out_of_the_cache_is_refused(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(SIGNS)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (link,) = (tmp_path / "cache" / "hub").rglob("snapshots/*/config.json")
    link.unlink()
    (tmp_path / git_hash(b"{}")).write_bytes(b"{}")
    link.symlink_to(tmp_path / git_hash(b"{}"))
    assert "config.json leads out of the cache" in refusal()


@pytest.mark.release
def test_a_token_follows_no_redirect_to_another_host(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hf_mine")
    with serving(Hub({COMMIT: dict(RELEASE)})) as other, hub_access(hf_token="MY_TOKEN"):
        where = f"{other.endpoint}/o/signs/resolve/{COMMIT}/config.json"
        hub.headers = {"Location": where}
        hub.files[COMMIT].pop("config.json")
        refusal()
        assert other.log and not other.tokens()


@pytest.mark.release
def test_a_package_that_is_absent_is_said_before_anything_is_read(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signbart_port.hub.fetch.is_installed", lambda module: False)
    assert 'pip install "signbart-port[hub]"' in refusal()
    assert not hub.log
