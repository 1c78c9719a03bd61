"""Write FOLDER/model.h5, interrupted by a signal at one line after the other: FOLDER NUMBER FORCE.

The program signals itself at the Nth line that runs in atomic_output.py, contextlib.py or here,
for every N.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from signbart_port.system import atomic_output as output

folder, number, force = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
path = folder / "model.h5"
NEW = b"new" * 100_000


def write():
    with output.replacing(path, force=force) as temp, temp.open("wb") as file:
        for start in range(0, len(NEW), 100_000):
            file.write(NEW[start : start + 100_000])
            file.flush()


def signal_at(moment):
    count = 0
    watched = {output.__file__, contextlib.__file__, write.__code__.co_filename}

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename not in watched:
            return None
        if event == "line":
            count += 1
            if count == moment:
                os.kill(os.getpid(), number)
        return trace

    try:
        with output.interruptible():
            sys.settrace(trace)
            write()
    except (KeyboardInterrupt, SystemExit) as error:
        return repr(error)
    finally:
        sys.settrace(None)
    return "not reached" if count < moment else "survived"


def killed_at(moment):
    child = os.fork()
    if child == 0:
        os._exit(signal_at(moment) == "not reached")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return "not reached" if status == 1 else f"exit code {status}"


moment, end = 0, ""
while end != "not reached":
    moment += 1
    shutil.rmtree(folder)
    folder.mkdir()
    if force:
        path.write_bytes(b"old")
    end = killed_at(moment) if number == signal.SIGKILL else signal_at(moment)
    content = path.read_bytes() if path.exists() else b""
    found = {b"": "none", b"old": "old", NEW: "new"}.get(content, "half")
    print(json.dumps([moment, end, found, sorted(os.listdir(folder))]))
