"""What quantization-aware training gains: the int8 files of models trained with it and without.

    python tools/study_qat.py model.h5 signs/ [--uneven F ...] [--seeds N] [--epochs N] [--rate R]

`signs/` is a dataset folder, with a split to train and to calibrate on, and one to judge on. The
model is made harder for int8 by each factor F (1: as it is): a few units of each attention's values
and queries become so much larger, and what reads them so much smaller, which changes nothing in
float. From there it is trained on, plainly and quantization-aware, with the same batches and
dropouts. Every model becomes an int8 file, all in integers. Prints a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.data import clips
from signbart_port.data.clips import RealClips
from signbart_port.data.dataset import open_dataset
from signbart_port.data.model_inputs import Inputs
from signbart_port.data.model_interface import longest_clip, of_model
from signbart_port.model_files import h5
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.system import processes
from signbart_port.system.stderr import silenced_stderr
from signbart_port.tflite import model_file
from signbart_port.tflite.modes import Quantization
from signbart_port.tflite_export import gate, quantization
from signbart_port.tflite_export.conversion import Conversion
from signbart_port.tflite_export.quantization import Integers
from signbart_port.tflite_export.workers import converter

Weights = NDArray[np.float32]
BATCH = 32
UNITS = 8  # that become larger


@dataclass(frozen=True)
class Result:
    """The result of one model: clips that the float model and its int8 file get right, the share on
    which they agree, and the mean absolute error of the file's logits."""

    float_right: int
    int8_right: int
    agreement: float
    error: float


class Study:
    """The clips, and what is made and measured of a model on them."""

    def __init__(self, file: KerasModel, root: Path, folder: Path) -> None:
        self.config, self.folder = file.config, folder
        self.interface, self.frames = of_model(file.config), longest_clip(file.config)
        dataset = open_dataset(root)
        self.train = clips.of_split(dataset, self.config, test=False, skip_bad=False)
        self.test = clips.of_split(dataset, self.config, test=True, skip_bad=False)
        calibration = clips.for_calibration(root, self.config, count=128, seed=0, skip_bad=False)
        self.calibration = self.inputs(calibration)

    def inputs(self, real: RealClips) -> Inputs:
        return real.inputs(self.interface, self.config, self.frames, self.frames)

    def fit(self, model: Any, epochs: int, rate: float) -> None:
        import keras

        inputs = self.inputs(self.train)
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        x = {"keypoints": inputs.keypoints, "attention_mask": inputs.attention_mask}
        model.fit(x, self.train.targets, batch_size=BATCH, epochs=epochs, verbose=0)

    def result(self, model: Any) -> Result:
        int8, truth = self._int8(model), gate.keras_logits(model, self.inputs(self.test))
        return Result(
            float_right=int((truth.argmax(1) == self.test.targets).sum()),
            int8_right=int((int8.argmax(1) == self.test.targets).sum()),
            agreement=float((truth.argmax(1) == int8.argmax(1)).mean()),
            error=float(np.abs(int8 - truth).mean()),
        )

    def _int8(self, model: Any) -> NDArray[np.floating]:
        """Return the outputs of a model's int8 file for the clips of the test."""
        (self.folder / "ranges.json").unlink(missing_ok=True)  # those of another model
        conversion = Conversion((self.frames,), Quantization.INT8, self.interface)
        (self.folder / "float.tflite").write_bytes(converter.converted(model, conversion))
        out = self.folder / "int8.tflite"
        with quantization.running(
            self.folder, Integers(Quantization.INT8), out, self.calibration
        ) as work:
            work.answer()
        return gate.file_outputs(model_file.read_all(out), self.test, self.interface, self.config)


def uneven(tensors: Mapping[str, Weights], factor: float) -> dict[str, Weights]:
    """Return the weights of the same function, whose attentions have a few units that are much
    larger."""
    rng = np.random.default_rng(0)
    changed = {path: tensor.copy() for path, tensor in tensors.items()}
    for path in [path for path in tensors if path.endswith("/v_proj/kernel")]:
        attention = path.removesuffix("/v_proj/kernel")
        units = rng.choice(tensors[path].shape[1], UNITS, replace=False)
        for dense, by in (("v_proj", factor), ("q_proj", factor), ("k_proj", 1 / factor)):
            changed[f"{attention}/{dense}/kernel"][:, units] *= by
            changed[f"{attention}/{dense}/bias"][units] *= by
        changed[f"{attention}/out_proj/kernel"][units] /= factor
    return changed


def results(
    study: Study, file: KerasModel, factor: float, options: argparse.Namespace
) -> Iterator[tuple[str, Result]]:
    """Yield the start, then for each seed the result of either training."""
    import keras

    from signbart_port.keras_model import SignBart
    from signbart_port.keras_model.weights import assign
    from signbart_port.training.quantization_aware import quantization_aware

    def start(seed: int = 0) -> SignBart:
        keras.utils.set_random_seed(seed)  # of dropouts and batches
        model = SignBart(file.config)
        assign(model, uneven(file.tensors, factor).items())
        return model

    yield "start", study.result(start())
    for seed in range(options.seeds):
        plain = start(seed)
        study.fit(plain, options.epochs, options.rate)
        yield f"trained on, seed {seed}", study.result(plain)
        aware = start(seed)
        study.fit(quantization_aware(aware), options.epochs, options.rate)
        yield f"quantization-aware, seed {seed}", study.result(aware)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("signs", type=Path)
    parser.add_argument("--uneven", type=float, nargs="+", default=[1, 64, 128])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rate", type=float, default=3e-4)
    options = parser.parse_args()
    print("| uneven | model | float right | int8 right | agree | error of a logit |")
    print("|---|---|---|---|---|---|")
    with silenced_stderr(), processes.new_folder() as folder:
        file = h5.read(options.model)
        study = Study(file, options.signs, Path(folder))
        for factor in options.uneven:
            for name, of in results(study, file, factor, options):
                right = f"{of.float_right} | {of.int8_right}"
                row = f"| {factor:g} | {name} | {right} | {of.agreement:.1%} | {of.error:.3f} |"
                print(row, flush=True)
        print(f"\n{len(study.test.entries)} clips")


if __name__ == "__main__":
    main()
