"""The two models of a pair, built from their config alone, with perturbed weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.errors import printable
from signbart_port.model_files import wanted
from signbart_port.model_files.checkpoint_model import open_checkpoint
from signbart_port.model_files.config_resolution import Options
from signbart_port.pairs.signbart import SIGNBART
from signbart_port.parity.load_pair import LoadedPair, load_pair
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.parity.workers import torch_perturbed
from signbart_port.parity.workers.torch_perturbed import PerturbedJob, PerturbedResult
from signbart_port.system import processes
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, WorkerFailed
from signbart_port.transfer import WeightMapping
from signbart_port.verbs._pair_models import PairCheckpoint, config_of, open_pair

PERTURBED = "the weights are perturbed ones: nothing is said of a checkpoint's"
_EXAMPLE = "the pair's own example"
_SECONDS = 600
_SEED = 0


@dataclass(frozen=True)
class Implementations:
    """Both sides of a pair, and the config that they are built from."""

    loaded: LoadedPair
    mapping: WeightMapping
    stated: Mapping[str, Any]
    stored: Mapping[str, Any]
    origin: str
    """Where the config comes from, for a person."""

    @property
    def name(self) -> str:
        return self.loaded.name

    @property
    def plain(self) -> Mapping[str, Any]:
        """The values of the config, as they are stated."""
        return {**self.stored, **self.stated}

    def changed(self, change: Mapping[str, Any]) -> Implementations:
        """Return those of another config."""
        return replace(self, stated={**self.stated, **change})

    def config(self) -> Any:
        """Return the config as the pair reads it. Raises PortError for one that it refuses."""
        return config_of(self.loaded, self.stated, self.stored, self.origin)

    @contextmanager
    def opened(self) -> Iterator[PairCheckpoint]:
        """Yield a checkpoint of perturbed weights, which is removed at the end.

        Raises PortError where PyTorch's model cannot be built.
        """
        config = self.config()
        with ExitStack() as stack:
            with processes.scratch_errors():
                folder = Path(stack.enter_context(processes.new_folder()))
            path = self._written(folder / "perturbed.pth")
            checkpoint = wanted.read(path, self.mapping)
            named = replace(checkpoint, path=Path(f"{self.name} in PyTorch"))
            yield PairCheckpoint(
                self.loaded, self.stated, self.stored, config, self.origin, self.mapping, named
            )

    def _written(self, path: Path) -> Path:
        place, program = self.loaded.place, self.loaded.program
        job = PerturbedJob(path, place, dict(self.stated), dict(self.stored), _SEED)
        try:
            with lent(torch_perturbed.__name__, program=program) as worker:
                worker.send(job, Limits(_SECONDS))
                worker.answer().read(PerturbedResult)
        except WorkerFailed as failed:
            raise failed.error(self.name, "its PyTorch model cannot be built") from None
        return path


def implementations_of(
    pair: str | Pair | None,
    config: str | Path | None,
    checkpoint: str | Path | None,
    weights: str | None,
) -> Implementations:
    """Return both sides of a pair, SignBART's for None, of the config that is given, else of the
    one that comes with a `checkpoint`, else of the pair's example."""
    loaded = load_pair(SIGNBART if pair is None else pair)
    mapping = transfer.load(mapping_path(loaded.pair))
    mapping.check_settled()
    if pair is None:
        loaded = replace(loaded, name="SignBART")
        if config is not None or checkpoint is not None:
            return Implementations(loaded, mapping, *_signbart(config, checkpoint, weights))
    if checkpoint is not None:
        opened = open_pair(checkpoint, loaded.pair, config, weights)
        return Implementations(loaded, mapping, opened.stated, opened.stored, opened.origin)
    if config is not None:
        stated, origin = configs.read_file(Path(config)), str(config)
    else:
        stated, origin = dict(loaded.pair.example), _EXAMPLE
    return Implementations(loaded, mapping, stated, {}, origin)


def _signbart(
    config: str | Path | None, checkpoint: str | Path | None, weights: str | None
) -> tuple[Mapping[str, Any], Mapping[str, Any], str]:
    """Return the config of a SignBART as plain values, none that is stored, and its origin."""
    options = Options(None if config is None else str(config), weights=weights)
    if checkpoint is not None:
        resolved = open_checkpoint(Path(checkpoint), options).resolved
        found, origin = resolved.config, resolved.origin
    else:
        found, origin = configs.find(str(config)), printable(config)
    return found.model_dump(exclude={"training"}), {}, origin
