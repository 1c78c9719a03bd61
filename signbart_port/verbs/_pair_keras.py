"""A Keras file of a pair, opened for a verb; or a checkpoint, which is converted first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from signbart_port.config.files import read_file
from signbart_port.errors import PortError, printable
from signbart_port.hub.fetch import origin_of
from signbart_port.model_files import pair_file
from signbart_port.model_files.local_weights import local_weights
from signbart_port.parity.load_pair import LoadedPair, load_pair
from signbart_port.parity.pair import Pair
from signbart_port.parity.report import Report
from signbart_port.system import digest
from signbart_port.system.progress import ProgressCallback
from signbart_port.untrusted import model_kind
from signbart_port.untrusted.file_kind import CHECKPOINTS, sniff
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.verbs._pair_models import PairModels, config_of
from signbart_port.verbs.convert_pair import convert_here

TAKES = ".keras, .weights.h5, .h5, .pth or .safetensors"


@dataclass(frozen=True)
class PairKeras:
    """A Keras model of a pair, and where it comes from."""

    models: PairModels
    path: Path
    """The file that the user gave."""
    sha256: str
    model: Any
    """The Keras model, with the weights of the file."""
    weights: Mapping[str, NDArray[Any]]
    """The weights by path."""
    provenance: Mapping[str, Any] | None
    proven: bool
    """Whether it was proven equal to PyTorch's."""
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    conversion: Report | None = None
    """The proof, if it was converted just now."""


def open_keras(
    path: str | Path,
    pair: str | Pair,
    config: str | Path | None,
    weights: str | None,
    folder: Path,
    progress: ProgressCallback,
) -> PairKeras:
    """Open a Keras file; a checkpoint is converted into `folder`.

    The model is the pair's own, with the weights of the file: nothing else in it is read, but the
    provenance. Raises PortError for what cannot be used, ProofError where a conversion fails.
    """
    path = local_weights(path, TAKES)
    loaded = load_pair(pair)
    if sniff(path) in CHECKPOINTS:
        to = folder / "model.weights.h5"
        done = convert_here(path, pair, to, config, weights, origin_of(path), True, False, progress)
        found = _read(to, loaded, None, progress)
        return PairKeras(
            *(found.models, path, digest.of_file(path), found.model, found.weights),
            *(found.provenance, found.proven, done.notes, done.cautions, done.report),
        )
    model_kind.check_kind(path, ModelKind.KERAS)
    if weights is not None:
        raise PortError(path, "--weights is for a checkpoint", "Leave it out")
    return _read(path, loaded, config, progress)


def _read(
    path: Path, loaded: LoadedPair, config: str | Path | None, progress: ProgressCallback
) -> PairKeras:
    progress("Reading the Keras file")
    provenance = pair_file.provenance_of(path)
    stated, stored, origin = dict[str, Any](), dict[str, Any](), "none given or in the file"
    if provenance is not None:
        stated, stored = pair_file.config_of(path, provenance)
        origin = "stored in the file"
    if config is not None:
        stated, origin = read_file(Path(config)), str(config)
    models = PairModels(
        loaded, stated, stored, config_of(loaded, stated, stored, config or path), origin
    )
    model = models.keras_model()
    weights = models.fill(model, path)
    proof = (provenance or {}).get("proof")
    proven = isinstance(proof, dict) and proof.get("passed") is True
    cautions = _of_another(path, loaded, provenance)
    return PairKeras(
        models, path, digest.of_file(path), model, weights, provenance, proven, (), cautions
    )


def _of_another(
    path: Path, loaded: LoadedPair, provenance: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Return what is to be said where a file was made with another pair than this."""
    pair = (provenance or {}).get("pair", {})
    if not pair or pair.get("sha256") == loaded.sha256:
        return ()
    if pair.get("name") == loaded.name:
        return (f"{path} was made with another version of {loaded.name}",)
    made = printable(pair.get("name"), 60)
    return (f"{path} was made with the pair {made}, and is read with {loaded.name}",)
