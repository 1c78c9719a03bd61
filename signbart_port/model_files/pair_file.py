"""A file that was made for a pair, a Keras file or a .tflite, by its bytes alone.

No framework is imported, and no code of the pair runs. What reads one kind of file is imported for
that kind alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from signbart_port.errors import PortError
from signbart_port.untrusted import strict_json
from signbart_port.untrusted.file_kind import Kind, sniff

NAME = "signbart_port"
"""The attribute of an HDF5 file that holds the provenance."""
MEMBER = f"{NAME}.json"
"""The file in a .keras, and beside the model in a .tflite."""
_LARGEST = 1 << 20  # bytes


def provenance_of(path: Path) -> dict[str, Any] | None:
    """Return the provenance of a file that was made for a pair; None where it has none, or is that
    of a SignBART. Raises PortError for one that is damaged."""
    text = _text(path, sniff(path))
    if text is None:
        return None
    try:
        found = strict_json.load(path, text)
    except PortError as error:
        raise PortError(path, f"its provenance: {error.what}", "Make the file again") from None
    pair = found.get("pair")
    return found if isinstance(pair, dict) and isinstance(pair.get("name"), str) else None


def config_of(path: Path, provenance: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the user had stated of the config, and what the checkpoint held. Raises
    PortError for a provenance without."""
    config = provenance.get("config")
    stated, stored = (
        config.get(name) if isinstance(config, dict) else None for name in ("stated", "stored")
    )
    if not (isinstance(stated, dict) and isinstance(stored, dict)):
        raise PortError(path, "its provenance has no config", "Make the file again")
    return stated, stored


def tensors_of(path: Path) -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, shape and type of the weights of a Keras file, as it names them, or of the
    constants of a .tflite.

    Raises PortError for a file that is damaged.
    """
    kind = sniff(path)
    if kind is Kind.TFLITE:
        from signbart_port.tflite import object_tree
        from signbart_port.tflite.signature_graph import described

        with object_tree.opened(path) as tree:
            name = next(iter(object_tree.signatures(tree)))
            found = described(tree, name).constants
        return [(one.name, one.shape, one.type.lower()) for one in found]
    from signbart_port.model_files import hdf5, keras_archive

    content = None
    if kind is Kind.KERAS:
        content = keras_archive.member(path, keras_archive.WEIGHTS, hdf5.LARGEST_FILE)
    with hdf5.opened(path, content) as file:
        return [
            ("/".join((root, *parts)), tuple(dataset.shape), str(dataset.dtype))
            for root in file
            for parts, dataset in hdf5.datasets(path, file, root)
        ]


def _text(path: Path, kind: Kind | None) -> str | None:
    if kind is Kind.TFLITE:
        from signbart_port.tflite import metadata

        return metadata.attached(path, MEMBER)
    if kind not in (Kind.HDF5, Kind.KERAS):
        return None
    from signbart_port.model_files import hdf5, keras_archive

    if kind is Kind.HDF5:
        with hdf5.opened(path) as file:
            text = file.attrs.get(NAME)
        return text if isinstance(text, str) and len(text) <= _LARGEST else None
    content = keras_archive.member(path, MEMBER, _LARGEST)
    return None if content is None else content.decode("utf-8", "replace")
