"""The memory of all processes of a session together, while it lasts."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

_PAUSE = 0.02  # seconds between two looks at the memory


class Memory(threading.Thread):
    """The largest memory, in bytes, that the processes of a session had resident together."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session, self.peak, self.over = session, 0, False

    def run(self) -> None:
        while not self.over:
            self.peak = max(self.peak, sum(map(self._resident, Path("/proc").glob("[0-9]*"))))
            time.sleep(_PAUSE)

    def _resident(self, process: Path) -> int:
        try:
            if os.getsid(int(process.name)) != self.session:
                return 0
            pages = int((process / "statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")
