"""HDF5 from strangers: hard links to a bounded depth, plain float32 values, and nothing that is
run, followed or allocated on the file's word. No Keras."""

from __future__ import annotations

import faulthandler
import io
import os
import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import PortError, printable
from signbart_port.untrusted import model_kind

DIGEST = "sha256"
RESAVE = "Save the model again with model.save('model.h5')"
LARGEST_FILE = 4 << 30  # bytes, as for checkpoints
_DEEPEST = 16
_SECONDS = 2  # of processor time for all that is not a weight's values
_MOST_ITEMS = 20_000  # groups and weights
Parts = tuple[str, ...]


@contextmanager
def opened(path: Path, content: bytes | None = None, *, ours: bool = False) -> Iterator[h5py.File]:
    """Open the HDF5 file at `path`, or the one inside it that has this content.

    One that this process has just written is `ours`. The one boundary to h5py: whatever goes wrong
    inside leaves as a PortError.
    """
    model_kind.check_kind(path, model_kind.ModelKind.KERAS)
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise PortError(path, f"has {size:,} bytes, more than any SignBART")
    if not ours:
        check_survived(path, content)
    try:
        with h5py.File(path if content is None else io.BytesIO(content), "r") as file:
            yield file
    except PortError:
        raise
    except Exception as error:  # whatever damaged bytes provoke in h5py
        raise PortError(
            path, f"cannot be read as HDF5: {printable(error)}", "Copy or convert it again"
        ) from None


def check_survived(path: Path, content: bytes | None = None) -> None:
    """Raise PortError for a file that ends the HDF5 library by a signal, as damaged bytes can.

    A fork of this process reads all but the values of weights first. Where there is no fork that
    can be relied on, as on macOS, nothing is tried.
    """
    if sys.platform != "linux":
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads: the fork uses none of them
        child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS + 1))
            faulthandler.disable()
            with h5py.File(path if content is None else io.BytesIO(content), "r") as file:
                _visit(file)
        finally:
            os._exit(0)  # an exception comes again, where it is told
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        what = f"is damaged: the HDF5 library cannot read it, and is ended by {name}"
        raise PortError(path, what, "Copy or convert it again")


def _visit(file: h5py.File) -> None:
    """Read every attribute and every description of a weight."""
    stack: list[h5py.Group | h5py.Dataset] = [file]
    seen = set[int]()
    while stack and len(seen) < _MOST_ITEMS:
        item = stack.pop()
        if (place := h5py.h5o.get_info(item.id).addr) in seen:
            continue  # it is linked from elsewhere too
        seen.add(place)
        with suppress(Exception):
            for name in item.attrs:
                with suppress(Exception):
                    item.attrs[name]
        if isinstance(item, h5py.Dataset):
            with suppress(Exception):
                _ = item.dtype, item.shape, item.is_virtual, item.external
                _ = item.id.get_storage_size(), item.id.get_create_plist().get_nfilters()
            continue
        with suppress(Exception):
            for name in item:
                with suppress(Exception):
                    if isinstance(item.get(name, getlink=True), h5py.HardLink):
                        stack.append(item[name])


def datasets(path: Path, group: h5py.Group, name: str) -> Iterator[tuple[Parts, h5py.Dataset]]:
    """Yield every dataset under `name` in a group, with the names that lead to it from there."""
    stack: list[tuple[Parts, h5py.Group | h5py.Dataset]] = [((), linked(path, group, name))]
    visited = 0
    while stack:
        parts, item = stack.pop()
        visited += 1
        if isinstance(item, h5py.Dataset):
            yield parts, item
            continue
        if len(parts) > _DEEPEST or visited + len(stack) + len(item) > _MOST_ITEMS:
            raise PortError(path, f"{printable(name)} holds too many or too deep groups")
        stack += reversed([((*parts, child), linked(path, item, child)) for child in item])


def has(group: h5py.Group, name: str) -> bool:
    """Return whether a group has a member of this name, without following a link."""
    return group.get(name, getlink=True) is not None


def linked(path: Path, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return a member of a group; raises PortError for a link to somewhere else."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise PortError(path, f"{printable(name)} is a link to somewhere else", RESAVE)
    if not name.isprintable():
        raise PortError(path, f'has a weight with the unusable name "{printable(name)}"')
    return group[name]


def values(path: Path, name: str, dataset: h5py.Dataset, room: int) -> NDArray[np.float32]:
    """Return the values of a weight, which take no more than `room` bytes."""
    if dataset.is_virtual or dataset.external:
        raise PortError(path, f"{printable(name)} keeps its values in other files", RESAVE)
    if dataset.dtype != np.float32:
        raise PortError(path, f"{printable(name)} holds {dataset.dtype}, expected float32", RESAVE)
    if dataset.shape is None or dataset.id.get_create_plist().get_nfilters():
        raise PortError(path, f"{printable(name)} is empty or compressed", RESAVE)
    # A never written or an overlapping weight: either way a small file can ask for much.
    if (declared := dataset.size * 4) > min(room, dataset.id.get_storage_size()):
        what = f"{printable(name)} declares {declared:,} bytes, more than the file has for it"
        raise PortError(path, what, RESAVE)
    array: NDArray[np.float32] = dataset[()]
    return array
