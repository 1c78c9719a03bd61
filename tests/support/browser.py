"""A real browser, driven over a pipe by the DevTools protocol: no driver is needed beside it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)
PATIENCE = 120  # seconds for whatever a page does: this machine may be busy


def browser_program() -> str:
    """Return the browser's path; skips the test where none is installed."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser is installed: none of {', '.join(PROGRAMS)}")
    return program


class Browser:
    """A running browser. Use it as a context manager."""

    def __init__(self, profile: Path, *flags: str) -> None:
        program, nothing = browser_program(), os.open(os.devnull, os.O_RDWR)
        to_browser, ours_out = os.pipe()
        ours_in, from_browser = os.pipe()
        opened = (nothing, to_browser, from_browser)
        # The browser's pipes are 3 and 4: from above, none is overwritten on its way there.
        sources = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in opened]
        places = zip((sources[0], *sources), (1, 2, 3, 4), strict=True)
        self._pid = os.posix_spawn(
            program,
            [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", *flags],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, place) for fd, place in places],
        )
        for fd in (*opened, *sources):
            os.close(fd)
        self._out, self._in = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._messages = Queue[dict[str, Any]]()
        self._pages = dict[str, Page]()
        self._count = 0
        Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._out.close()  # the browser ends with its pipe
        end = time.monotonic() + 20
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.05)

    def _listen(self) -> None:
        data = b""
        while chunk := self._in.read1(1 << 16):
            *whole, data = (data + chunk).split(b"\0")
            for message in whole:
                self._messages.put(json.loads(message))
        self._in.close()

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        end = time.monotonic() + PATIENCE
        while True:
            got = self._next(end - time.monotonic())
            if got is None:
                raise TimeoutError(f"{method}: no answer")
            if got.get("id") == self._count:
                assert "error" not in got, (method, got["error"])
                result: dict[str, Any] = got["result"]
                return result

    def _next(self, seconds: float) -> dict[str, Any] | None:
        try:
            got = self._messages.get(timeout=max(0, seconds))
        except Empty:
            return None
        page = self._pages.get(got.get("sessionId", ""))
        if page is not None and "method" in got:
            page.saw(got["method"], got["params"])
        return got

    def open(self, url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> Page:
        """Open a page in a window of this size."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.navigate", url=url)
        return page


class Page:
    """A page in the browser. `said` is what its console says, `requests` are the URLs that it
    loads."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self.said, self.requests = list[str](), list[str]()

    def saw(self, event: str, params: dict[str, Any]) -> None:
        """Note an event."""
        if event == "Runtime.consoleAPICalled":
            words = " ".join(str(one.get("value", "")) for one in params["args"])
            self.said.append(f"{params['type']}: {words}")
        elif event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(f"exception: {details.get('exception', details)}")
        elif event == "Log.entryAdded":
            self.said.append(f"{params['entry']['level']}: {params['entry']['text']}")
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol on this page."""
        return self._browser.call(method, self._session, **params)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, once it has come."""
        got = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Return the value of an expression as soon as it is true."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := self.evaluate(expression):
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{expression}: never true; the page says {self.said}")

    def text(self, selector: str) -> str:
        """Return the text of an element as it is shown."""
        found: str = self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def choose_files(self, selector: str, files: Sequence[Path]) -> None:
        """Choose files in a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(one) for one in files])

    def drop(self, selector: str, files: Sequence[Path]) -> None:
        """Drop files on an element."""
        box = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{box}.scrollIntoView({{behavior: 'instant', block: 'center'}})")
        middle = "(({x, y, width, height}) => ({x: x + width / 2, y: y + height / 2}))"
        at = self.evaluate(f"{middle}({box}.getBoundingClientRect())")
        data = {"items": [], "files": [str(one) for one in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, data=data, **at)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))
