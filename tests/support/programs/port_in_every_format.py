"""Make the formats of FOLDER/model.pth (see the fixture `ported`)."""

import sys
from pathlib import Path

import keras
import pytest

import signbart_port
from signbart_port.tflite_export.workers.converter import converted
from tests.support.converter_in_process import convert_by

folder = Path(sys.argv[1])
convert_by(converted, pytest.MonkeyPatch())
signbart_port.convert(folder / "model.pth", folder / "model.h5", verify=False)
signbart_port.to_tflite(folder / "model.h5", folder / "model.tflite")

model = signbart_port.load(folder / "model.h5")
for name in ("plain.h5", "model.keras"):
    model.save(folder / name)
model.save_weights(folder / "model.weights.h5")
canary = str(folder / "canary")
touching = keras.layers.Lambda(lambda x: (open(canary, "w"), x)[1], output_shape=(3,))  # noqa: SIM115
keras.Sequential([keras.Input((3,)), touching]).save(folder / "lambda.h5")
(folder / "canary").unlink(missing_ok=True)
