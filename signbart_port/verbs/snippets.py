"""A complete, short program that runs one .tflite in an app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from signbart_port.programs import program, runtimes
from signbart_port.system import atomic_output
from signbart_port.tflite import description


@dataclass(frozen=True)
class Snippet:
    """The result of `snippets`."""

    model: Path
    runtime: str
    """The runtime that the program is for."""
    source: str
    """The program."""
    out: Path | None
    """The file that it was written to."""

    def __repr__(self) -> str:
        lines = self.source.count("\n")
        return f"<Snippet {self.model}: {lines} lines for {self.runtime}>"


def snippets(
    model: str | Path,
    language: str,
    *,
    runtime: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
) -> Snippet:
    """Write the program that classifies clips with one .tflite.

    It is made for this file alone: its names, shapes, lengths, labels, its preprocessing and, where
    they are integers, how its inputs and output are quantized. It needs nothing of this program.

    Args:
        model: The .tflite.
        language: "python", "javascript", "kotlin", "swift", "dart" or "cpp".
        runtime: Of JavaScript: "browser" (the default), "node" or "react-native".
        out: A file to write.
        force: Whether to replace an existing file.

    Returns:
        The source of the program.

    Raises:
        PortError: The file is not a SignBART's, or the runtime cannot run it.
    """
    chosen = runtimes.parse(language, runtime)
    if out is not None:
        atomic_output.check(out, force=force, inputs=(model,))
    source = program.write(Path(model), description.describe(model), chosen)
    if out is not None:
        with atomic_output.replacing(out, force=force, inputs=(model,)) as temp:
            temp.write_text(source, encoding="utf-8")
    return Snippet(Path(model), chosen.title, source, None if out is None else Path(out))
