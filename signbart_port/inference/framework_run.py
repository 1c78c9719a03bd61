"""Run a model in its framework on raw clips: prepared as for its training, a few dozen at a time.

In this process, or in one of its own: both frameworks never share one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import preprocessing
from signbart_port.errors import PortError
from signbart_port.system import processes
from signbart_port.untrusted.model_kind import ModelKind

if TYPE_CHECKING:
    from signbart_port.config import SignBartConfig
    from signbart_port.model_files.model_file import WeightFile

Model = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.floating]]
"""Gives logits (B, labels) for keypoints (B, T, K, 2) and a mask (B, T)."""

Weights = Mapping[str, NDArray[Any]]
_BATCH = 32
_SECONDS = 3600


@dataclass(frozen=True)
class Batch:
    """Clips of like length, filled up to the longest: their `places` among all, `keypoints`
    (B, T, K, 2) and `attention_mask` (B, T)."""

    places: NDArray[np.intp]
    keypoints: NDArray[np.float32]
    attention_mask: NDArray[np.float32]


def frames_read(config: SignBartConfig, clips: Sequence[NDArray[Any]]) -> NDArray[np.intp]:
    """How many frames of each clip a model reads."""
    from signbart_port.data.model_interface import longest_clip

    return np.minimum([len(clip) for clip in clips], longest_clip(config))


def batches(
    config: SignBartConfig, clips: Sequence[NDArray[Any]], paths: Sequence[Path]
) -> list[Batch]:
    """Raw clips (T, K, 2 or more) as a model of this config reads them, the shortest first.

    Raises PortError for a clip of too few joints, by its path.
    """
    from signbart_port.data.model_interface import longest_clip, of_model

    interface, most = of_model(config), longest_clip(config)

    def read(place: int) -> NDArray[np.float32]:
        try:
            return interface.fed(clips[place], config, most)
        except ValueError as error:
            raise PortError(paths[place], str(error)) from None

    order = np.argsort(frames_read(config, clips), kind="stable")
    parts = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]
    return [
        Batch(places, *preprocessing.pad([read(place) for place in places])) for places in parts
    ]


def outputs(model: Model, batches: Sequence[Batch]) -> NDArray[np.floating]:
    """Logits (N, labels) of the clips of all batches, in the order of the clips."""
    given = np.concatenate([model(batch.keypoints, batch.attention_mask) for batch in batches])
    ordered = np.empty_like(given)
    ordered[np.concatenate([batch.places for batch in batches])] = given
    return ordered


def refuse_not_finite(path: Path, outputs: NDArray[np.floating]) -> None:
    """Raises PortError for a model that gives NaN or infinity: it has no prediction."""
    if not np.isfinite(outputs).all():
        raise PortError(path, "gives numbers that are not finite")


@dataclass(frozen=True)
class Framework:
    """What runs a model: its `name`, the `package` to import, the `weights` that it takes of an
    opened file, and how it makes a model of a config and these."""

    name: str
    package: str
    weights: Callable[[WeightFile], Weights]
    model: Callable[[SignBartConfig, Weights], Model]


def framework_of(opened: WeightFile) -> Framework:
    """Return the framework that a checkpoint or a model.h5 is from."""
    return PYTORCH if opened.kind is ModelKind.CHECKPOINT else KERAS


def _pytorch(config: SignBartConfig, weights: Weights) -> Model:
    import torch

    from pt_reference import SignBart

    model = SignBart(config).eval()
    model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in weights.items()})

    def run(keypoints: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.inference_mode():
            _, logits = model(torch.from_numpy(keypoints), torch.from_numpy(mask))
        given: NDArray[np.floating] = logits.numpy()
        return given

    return run


def _keras(config: SignBartConfig, weights: Weights) -> Model:
    from signbart_port.keras_model import SignBart
    from signbart_port.keras_model.weights import assign

    model = SignBart(config)
    assign(model, weights.items())
    return lambda keypoints, mask: np.asarray(model(keypoints, mask, training=False))


def _of_pytorch(opened: WeightFile) -> Weights:
    tensors = opened.reference_tensors
    return {name: np.array(tensor, np.float32) for name, tensor in tensors.items()}


def _of_keras(opened: WeightFile) -> Weights:
    return opened.keras_tensors


PYTORCH = Framework("PyTorch", "PyTorch", _of_pytorch, _pytorch)
KERAS = Framework("Keras", "TensorFlow", _of_keras, _keras)


class FrameworkRun(processes.Work):
    """A model running on clips in a process of its own, which imports its framework alone.

    A context manager: leaving it ends the process.
    """

    def __init__(self, opened: WeightFile, batches: Sequence[Batch]) -> None:
        self._path, self._framework = opened.path, framework_of(opened)
        with processes.blaming_scratch(), ExitStack() as stack:
            self._folder = stack.enter_context(processes.new_folder())
            folder = Path(self._folder)
            job = {
                "framework": self._framework.name,
                "config": opened.config.model_dump(exclude={"training"}),
            }
            (folder / "job.json").write_text(json.dumps(job))
            _save(folder / "weights.npz", self._framework.weights(opened))
            for number, batch in enumerate(batches):
                _save(folder / f"{number}.npz", vars(batch))
            super().__init__(__name__, folder)
            self._scratch = stack.pop_all()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._scratch.close()

    def outputs(self) -> NDArray[np.floating]:
        """Logits (N, labels); waits for the process.

        Raises PortError where it fails.
        """
        if failed := self.wait(_SECONDS):
            raise PortError(self._path, f"{self._framework.name} cannot run it ({failed})")
        given: NDArray[np.floating] = np.load(Path(self._folder) / "outputs.npy")
        return given


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def _saved(folder: Path) -> Iterator[Batch]:
    number = 0
    while (path := folder / f"{number}.npz").exists():
        with np.load(path) as arrays:
            yield Batch(**arrays)
        number += 1


def _main(folder: Path) -> None:
    from signbart_port.config import SignBartConfig

    job = json.loads((folder / "job.json").read_text())
    framework = next(one for one in (PYTORCH, KERAS) if one.name == job["framework"])
    with np.load(folder / "weights.npz") as weights:
        model = framework.model(SignBartConfig.of(job["config"]), dict(weights))
    np.save(folder / "outputs.npy", outputs(model, list(_saved(folder))))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
