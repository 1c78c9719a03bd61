"""A file that Keras saved, of any kind: model.h5, model.keras or model.weights.h5. No Keras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from signbart_port.checkpoint import Checkpoint
from signbart_port.checkpoint.loaded import Location
from signbart_port.config import SignBartConfig, model_skeleton
from signbart_port.model_files import (
    h5,
    hdf5,
    keras_archive,
    keras_weights,
    mappings,
    stated_config,
)
from signbart_port.model_files.config_resolution import Options, Resolved, check_own, resolve
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.model_files.keras_weights import KerasWeights
from signbart_port.system import digest
from signbart_port.untrusted.file_kind import Kind, sniff


@dataclass(frozen=True)
class WeightsAlone:
    """A model.weights.h5, which holds no config."""

    path: Path
    sha256: str
    weights: KerasWeights

    def resolve(self, options: Options, fallback: Resolved | None = None) -> Resolved:
        """Find the config, as for a checkpoint of the same weights.

        Raises PortError naming what is missing or what contradicts the weights.
        """
        tensors = keras_weights.torch_tensors(self.weights.tensors)
        checkpoint = Checkpoint(
            path=self.path,
            container=Kind.HDF5.value,
            sha256=self.sha256,
            tensors=tensors,
            dtypes={},
            unwrapped=(),
            prefixes=(),
            beside={},
            rounded={},
            notes=(),
            location=Location((self.path,), Kind.HDF5.value, (), {}),
        )
        return resolve(checkpoint, mappings.signbart(), options, fallback)

    def with_config(self, resolved: Resolved) -> KerasModel:
        return KerasModel(
            path=self.path,
            sha256=self.sha256,
            config=resolved.config,
            tensors=self.weights.tensors,
            provenance=None,
            config_notes=(f"config: {resolved.origin}", *resolved.notes),
            cautions=resolved.cautions,
            file_notes=self.weights.notes,
        )


def read(
    path: str | Path, options: Options = Options(), fallback: Resolved | None = None
) -> KerasModel:
    """Read a SignBART that Keras saved, whatever its layout.

    `options` and `fallback` are for weights alone: a model.h5 and a model.keras hold their config.
    Raises PortError for anything else, and for options that contradict the config of a file.
    """
    found = read_any(path)
    options.check_no_weights(found.path)
    if isinstance(found, WeightsAlone):
        return found.with_config(found.resolve(options, fallback))
    check_own(found.path, found.config, options)
    stated = filter(None, [stated_config.caution_of(found.provenance)])
    return replace(found, cautions=(*found.cautions, *stated, *_on_skeleton(found.config)))


def _on_skeleton(config: SignBartConfig) -> Iterator[str]:
    """Yield why a config of version 0.1, which named no skeleton, would have to name one today."""
    if config.skeleton is None:
        try:
            model_skeleton.check_unnamed(config.joint_idx)
        except ValueError as error:
            yield f"taken for {config.whole_skeleton.name}, as version 0.1 did: {error}"


def read_any(path: str | Path) -> KerasModel | WeightsAlone:
    """Read a file that Keras saved; weights alone without looking for their config."""
    path = Path(path)
    if sniff(path) is Kind.KERAS:
        return keras_archive.read(path)
    with hdf5.opened(path) as file:
        if h5.CONFIG in file.attrs or not hdf5.has(file, keras_weights.ROOT):
            return h5.read_opened(path, file)
        weights = keras_weights.read(path, file, path.stat().st_size)
    return WeightsAlone(path, digest.of_file(path), weights)
