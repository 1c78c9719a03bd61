"""A pair's declarations as a converter that another library could take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from signbart_port import transfer
from signbart_port.errors import PortError, printable
from signbart_port.parity.config_codegen import config_function
from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.pair import Pair, mapping_path
from signbart_port.system import atomic_output
from signbart_port.transfer import codegen
from signbart_port.verbs._pair_process import call_with_pair

STYLES = {"keras-hub": codegen.converter}
"""What writes a converter in the style of each library."""


@dataclass(frozen=True)
class ExportedConverter:
    """The result of `export_converter`."""

    pair: str
    style: str
    source: str
    """The Python module."""
    out: Path | None
    """The file that it was written to."""

    def __repr__(self) -> str:
        lines = self.source.count("\n")
        return f"<ExportedConverter {self.pair}: {lines} lines for {self.style}>"


@dataclass(frozen=True)
class _Declared:
    """What a pair declares for a converter."""

    pair: str
    """The pair's file and class, or its name."""
    mapping: Path
    config: str
    """The source of the function for configs."""


def export_converter(
    pair: str | Pair,
    *,
    style: str = "keras-hub",
    out: str | Path | None = None,
    force: bool = False,
) -> ExportedConverter:
    """Write the Python that fills a model from a checkpoint, from what a pair declares.

    In the style of keras-hub, as in its `utils/transformers/convert_*.py`: a function
    `convert_weights(backbone, loader, transformers_config)` of the mapping, and of a pair that maps
    keys to arguments `convert_backbone_config(transformers_config)`, which raises ValueError for
    what the pair's keys refuse. It needs nothing of this program.

    Args:
        pair: `FILE.py`, `FILE.py:NAME`, or the name of an installed pair. Its file is run.
        style: The library whose converters it is like: `keras-hub`.
        out: A file to write, which ends in .py.
        force: Whether to replace an existing file.

    Returns:
        The source of the converter.

    Raises:
        PortError: The pair holds what cannot be written so, or the file cannot be written.
    """
    if style not in STYLES:
        known = ", ".join(STYLES)
        raise PortError(None, f"unknown style {printable(style, 40)!r}", f"There is: {known}")
    declared = call_with_pair(_declared, pair)
    if out is not None:
        atomic_output.check_suffix(out, (".py",), "a converter")
        atomic_output.check(out, force=force, inputs=(declared.mapping,))
    source = STYLES[style](transfer.load(declared.mapping), declared.config)
    if out is not None:
        with atomic_output.replacing(out, force=force, inputs=(declared.mapping,)) as temp:
            temp.write_text(source, encoding="utf-8")
    return ExportedConverter(declared.pair, style, source, None if out is None else Path(out))


def _declared(pair: str | Pair) -> _Declared:
    loaded = load_pair(pair)
    path = mapping_path(loaded.pair)
    return _Declared(loaded.name, path, config_function(loaded.pair))
