from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import distinct_state_dict, run_python, save_pth, small_config

import signbart_port

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data, ../shared/data, is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> dict[str, np.ndarray]:
    """Inputs and outputs of the real checkpoint, computed with the published code."""
    with np.load(shared_data / "user08.expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def real_h5(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real checkpoint, converted and proven."""
    out = tmp_path_factory.mktemp("real") / "user08.h5"
    return signbart_port.convert(shared_data / "user08.pth", out).out


@pytest.fixture(scope="session")
def ported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small model, every element of it distinct, in every format: model.pth;
    model.h5 and model.tflite, made of it by this program; plain.h5, model.weights.h5 and
    model.keras, as Keras saves it; lambda.h5, which would write a file `canary` if it were run."""
    folder = tmp_path_factory.mktemp("ported")
    config = small_config()
    save_pth(folder / "model.pth", distinct_state_dict(config), config=config.model_dump())
    run_python(
        """
import sys
from pathlib import Path
import signbart_port

folder = Path(sys.argv[1])
signbart_port.convert(folder / "model.pth", folder / "model.h5", verify=False)
signbart_port.to_tflite(folder / "model.h5", folder / "model.tflite")

import keras

model = signbart_port.load(folder / "model.h5")
for name in ("plain.h5", "model.keras"):
    model.save(folder / name)
model.save_weights(folder / "model.weights.h5")
canary = str(folder / "canary")
touching = keras.layers.Lambda(lambda x: (open(canary, "w"), x)[1], output_shape=(3,))
keras.Sequential([keras.Input((3,)), touching]).save(folder / "lambda.h5")
(folder / "canary").unlink(missing_ok=True)
""",
        folder,
    )
    return folder
