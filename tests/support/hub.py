"""A small hub on loopback: what huggingface_hub asks of one, and what a hostile one may answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT, LATER = "1" * 40, "2" * 40
_LARGE = (".safetensors", ".pth", ".bin", ".tflite")
"""What a hub keeps beside its Git, and serves from another host."""


@dataclass(frozen=True)
class Asked:
    """A request that has come."""

    host: str
    """`hub` or `storage`."""
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Hub:
    """The repository `o/signs`, its faults, and what was asked of it."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """The files of each commit, by their names."""
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    refusal: tuple[int, str] | None = None
    """The status, and the code of the error, of every answer."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that are stated, and not true."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers in place of those of a file."""
    sent: Callable[[bytes], bytes] = lambda data: data
    """What is sent of a file, and not its bytes."""
    cut: bool = False
    """Whether the connection ends in the middle of a large file."""
    listed: Callable[[], None] = lambda: None
    """Called once the files have been listed."""
    endpoint: str = ""
    storage: str = ""
    log: list[Asked] = field(default_factory=list)

    def asked_for(self) -> set[str]:
        """Return the names of the files that were asked for."""
        return {one.path.split("/", 5)[5] for one in self.log if "/resolve/" in one.path}

    def tokens(self) -> set[tuple[str, str]]:
        """Return each token that was sent, and to which host."""
        sent = ((one.host, one.headers.get("authorization")) for one in self.log)
        return {(host, token) for host, token in sent if token is not None}

    def answer(self, asked: Asked) -> tuple[int, Mapping[str, str], bytes]:
        """Return the status, the headers and the body of an answer."""
        if self.refusal is not None:
            status, code = self.refusal
            return status, {"X-Error-Code": code} if code else {}, b"{}"
        if asked.host == "storage":
            _, _, commit, name = asked.path.split("/", 3)
            return 200, {}, self.sent(self.files[commit][name])
        if asked.path.startswith("/api/models/o/signs/revision/"):
            return self._list(unquote(asked.path.rpartition("/")[2]))
        if asked.path.startswith("/o/signs/resolve/"):
            commit, _, name = asked.path.removeprefix("/o/signs/resolve/").partition("/")
            return self._file(commit, name)
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def _list(self, revision: str) -> tuple[int, Mapping[str, str], bytes]:
        commit = self.branches.get(revision, revision)
        if commit not in self.files:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        siblings = []
        for name, data in self.files[commit].items():
            size = self.sizes.get(name, len(data))
            one: dict[str, Any] = {"rfilename": name, "size": size, "blobId": git_hash(data)}
            if name.endswith(_LARGE):
                one["lfs"] = {"size": size, "sha256": sha256(data), "pointerSize": 134}
            siblings.append(one)
        body = {"_id": "0", "id": "o/signs", "sha": commit, "siblings": siblings}
        self.listed()
        return 200, {}, json.dumps(body).encode()

    def _file(self, commit: str, name: str) -> tuple[int, Mapping[str, str], bytes]:
        data = self.files.get(commit, {}).get(name)
        if data is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        headers = {"X-Repo-Commit": commit}
        if not name.endswith(_LARGE):
            return 200, headers | {"ETag": f'"{git_hash(data)}"'} | self.headers, self.sent(data)
        headers |= {
            "X-Linked-Etag": f'"{sha256(data)}"',
            "X-Linked-Size": str(self.sizes.get(name, len(data))),
            "Location": f"{self.storage}/bytes/{commit}/{name}",
        }
        return 302, headers | self.headers, b""


def sha256(data: bytes) -> str:
    """Return the hash that a hub states of a large file."""
    return hashlib.sha256(data).hexdigest()


def git_hash(data: bytes) -> str:
    """Return the hash that Git has for a small file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Let a hub answer on two ports: its own, and that of its storage."""
    with _server(hub, "hub") as hub.endpoint, _server(hub, "storage") as hub.storage:
        yield hub


@contextmanager
def _server(hub: Hub, host: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(host, self.command, urlsplit(self.path).path, headers)
            hub.log.append(asked)
            status, sent, body = hub.answer(asked)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | {**sent}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                whole = not hub.cut or host == "hub"
                self.wfile.write(body if whole else body[: len(body) // 2])
                self.close_connection = not whole

        do_GET = do_HEAD = _reply

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
