"""Worker processes that start with their framework imported.

Importing PyTorch takes two seconds and TensorFlow five, which most tests need not spend again for
each worker. A fork server per framework imports it once; a worker is then a fork of that server,
still a process of its own with its own memory, limits and end. So are the workers that it starts.
What stands in for `python -m MODULE` in the program's command line is this file: it hands its
arguments and streams to the server, and ends as the worker ends.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

_PRELOADED = {
    "ai_edge_quantizer": ("ai_edge_quantizer",),
    "torch": ("torch", "pt_reference"),
    "tensorflow": (
        "signbart_port.keras_model",
        "signbart_port.model_files.keras_h5",
        "tensorflow.lite.python.lite",
    ),
}
_IMPORTS_LATER = {"signbart_port.verbs.workers.pair_verb": "tensorflow"}
"""The workers that import a framework in the course of a job."""


# --- in the test's process ------------------------------------------------------------------------


class ForkedWorkers:
    """The fork servers of this test process, each started when it is first needed; or, in one of
    its workers, those that are there already."""

    def __init__(self, folder: Path, *, of_parent: bool = False) -> None:
        self._folder, self._of_parent = folder, of_parent
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._started = 0

    def command(self, module: str, *arguments: str | Path) -> list[str] | None:
        """Return the command line of a forked worker, or None for a module without a server."""
        framework = _framework_of(module)
        if framework is None:
            return None
        if module in _IMPORTS_LATER:  # it starts others
            self._server("torch")
        if not (server := self._server(framework)).exists():
            return None
        self._started += 1
        return [sys.executable, "-SEs", __file__, str(server), f"{os.getpid()}-{self._started}",
                module, *map(str, arguments)]  # fmt: skip

    def started(self, command: list[str]) -> bool:
        """Return whether this command line is of a forked worker."""
        return command[2:3] == [__file__]

    def end(self, command: list[str]) -> None:
        """Kill the worker of a command line, and wait until it is gone."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(command[3])
            connection.sendall(json.dumps({"end": command[4]}).encode() + b"\n")
            connection.recv(1)  # at the latest when the server is gone

    def stand_ins(self) -> tuple[Callable[..., list[str]], Callable[..., None]]:
        """Return what takes the place of `processes.command` and of `Popen.kill`."""
        from signbart_port.system import processes

        plain, kill = processes.command, subprocess.Popen.kill

        def end(process: subprocess.Popen[Any]) -> None:
            forked = isinstance(process.args, list) and self.started(process.args)
            if forked and process.poll() is None:
                self.end(process.args)
            kill(process)

        return lambda *run: self.command(*run) or plain(*run), end

    def close(self) -> None:
        for server in self._servers.values():
            server.communicate()

    def _server(self, framework: str) -> Path:
        path = self._folder / f"{framework}.socket"
        if framework not in self._servers and not self._of_parent:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
                listening.listen(16)
                number = listening.fileno()
                self._servers[framework] = subprocess.Popen(
                    [sys.executable, "-P", __file__, "--serve", str(number), framework],
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                    stdin=subprocess.PIPE,  # closed when this process ends, whatever ends it
                    pass_fds=(number,),
                )
        return path


def _framework_of(module: str) -> str | None:
    """Return the framework that a worker module imports, where that is one and no other."""
    from importlib.util import find_spec

    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    text = Path(spec.origin).read_text()
    if module in _IMPORTS_LATER:
        return _IMPORTS_LATER[module]
    named = set(re.findall(rf'(?:import |framework=")({"|".join(_PRELOADED)})\b', text))
    if "keras_model" in text or "import keras" in text:
        named.add("tensorflow")
    return named.pop() if len(named) == 1 else None


# --- in place of the worker -----------------------------------------------------------------------


def _stand_in(server: str, number: str, *run: str) -> NoReturn:
    """Hand this process's streams to the server, and end as the worker ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server)
        request = {"start": number, "run": run, "servers": str(Path(server).parent)}
        request |= {"folder": os.getcwd(), "environ": {**os.environ}}
        socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
        for stream in (0, 1, 2):  # the worker alone holds them now
            os.close(stream)
        status = int(connection.recv(64) or b"1")
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


# --- the server -----------------------------------------------------------------------------------


class _Server:
    """A server that forks a worker for each connection, and reports its end there."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._workers: dict[int, tuple[str, socket.socket]] = {}
        self._waiting: dict[str, socket.socket] = {}  # who asked for the end of a worker

    def serve(self) -> NoReturn:
        woken, waking = os.pipe()
        os.set_blocking(waking, False)
        signal.set_wakeup_fd(waking)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, lambda: os._exit(0))
        self._selector.register(woken, selectors.EVENT_READ, lambda: os.read(woken, 4096))
        while True:
            for key, _ in self._selector.select():
                key.data()
            self._reap()

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        data, streams, _, _ = socket.recv_fds(connection, 2**16, 3)
        while data and not data.endswith(b"\n"):
            more = connection.recv(2**16)
            data = data + more if more else b""
        if not data:  # ended before it had asked for anything
            connection.close()
            return
        request = json.loads(data)
        if "end" in request:
            self._end(request["end"], connection)
            return
        worker = os.fork()
        if worker == 0:
            self._selector.close()
            self._listening.close()
            _work(request, streams)
        for stream in streams:
            os.close(stream)
        self._workers[worker] = request["start"], connection
        # Nothing more comes: readable when who started the worker is gone.
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._abandon(worker))

    def _end(self, number: str, connection: socket.socket) -> None:
        for worker, (name, _) in self._workers.items():
            if name == number:
                os.kill(worker, signal.SIGKILL)
                self._waiting[number] = connection
                return
        connection.close()  # it has ended

    def _abandon(self, worker: int) -> None:
        if worker in self._workers:
            self._selector.unregister(self._workers[worker][1])
            os.kill(worker, signal.SIGKILL)

    def _reap(self) -> None:
        while self._workers:
            worker, status = os.waitpid(-1, os.WNOHANG)
            if worker == 0:
                return
            number, connection = self._workers.pop(worker)
            with suppress(KeyError):
                self._selector.unregister(connection)
            with suppress(OSError), connection:
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            if number in self._waiting:
                self._waiting.pop(number).close()


def _lend(servers: Path) -> None:
    """Let the workers of this worker be forked too."""
    from signbart_port.system import processes

    lent = ForkedWorkers(servers, of_parent=True).stand_ins()
    processes.command, subprocess.Popen.kill = lent  # type: ignore[assignment, method-assign]


def _work(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the worker: what `python -P -m MODULE` would do from here."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environ"])
        module, *sys.argv[1:] = request["run"]
        _lend(Path(request["servers"]))
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            if isinstance(end.code, int) or end.code is None:
                code = end.code or 0
            else:
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        import runpy
        import traceback
        from contextlib import suppress
        from importlib import import_module

        for name in _PRELOADED[sys.argv[3]]:
            import_module(name)
        _Server(socket.socket(fileno=int(sys.argv[2]))).serve()
    _stand_in(*sys.argv[1:])
