"""The server of a site: what was written, to this machine, and nothing else."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from signbart_port.web.server import SiteServer
from tests.support.sites import serving


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SiteServer]:
    site = tmp_path / "site"
    (site / "litert").mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html>the page")
    (site / "main.js").write_text("start()")
    (site / "litert" / "core.wasm").write_bytes(b"\0asm")
    (tmp_path / "secret.txt").write_text("secret")
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    (site / "folder").symlink_to(tmp_path)
    (site / ".hidden").write_text("secret")
    with serving(site) as running:
        (site / "later.txt").write_text("put there later")
        yield running


def ask(
    server: SiteServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype html>the page"),
        ("/index.html?x=1", "text/html; charset=utf-8", b"<!doctype html>the page"),
        ("/main.js", "text/javascript; charset=utf-8", b"start()"),
        ("/litert/core.wasm", "application/wasm", b"\0asm"),
    ],
)
def test_what_was_written_is_shown(server: SiteServer, path: str, kind: str, body: bytes) -> None:
    status, headers, got = ask(server, path)
    assert (status, headers["Content-Type"], got) == (200, kind, body)
    assert headers["X-Content-Type-Options"] == "nosniff"
    status, headers, got = ask(server, path, "HEAD")
    assert (status, headers["Content-Length"], got) == (200, str(len(body)), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/link.txt",
        "/folder/secret.txt",
        "/.hidden",
        "/later.txt",
        "/litert",
        "/litert/",
        "/../secret.txt",
        "/litert/../../secret.txt",
        "/%2e%2e/secret.txt",
        "//etc/passwd",
        "main.js",
    ],
)
def test_nothing_else_is_shown(server: SiteServer, path: str) -> None:
    status, _, body = ask(server, path)
    assert (status, body) == (404, b"no such file\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"])
def test_no_other_method_is_answered(server: SiteServer, method: str) -> None:
    assert ask(server, "/", method)[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "evil.example:{port}", ""])
def test_another_host_is_refused(server: SiteServer, host: str) -> None:
    """A page of that host, whose name leads here, would read the answer."""
    status, _, body = ask(server, "/", Host=host.format(port=server.server_port))
    assert (status, body) == (403, b"not a name of this machine\n")


def test_the_names_of_this_machine_are_taken(server: SiteServer) -> None:
    assert ask(server, "/", Host=f"localhost:{server.server_port}")[0] == 200
    assert server.server_address[0] == "127.0.0.1"
