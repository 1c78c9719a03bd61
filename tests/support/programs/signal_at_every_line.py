"""Write FOLDER/model.h5, with a temporary folder beside it and a new one, interrupted by a signal
at one line after the other: FOLDER NUMBER FORCE.

A fork of the program signals itself at the Nth line that runs here or in what makes and removes
these files, for every N.
"""

import atexit
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from signbart_port.system import atomic_folder, own_files, processes
from signbart_port.system import atomic_output as output

folder, number, force = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
path, site = folder / "model.h5", folder / "site"
tempfile.tempdir = str(folder)
NEW = b"new" * 100_000
NOT_REACHED, SURVIVED = 0, 1
if number != signal.SIGKILL:
    signal.signal(number, signal.SIG_DFL)  # one that is ignored, as under nohup, stays so


def write():
    with processes.new_folder() as scratch:
        (Path(scratch) / "array.npz").touch()
        with atomic_folder.appearing(site) as made:
            (made / "index.html").touch()
        with output.replacing(path, force=force) as temp, temp.open("wb") as file:
            for start in range(0, len(NEW), 100_000):
                file.write(NEW[start : start + 100_000])
                file.flush()


@contextlib.contextmanager
def traced(trace):
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def signal_at(moment):
    count = 0
    modules = (output, own_files, processes, atomic_folder, contextlib, shutil)
    watched = {*(module.__file__ for module in modules), write.__code__.co_filename}

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
        with output.interruptible(), traced(trace):
            write()
    except KeyboardInterrupt:
        return 130
    except SystemExit as error:
        return error.code
    return NOT_REACHED if count < moment else SURVIVED


def ended_at(moment):
    """Return the exit status of a fork that a signal ends at a moment."""
    child = os.fork()
    if child == 0:
        status = signal_at(moment)
        atexit._run_exitfuncs()  # which os._exit passes over
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


moment, status = 0, SURVIVED
while status != NOT_REACHED:
    moment += 1
    shutil.rmtree(folder)
    folder.mkdir()
    if force:
        path.write_bytes(b"old")
    status = ended_at(moment)
    content = path.read_bytes() if path.exists() else b""
    found = {b"": "none", b"old": "old", NEW: "new"}.get(content, "half")
    print(json.dumps([moment, status, found, sorted(os.listdir(folder))]))
