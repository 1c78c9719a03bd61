"""PyTorch's run of a checkpoint, in a process of its own beside this one.

Two processes halve the wait, since importing the frameworks dominates it; keep PyTorch's loader
within bounds of memory and time; and never put both frameworks into one address space.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.checkpoint.names import NameRules
from signbart_port.errors import PortError
from signbart_port.parity.compare import Truth
from signbart_port.parity.pair import Case
from signbart_port.parity.proof import Call
from signbart_port.parity.taps import Floats
from signbart_port.system import processes

_IMPORT_BYTES = 6 * 2**30  # address space that importing PyTorch may take
_SECONDS = 1200


@dataclass(frozen=True)
class TorchJob:
    """What PyTorch runs: the model of a pair with the weights of a checkpoint, on a case."""

    checkpoint: Path
    """The file with the weights."""
    container: str
    """How the file keeps them: `safetensors`, or a format of `torch.load`."""
    names: NameRules
    """How tensors are found in the file, and named."""
    mapping: Path
    """The mapping that knows these names, where they are not the model's own."""
    ignored: tuple[str, ...]
    """The tensors that the model does not have."""
    pair: str
    """Where the pair is imported, see `pair.place_of`."""
    config: Mapping[str, Any]
    """The model's config as plain values, for `Pair.read_config`."""
    case: Case
    """The inputs."""


class TorchRun(processes.Process):
    """A running PyTorch process. A context manager: leaving it ends the process.

    With `truth`, the outputs are float64, and `noise` says how far PyTorch in float32 was from
    them in the whole run; `alone.noise` how far each module alone, fed the inputs of `calls`.
    Without, the outputs are those of the float32 run, or with `logits_alone` its logits, and these
    are empty. `digests` returns those of the tensors as this program has read them, by name: it is
    called while PyTorch is being imported.
    """

    def __init__(
        self,
        job: TorchJob,
        digests: Callable[[], Mapping[str, str]],
        *,
        truth: bool,
        logits_alone: bool = False,
    ) -> None:
        self._path = job.checkpoint
        self._result: dict[str, Any] | None = None
        with processes.blaming_scratch():
            self._folder = processes.new_folder()
        folder = Path(self._folder.name)
        plain = {
            "checkpoint": str(job.checkpoint.resolve()),
            "container": job.container,
            "unwrap": job.names.unwrap,
            "strip_prefixes": job.names.strip_prefixes,
            "ignored": job.ignored,
            "mapping": str(job.mapping.resolve()),
            "pair": job.pair,
            "config": dict(job.config),
            "truth": truth,
            "logits_alone": logits_alone,
            "memory": _IMPORT_BYTES + 30 * job.checkpoint.stat().st_size,
        }
        with processes.blaming_scratch():
            _save(folder / "torch.npz", job.case.torch)
            _save(folder / "counted.npz", job.case.counted)
            (folder / "job.json").write_text(json.dumps(plain))
        super().__init__(
            "signbart_port.parity.workers.torch_run",
            folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._digests = digests()  # while PyTorch is being imported

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._folder.cleanup()

    @property
    def result(self) -> dict[str, Any]:
        """Waits for the process.

        Raises PortError where PyTorch cannot read or run the checkpoint, or reads other values than
        `signbart_port.checkpoint` did.
        """
        if self._result is None:
            self._result = self._wait()
        return self._result

    @property
    def noise(self) -> dict[str, float]:
        noise: dict[str, float] = self.result["noise"]
        return noise

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every module's call, in the order in which they ended."""
        folder = Path(self._folder.name)
        return tuple(
            Call(
                call["path"],
                call["number"],
                tuple(call["taps"]),
                tuple(folder / name for name in call["files"]),
            )
            for call in self.result["calls"]
        )

    @property
    def alone(self) -> Truth:
        """The truth of modules that run alone: the same outputs, another noise."""
        return _Alone(self)

    def value(self, tap: str) -> Floats:
        index = self.result["taps"].index(tap)
        array: NDArray[np.floating] = np.load(Path(self._folder.name) / f"{index}.npy")
        return array

    def outputs(self) -> Iterator[tuple[str, Floats]]:
        """Every tap and its output, in the order of the run."""
        for tap in self.result["taps"]:
            yield tap, self.value(tap)

    def _wait(self) -> dict[str, Any]:
        path = self._path
        try:
            _, errors = self._process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise PortError(path, f"PyTorch did not finish in {_SECONDS} s") from None
        if self._process.returncode != 0:
            last = errors.strip().rpartition("\n")[2] or f"status {self._process.returncode}"
            raise PortError(
                path,
                f"PyTorch refuses to read or run it ({last})",
                "Save it again: torch.save(model.state_dict(), path)",
            )
        result: dict[str, Any] = json.loads((Path(self._folder.name) / "result.json").read_text())
        for name, value in result["digests"].items():
            if self._digests[name] != value:
                raise PortError(path, f"PyTorch reads other values of {name} than this program")
        return result


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


class _Alone:
    def __init__(self, run: TorchRun) -> None:
        self.noise: dict[str, float] = run.result["alone"]
        self.value = run.value
