"""Run a .tflite in a process of its own that starts at once and is given its clips later.

A damaged file can crash the interpreter, not us; and the interpreter is imported here while the
clips are read there: nothing heavy is imported before that.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signbart_port.errors import PortError
from signbart_port.system import processes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from signbart_port.tflite.runner import Fed, Runner

_SECONDS = 600
_MEMORY = 4 << 30  # address space, besides twenty times the file


@dataclass(frozen=True)
class Ran:
    """A clip as it was fed, and the scores (classes,) for it: `output` says what they are."""

    fed: Fed
    scores: NDArray[np.float32]
    output: str


class Apart(processes.Process):
    """A `Runner` in a process of its own: a context manager, leaving it ends the process."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        super().__init__(__name__, self._path.resolve(), **pipes)

    def run(self, clips: Sequence[NDArray[Any]], paths: Sequence[Path]) -> list[Ran]:
        """Run raw clips, as `Runner.scores` does. To be called once.

        Raises PortError for a file that cannot be run, and for a clip that does not fit, by its
        path.
        """
        given = _packed({str(number): clip for number, clip in enumerate(clips)})
        try:
            answer, noise = self._process.communicate(given, _SECONDS)
        except subprocess.TimeoutExpired:
            raise PortError(self._path, f"did not run in {_SECONDS} s") from None
        if status := self._process.returncode:
            last = noise.decode("utf-8", "replace").strip().rpartition("\n")[2]
            reason = signal.Signals(-status).name if status < 0 else last or status
            raise PortError(self._path, f"the LiteRT interpreter cannot run it ({reason})")
        from signbart_port.tflite.runner import Fed

        arrays = _unpacked(answer)
        if "refused" in arrays:
            number, what = map(str, arrays["refused"])
            raise PortError(paths[int(number)] if number else self._path, what)
        return [
            Ran(
                Fed(str(arrays[f"{n}.signature"]), arrays[f"{n}.keypoints"], arrays[f"{n}.mask"]),
                arrays[f"{n}.scores"],
                str(arrays["output"]),
            )
            for n in range(len(clips))
        ]


def _main(path: Path) -> None:
    processes.limit_memory(_MEMORY + 20 * path.stat().st_size)
    import ai_edge_litert.interpreter  # noqa: F401  while the clips are on their way

    from signbart_port.tflite.runner import Runner

    clips = _unpacked(sys.stdin.buffer.read())
    try:
        answer = _answer(Runner(path), clips)
    except PortError as error:
        number = error.path if error.path in clips else ""
        answer = {"refused": [number, error.what]}
    sys.stdout.buffer.write(_packed(answer))


def _answer(runner: Runner, clips: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"output": runner.card.output}
    for number, clip in clips.items():
        try:
            fed = runner.fed(clip)
        except ValueError as error:
            raise PortError(number, str(error)) from None
        answer |= {
            f"{number}.signature": fed.signature,
            f"{number}.keypoints": fed.keypoints,
            f"{number}.mask": fed.attention_mask,
            f"{number}.scores": runner.run(fed),
        }
    return answer


def _packed(arrays: Mapping[str, Any]) -> bytes:
    import numpy as np

    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    import numpy as np

    with np.load(io.BytesIO(data)) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
