"""TensorFlow's converter in this very process, where TensorFlow is imported already: in one of its
own, as the program has it, that alone would take five seconds each time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from signbart_port.model_files import h5
from signbart_port.tflite_export.workers import converter as worker
from signbart_port.tflite_export.workers.converter import Conversion

if TYPE_CHECKING:
    from signbart_port.keras_model import SignBart

Converter = Callable[["SignBart", Conversion], bytes]
"""What makes the bytes of a .tflite of a Keras model."""


class _Done:
    """Work that is done, in place of `child.Work`."""

    def wait(self, seconds: float) -> None:
        """Nothing went wrong."""


def convert_by(converter: Converter, patch: pytest.MonkeyPatch) -> None:
    """Let the program convert by this function, told what its process is told: a file and JSON."""

    def start(model: Path, conversion: Conversion, out: Path) -> AbstractContextManager[_Done]:
        from signbart_port.model_files.keras_h5 import build

        asked = Conversion.of_json(conversion.as_json())
        out.write_bytes(converter(build(h5.read(model)), asked))
        return nullcontext(_Done())

    patch.setattr(worker, "start", start)
