"""The one place that writes and opens model.h5 files.

Keras' own HDF5 layout: the model's config in the root attribute `model_config`, weights under
`model_weights/<layer>/<variable path>`. Ours besides: the root attribute `signbart_port`
(provenance, JSON) and a `sha256` attribute on every weight. Files are read with h5py alone: no
Keras, and nothing in them is run, followed or allocated on their word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError, printable
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.system import digest
from signbart_port.untrusted import model_kind

PROVENANCE = "signbart_port"
DIGEST = "sha256"
WEIGHTS = "model_weights"
_Named = tuple[tuple[str, ...], h5py.Group | h5py.Dataset]
_DEEPEST = 16
_MOST_ITEMS = 20_000  # groups and weights
_LARGEST_FILE = 4 << 30  # bytes, as for checkpoints
_RESAVE = "Save the model again with model.save('model.h5')"


def read(path: str | Path) -> KerasModel:
    """Read a SignBART model.h5.

    Raises PortError for anything else: another model, damaged or unusual weights, a weight that
    does not match its stored digest.
    """
    path = Path(path)
    with _opened(path) as file:
        return KerasModel(
            path=path,
            sha256=digest.of_file(path),
            config=(config := _config(path, file)),
            tensors=_tensors(path, file, path.stat().st_size),
            provenance=_provenance(path, file, config),
        )


def check(path: str | Path) -> set[str]:
    """Read every weight as `read` does, and keep none. Returns their variable paths."""
    path = Path(path)
    names = set()
    with _opened(path) as file:
        _provenance(path, file, _config(path, file))
        for name, dataset in _datasets(path, file):
            _tensor(path, name, dataset, path.stat().st_size)
            names.add(name)
    return names


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a file with h5py; every error inside becomes a PortError."""
    model_kind.check_kind(path, model_kind.ModelKind.KERAS)
    if (size := path.stat().st_size) > _LARGEST_FILE:
        raise PortError(path, f"has {size:,} bytes, more than any SignBART")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except PortError:
        raise
    except Exception as error:  # whatever damaged bytes provoke in h5py
        raise PortError(
            path, f"cannot be read as HDF5: {printable(error)}", "Copy or convert it again"
        ) from None


def annotate(path: str | Path, provenance: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Add provenance, and the digest that every weight must have, to a file that Keras just saved.

    From here on `read` refuses the file if a single bit of a weight is not as it was meant.
    """
    path = Path(path)
    with h5py.File(path, "r+") as file:
        for name, dataset in _datasets(path, file):
            dataset.attrs[DIGEST] = digests[name]
        file.attrs[PROVENANCE] = json.dumps(provenance)


def _config(path: Path, file: h5py.File) -> SignBartConfig:
    text = file.attrs.get("model_config")
    if not isinstance(text, str):
        raise PortError(path, "holds no model config: weights alone, or not a Keras model", _RESAVE)
    try:
        model = json.loads(text)
        known = model["class_name"] in ("SignBart", "signbart_port>SignBart")
        data = model["config"]["config"] if known else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PortError(path, "its model config cannot be read", _RESAVE) from None
    if not known:
        raise PortError(
            path, f"holds a Keras {printable(model['class_name'])} model, not a SignBart"
        )
    if not isinstance(data, dict):
        raise PortError(path, "its model config cannot be read", _RESAVE)
    return configs.parse(data, path)


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
    recorded = provenance.get("config")  # an older one may lack what is new
    if not isinstance(recorded, dict) or configs.parse(recorded, path) != config:
        raise PortError(path, "its config is not the one it was converted with", "Convert it again")
    return provenance


def _tensors(path: Path, file: h5py.File, room: int) -> dict[str, NDArray[np.float32]]:
    """Return every weight by variable path; all of them together take no more than `room` bytes."""
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, dataset in _datasets(path, file):
        if name in tensors:
            raise PortError(path, f"COLLISION: {printable(name)} is there twice", _RESAVE)
        tensors[name] = _tensor(path, name, dataset, room)
        room -= tensors[name].nbytes
    return tensors


def _datasets(path: Path, file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every weight as (variable path, dataset), by hard links only, to a bounded depth."""
    absent = file.get(WEIGHTS, getlink=True) is None
    if absent or not isinstance(layers := _linked(path, file, WEIGHTS), h5py.Group):
        raise PortError(path, "holds no model_weights", _RESAVE)
    visited = 0
    for layer in layers:
        stack: list[_Named] = [((), _linked(path, layers, layer))]
        while stack:
            parts, item = stack.pop()
            visited += 1
            if isinstance(item, h5py.Dataset):
                yield "/".join(parts), item
                continue
            if len(parts) > _DEEPEST or visited + len(stack) + len(item) > _MOST_ITEMS:
                raise PortError(path, f"{printable(layer)} holds too many or too deep groups")
            stack += reversed([((*parts, child), _linked(path, item, child)) for child in item])


def _linked(path: Path, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise PortError(path, f"{printable(name)} is a link to somewhere else", _RESAVE)
    if not name.isprintable():
        raise PortError(path, f'has a weight with the unusable name "{printable(name)}"')
    return group[name]


def _tensor(path: Path, name: str, dataset: h5py.Dataset, room: int) -> NDArray[np.float32]:
    if dataset.is_virtual or dataset.external:
        raise PortError(path, f"{printable(name)} keeps its values in other files", _RESAVE)
    if dataset.dtype != np.float32:
        raise PortError(path, f"{printable(name)} holds {dataset.dtype}, expected float32", _RESAVE)
    if dataset.shape is None or dataset.id.get_create_plist().get_nfilters():
        raise PortError(path, f"{printable(name)} is empty or compressed", _RESAVE)
    # A never written or an overlapping weight: either way a small file can ask for much.
    if (declared := dataset.size * 4) > min(room, dataset.id.get_storage_size()):
        what = f"{printable(name)} declares {declared:,} bytes, more than the file has for it"
        raise PortError(path, what, _RESAVE)
    array: NDArray[np.float32] = dataset[()]
    if DIGEST in dataset.attrs and str(dataset.attrs[DIGEST]) != digest.of_tensor(array):
        what = f"{printable(name)} is damaged: its values do not match their digest"
        raise PortError(path, what, "Convert it again")
    return array
