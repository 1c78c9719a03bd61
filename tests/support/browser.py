"""A real browser, driven by Selenium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # not even for its own updates
)
PATIENCE = 120  # seconds for whatever a page does: this machine may be busy


def _program(*names: str) -> str:
    """Return a program's path; skips the test where it is not installed."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"not installed: {' or '.join(names)}")
    return path


class Browser(Chrome):
    """A running browser with one page. Use it as a context manager."""

    def __init__(self, *flags: str, patience: float = PATIENCE) -> None:
        # With both paths given, Selenium does not look for programs to download.
        program, driver = _program(*BROWSERS), _program("chromedriver")
        options = ChromeOptions()
        options.binary_location = program
        for flag in (*FLAGS, *flags):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._folder = TemporaryDirectory(ignore_cleanup_errors=True)
        service = ChromeService(driver, env=os.environ | {"TMPDIR": self._folder.name})
        super().__init__(options, service)
        self._patience = patience
        self.set_script_timeout(patience)
        self.command_executor.client_config.timeout = 2 * patience  # the driver answers before

    def quit(self) -> None:
        """End the browser, and remove what it leaves behind."""
        super().quit()
        self._folder.cleanup()

    def open(self, url: str, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Open a page in a window of this size, and forget what the one before it said."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.get("about:blank")
        self.said()
        self.requests()
        self.get(url)

    def said(self) -> list[str]:
        """Return what the console has said since this was last asked."""
        return [f"{one['level']}: {one['message']}" for one in self.get_log("browser")]

    def errors(self) -> list[str]:
        """Return the errors of what the console has said since this was last asked."""
        return [said for said in self.said() if said.startswith("SEVERE")]

    def requests(self) -> list[str]:
        """Return the URLs that the page has loaded since this was last asked."""
        events = [json.loads(one["message"])["message"] for one in self.get_log("performance")]
        sent = [one["params"] for one in events if one["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent]

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, once it has come."""
        return self.execute_script(f"return {expression}")

    def wait_for(self, expression: str) -> Any:
        """Return the value of an expression as soon as it is true."""
        wait = WebDriverWait(self, self._patience, poll_frequency=0.05)
        return wait.until(lambda _: self.evaluate(expression), f"{expression}: never true")

    def text(self, selector: str) -> str:
        """Return the text of an element as it is shown."""
        return self.find_element(By.CSS_SELECTOR, selector).text

    def drop(self, selector: str, files: Sequence[Path]) -> None:
        """Drop files on an element's corner: by DevTools, as WebDriver drags no files."""
        at = self.find_element(By.CSS_SELECTOR, selector).location_once_scrolled_into_view
        data = {"items": [], "files": [str(one) for one in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "data": data, "x": at["x"] + 9, "y": at["y"] + 9}
            self.execute_cdp_cmd("Input.dispatchDragEvent", event)
