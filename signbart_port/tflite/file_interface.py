"""What a .tflite takes and gives, by its signature and its card."""

from __future__ import annotations

from signbart_port.data.model_interface import Interface
from signbart_port.tflite import metadata
from signbart_port.tflite.model_file import TFLiteFile


def interface_of(file: TFLiteFile) -> Interface:
    """What a file takes and gives, by its signature, and by its card where it has one."""
    card = metadata.read(file.path)
    return Interface(
        file.joints,
        preprocessing=card.preprocessing if card else False,
        count_missing=card.count_missing if card else True,
        probabilities=file.output == "probabilities",
    )
