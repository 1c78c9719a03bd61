"""A server of one folder, for the browsers of this machine alone.

It answers GET and HEAD for the files that were there when it began, from memory: nothing that is
put there later, no link and no listing is shown. A page of another host that a browser is led to
believe is here (DNS rebinding) names that host, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from signbart_port.untrusted.folder import files_under

HOST = "127.0.0.1"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class SiteServer(ThreadingHTTPServer):
    """A server of a folder on a free port."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.files = _read(folder)
        super().__init__((HOST, 0), _Handler)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> set[str]:
        """The names of this machine that a browser may give."""
        return {f"{name}:{self.server_port}" for name in (HOST, "localhost")}


def _read(folder: Path) -> Mapping[str, bytes]:
    """Return the content of each file by its path in a URL."""
    files = {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in files_under(folder)
        if not path.is_symlink()
    }
    return files | {"/": files["/index.html"]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "signbart-port", ""
    timeout = 60  # seconds that a connection may be silent
    server: SiteServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path, hosts = self.path.partition("?")[0], self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            status, kind, body = HTTPStatus.FORBIDDEN, "text/plain", b"not a name of this machine\n"
        elif path not in self.server.files:
            status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"no such file\n"
        else:
            status, body = HTTPStatus.OK, self.server.files[path]
            kind = _TYPES.get(Path(path).suffix or ".html", "application/octet-stream")
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(body), **_HEADERS}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what a browser asks for is no news."""
