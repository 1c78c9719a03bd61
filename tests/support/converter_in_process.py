"""TensorFlow's converter in this very process, where TensorFlow is imported already: in one of its
own, as the program has it, that alone would take five seconds each time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from signbart_port.model_files.h5_model import KerasModel
from signbart_port.system import messages
from signbart_port.tflite_export import conversion as conversion_jobs
from signbart_port.tflite_export.conversion import Conversion

if TYPE_CHECKING:
    from signbart_port.keras_model import SignBart

Converter = Callable[["SignBart", Conversion], bytes]
"""What makes the bytes of a .tflite of a Keras model."""


class _Done:
    """A worker that is done."""

    def answer(self) -> None:
        """Do nothing: nothing went wrong."""


def convert_by(converter: Converter, patch: pytest.MonkeyPatch) -> None:
    """Let the program convert by this function, with a job as its worker would read it."""

    def running(
        model: KerasModel, conversion: Conversion, out: Path, seconds: float = 0
    ) -> AbstractContextManager[_Done]:
        from signbart_port.model_files.keras_h5 import build

        received = messages.from_plain(Conversion, messages.to_plain(conversion))
        out.write_bytes(converter(build(model), received))
        return nullcontext(_Done())

    patch.setattr(conversion_jobs, "running", running)
