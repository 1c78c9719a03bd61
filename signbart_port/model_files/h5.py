"""The one place that writes and opens model.h5 files.

Keras' own HDF5 layout: the model's config in the root attribute `model_config`, weights under
`model_weights/<layer>/<variable path>`. Ours besides: the root attribute `signbart_port`
(provenance, JSON) and a `sha256` attribute on every weight. Files are read with h5py alone: no
Keras, and nothing in them is run, followed or allocated on their word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError, printable
from signbart_port.model_files import hdf5, keras_config
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.hdf5 import DIGEST, RESAVE
from signbart_port.system import digest

PROVENANCE = "signbart_port"
WEIGHTS = "model_weights"
CONFIG = "model_config"


def read(path: str | Path) -> KerasModel:
    """Read a SignBART model.h5.

    Raises PortError for anything else: another model, damaged or unusual weights, a weight that
    does not match its stored digest.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        return read_opened(path, file)


def read_opened(path: Path, file: h5py.File) -> KerasModel:
    """Read a SignBART model.h5 that is open, as `read` does."""
    config = _config(path, file)
    provenance = _provenance(path, file, config)
    return KerasModel(
        path=path,
        sha256=digest.of_file(path),
        config=config,
        tensors=_tensors(path, file, path.stat().st_size, digests=_with_digests(provenance)),
        provenance=provenance,
    )


def check(path: str | Path) -> set[str]:
    """Read every weight of a file that this process has written as `read` does, and keep none.
    Returns their variable paths."""
    path = Path(path)
    names = set()
    with hdf5.opened(path, ours=True) as file:
        provenance = _provenance(path, file, _config(path, file))
        for name, dataset in _datasets(path, file):
            _tensor(path, name, dataset, path.stat().st_size, digests=_with_digests(provenance))
            names.add(name)
    return names


def annotate(file: h5py.File, provenance: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Add provenance, and the digest that every weight must have, to what Keras has written.

    From here on `read` refuses the file if a single bit of a weight is not as it was meant.
    """
    for name, dataset in _datasets(Path(file.filename), file):
        dataset.attrs[DIGEST] = digests[name]
    file.attrs[PROVENANCE] = json.dumps(provenance)


def _config(path: Path, file: h5py.File) -> SignBartConfig:
    text = file.attrs.get(CONFIG)
    if not isinstance(text, str):
        raise PortError(path, "holds no model config: weights alone, or not a Keras model", RESAVE)
    try:
        model = json.loads(text)
    except (ValueError, RecursionError):
        raise PortError(path, "its model config cannot be read", RESAVE) from None
    return keras_config.parse(model, path)


def _provenance(path: Path, file: h5py.File, config: SignBartConfig) -> dict[str, Any] | None:
    text = file.attrs.get(PROVENANCE)
    if text is None:
        return None
    try:
        provenance = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        provenance = None
    if not isinstance(provenance, dict):
        raise PortError(path, "its provenance cannot be read", "Convert it again")
    if _of_pair(provenance):
        return provenance  # its config is what the pair was given
    recorded = provenance.get("config")  # an older one may lack what is new
    if not isinstance(recorded, dict) or configs.parse(recorded, path, ours=True) != config:
        raise PortError(path, "its config is not the one it was converted with", "Convert it again")
    return provenance


def _of_pair(provenance: Mapping[str, Any]) -> bool:
    """Return whether a file was made with a pair: of a fork of SignBART, by its own class."""
    return isinstance(provenance.get("pair"), dict)


def _with_digests(provenance: Mapping[str, Any] | None) -> bool:
    """Return whether every weight of a file must have its digest: all but those that Keras wrote
    alone."""
    return provenance is not None and not _of_pair(provenance)


def _tensors(
    path: Path, file: h5py.File, room: int, *, digests: bool
) -> dict[str, NDArray[np.float32]]:
    """Return every weight by variable path; all of them together take no more than `room` bytes.

    With `digests`, each must have one.
    """
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, dataset in _datasets(path, file):
        if name in tensors:
            raise PortError(path, f"COLLISION: {printable(name)} is there twice", RESAVE)
        tensors[name] = _tensor(path, name, dataset, room, digests=digests)
        room -= tensors[name].nbytes
    return tensors


def _datasets(path: Path, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every weight as (variable path, dataset)."""
    layers = hdf5.linked(path, file, WEIGHTS) if hdf5.has(file, WEIGHTS) else None
    if not isinstance(layers, h5py.Group):
        raise PortError(path, "holds no model_weights", RESAVE)
    for layer in layers:
        for parts, dataset in hdf5.datasets(path, layers, layer):
            yield "/".join(parts), dataset


def _tensor(
    path: Path, name: str, dataset: h5py.Dataset, room: int, *, digests: bool
) -> NDArray[np.float32]:
    array = hdf5.values(path, name, dataset, room)
    if digests and DIGEST not in dataset.attrs:
        what = f"{printable(name)} was replaced after the conversion: it has no digest"
        raise PortError(path, what, "Convert it again")
    if DIGEST in dataset.attrs and str(dataset.attrs[DIGEST]) != digest.of_tensor(array):
        what = f"{printable(name)} is damaged: its values do not match their digest"
        raise PortError(path, what, "Convert it again")
    return array
