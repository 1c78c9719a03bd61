"""The memory of all processes of a session together, while it lasts."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from signbart_port.system import processes

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
            mine = os.getsid(int(process.name)) == self.session
        except OSError:  # it has just ended
            return 0
        return processes.resident(int(process.name)) if mine else 0
