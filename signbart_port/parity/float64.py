"""The float64 run of a Keras model: by a copy in this process, or, of a large model, in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.parity.pair import Arrays, Case, Pair, layouts_of
from signbart_port.parity.proof import Record
from signbart_port.parity.workers import keras_float64
from signbart_port.parity.workers.keras_float64 import INPUT, WEIGHT, Float64Job, Float64Result
from signbart_port.system.warm_workers import lent
from signbart_port.system.worker import Limits, WorkerFailed

if TYPE_CHECKING:
    from signbart_port.parity.keras_pairs import Layers

LARGE = 64 << 20
"""The bytes of a model's weights from which a process of its own, whose start takes seconds, costs
less than the room of a second copy."""
_SECONDS = 1200
Run = Callable[[Record], None]


@dataclass(frozen=True)
class Origin:
    """What another process builds a pair's model from."""

    pair: str
    """The place that the pair is imported from, see `load_pair.place_of`."""
    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    program: str
    """See `warm_workers.lent`."""


class InFloat64:
    """A Keras model in float64, with its weights, or with what is rounded to them, where `exact`
    has that, by path."""

    def __init__(
        self,
        pair: Pair,
        config: Any,
        model: Any,
        layers: Layers,
        exact: Arrays,
        origin: Origin | None,
    ) -> None:
        """Without an `origin`, the model is not to be built anew: it runs here."""
        self._pair, self._config, self._model, self._layers = pair, config, model, layers
        self._exact, self._origin = exact, origin

    @contextmanager
    def running(self, case: Case) -> Iterator[tuple[Run | None, str]]:
        """Yield what runs it on a case and records the outputs, or why it cannot be built."""
        from signbart_port.parity import keras_pairs, keras_run

        if self._origin is not None and _size(self._model) >= LARGE:
            with self._running_apart(self._origin, case) as found:
                yield found
            return
        double, why = self._copy
        if double is None:
            yield None, why
            return
        layouts = layouts_of(self._pair, self._config)
        observed = keras_pairs.observed(double, self._layers.pairs)

        def run(record: Record) -> None:
            keras_run.run(self._pair, double, case.keras, layouts, record, "float64", observed)

        yield run, ""

    @cached_property
    def _copy(self) -> tuple[Any, str]:
        from signbart_port.parity.keras_pairs import doubled

        return doubled(self._model, self._exact, self._pair, self._config)

    @contextmanager
    def _running_apart(self, origin: Origin, case: Case) -> Iterator[tuple[Run | None, str]]:
        pairs = tuple(self._layers.pairs)
        job = Float64Job(origin.pair, dict(origin.config), dict(origin.stored), pairs)
        with lent(keras_float64.__name__, program=origin.program) as worker:
            worker.send(job, Limits(_SECONDS), _Arrays(self._model, self._exact, case))
            try:
                result = worker.answer().read(Float64Result)
            except WorkerFailed as failed:
                what = "Keras cannot run it in float64"
                raise failed.error(type(self._pair).__name__, what) from None

            def replay(record: Record) -> None:
                for number, tap in enumerate(result.taps):
                    record(tap, np.load(worker.folder / f"{number}.npy"))

            yield (None if result.why_not else replay), result.why_not


class _Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of a job, each made when it is asked for."""

    def __init__(self, model: Any, exact: Arrays, case: Case) -> None:
        self._exact = exact
        self._of = {f"{WEIGHT}{number}": v for number, v in enumerate(model.variables)}
        self._of |= {f"{INPUT}{name}": array for name, array in case.keras.items()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        from signbart_port.parity.keras_pairs import exact_value

        found = self._of[name]
        if name.startswith(INPUT):
            return np.asarray(found)
        value = exact_value(found, self._exact)
        return np.asarray(found.numpy() if value is None else value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def _size(model: Any) -> int:
    return sum(int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize for v in model.weights)
