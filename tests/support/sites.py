"""Sites that are served while a test looks at them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signbart_port.web.server import SiteServer


@contextmanager
def serving(folder: Path) -> Iterator[SiteServer]:
    """Serve a folder in a thread."""
    with SiteServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
