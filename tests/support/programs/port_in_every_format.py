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
# As a training leaves them, with the state of its optimizer.
model.compile(optimizer="adam", loss="mse")
model.optimizer.build(model.trainable_variables)
for name, weights_alone in (("epoch.weights.h5", True), ("epoch.keras", False)):
    callback = keras.callbacks.ModelCheckpoint(folder / name, save_weights_only=weights_alone)
    callback.set_model(model)
    callback.on_epoch_end(0, {})
decoder = model.get_layer("decoder")
decoder.layers[:2] = decoder.layers[1::-1]
model.save_weights(folder / "turned.weights.h5")
decoder.layers[:2] = decoder.layers[1::-1]
keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]).save(folder / "other.keras")
keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]).save_weights(
    folder / "other.weights.h5"
)
canary = str(folder / "canary")
touching = keras.layers.Lambda(lambda x: (open(canary, "w"), x)[1], output_shape=(3,))  # noqa: SIM115
keras.Sequential([keras.Input((3,)), touching]).save(folder / "lambda.h5")
keras.Sequential([keras.Input((3,)), touching]).save(folder / "lambda.keras")
(folder / "canary").unlink(missing_ok=True)
