"""The proof on two models that are in memory, in this process."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.parity.blame import Finder
from signbart_port.parity.counting import Counting
from signbart_port.parity.pair import Case, Pair
from signbart_port.parity.proof import Record, judge
from signbart_port.parity.reference import RecordedRun
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.system import processes


def prove(
    pair: Pair,
    torch_model: Any,
    keras_model: Any,
    case: Case,
    *,
    config: Any,
    names: tuple[str, str],
    built_by_pair: bool,
    weights: WeightComparison | None = None,
    finder: Finder | None = None,
) -> Report:
    """Run both models of a pair on a case, and compare every module's output.

    Neither is changed: PyTorch runs a copy of its module, in evaluation mode, in float32 on the
    CPU, and another in float64; Keras runs its model at inference, and one that the pair builds in
    float64 if the model is `built_by_pair` too. Raises PortError where one cannot be run.
    """
    from signbart_port.parity import keras_run

    layouts = pair.taps(config)
    counting = Counting.of(pair, config, case)
    with recorded(pair, torch_model, case, counting, names[0]) as reference:

        def candidate(record: Record) -> None:
            with refusing(names[1], "Keras"):
                keras_run.run(pair, keras_model, case.keras, layouts, record)

        def in_float64(record: Record) -> None:
            keras_run.run_in_float64(pair, config, keras_model, case.keras, record)

        return judge(
            pair,
            case,
            names,
            reference,
            reference.record.taps,
            candidate,
            config=config,
            isolation=keras_run.isolation(keras_model, layouts, reference),
            in_float64=in_float64 if built_by_pair else None,
            weights=weights,
            finder=finder,
        )


@contextmanager
def recorded(
    pair: Pair,
    torch_model: Any,
    case: Case,
    counting: Counting,
    name: str,
    only: Set[str] | None = None,
) -> Iterator[RecordedRun]:
    """Yield a run of a copy of a PyTorch module on a case, in this process: of every module, or
    `only` of those at these paths. Raises PortError, naming it, where it cannot be run."""
    from signbart_port.parity.torch_recording import Truth

    with processes.scratch_errors(), processes.new_folder() as folder:
        truth = Truth(Path(folder), pair, counting, only)
        with refusing(name, "PyTorch"):
            truth.run(copy.deepcopy(torch_model).cpu().float().eval(), case.torch)
        yield RecordedRun(Path(folder), truth.result)


@contextmanager
def refusing(name: str, framework: str) -> Iterator[None]:
    """Name the model whose own code raises an error: a PortError."""
    try:
        yield
    except Exception as error:
        why = f"{type(error).__name__}: {printable(error)}"
        raise PortError(name, f"{framework} cannot run it ({why})") from error
