"""A large Keras model in float64, in a process of its own: two copies take the room of three."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from signbart_port.parity.load_pair import import_pair
from signbart_port.parity.module_pairs import ModulePair
from signbart_port.parity.pair import Arrays, Pair, layouts_of
from signbart_port.system import messages, serving

WEIGHT, INPUT = "weight.", "input."
"""The arrays beside the job: the variables of the model by number, the inputs of the case."""
_CHUNK = 8 << 20
"""The bytes of a variable that are cast at a time."""


@dataclass(frozen=True)
class Float64Job:
    """The job: to run a pair's Keras model on a case, with these weights."""

    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    pairs: tuple[ModulePair, ...]
    """The modules whose outputs are recorded."""


@dataclass(frozen=True)
class Float64Result:
    """The outputs, in the worker's folder: that of tap `n` in `n.npy`."""

    taps: tuple[str, ...]
    why_not: str = ""
    """Why there are none: the model cannot be built in float64."""


def _run(job: Float64Job, arrays: Arrays) -> tuple[Float64Result, Arrays]:
    from signbart_port.parity import keras_pairs, keras_run

    pair = import_pair(job.pair)
    config = pair.read_config(job.config, job.stored)
    model, why_not = keras_pairs.built_in_float64(
        pair, config, lambda: _of_own_config(pair, config), lambda model: _fill(model, arrays)
    )
    if model is None:
        return Float64Result((), why_not), {}
    folder, taps = Path(tempfile.gettempdir()), list[str]()

    def record(tap: str, output: NDArray[Any]) -> None:
        messages.keep(folder / f"{len(taps)}.npy", output)
        taps.append(tap)

    inputs = {n.removeprefix(INPUT): arrays[n] for n in arrays if n.startswith(INPUT)}
    observed = keras_pairs.observed(model, job.pairs)
    keras_run.run(pair, model, inputs, layouts_of(pair, config), record, "float64", observed)
    return Float64Result(tuple(taps)), {}


def _of_own_config(pair: Pair, config: Any) -> Any:
    """Build the model from its own config, once the one in float32 that tells it is gone."""
    from signbart_port.parity import keras_pairs, keras_run

    single = keras_run.in_precision("float32", lambda: pair.keras_model(config))
    build = keras_pairs.builder_in_float64(single)
    del single
    gc.collect()  # layers and models refer to each other
    return build()


def _fill(model: Any, arrays: Arrays) -> None:
    from signbart_port.parity import keras_run

    for number, variable in enumerate(model.variables):
        value = arrays[f"{WEIGHT}{number}"]
        keras_run.check_in_float64(variable, value)
        _assign(variable, value)


def _assign(variable: Any, value: NDArray[Any]) -> None:
    """Assign an array, a large one in parts: cast as a whole, it would be there three times."""
    if value.nbytes <= _CHUNK:
        variable.assign(value)
        return
    import tensorflow as tf

    handle, dtype = variable.value.handle, variable.dtype
    rows = max(1, _CHUNK // value[:1].nbytes)
    for first in range(0, len(value), rows):
        part = value[first : first + rows].astype(dtype)
        place = {"begin": [first], "end": [first + len(part)], "strides": [1]}
        tf.raw_ops.ResourceStridedSliceAssign(ref=handle, **place, value=part)


if __name__ == "__main__":
    serving.serve(Float64Job, _run, framework="keras", memory=None)
