"""The proof on two models that are in memory, in this process."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, first_of, printable
from signbart_port.parity.blame import Finder
from signbart_port.parity.compare import Row
from signbart_port.parity.counting import Counting
from signbart_port.parity.pair import Arrays, Case, Pair, Tap
from signbart_port.parity.proof import Call, Isolation, Record, judge
from signbart_port.parity.reference import RecordedRun
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import STRUCTURE, WithConstants
from signbart_port.system import processes
from signbart_port.transfer import Plan


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
    from signbart_port.parity.torch_recording import Truth

    layouts = pair.taps(config)
    with processes.scratch_errors(), processes.new_folder() as folder:
        truth = Truth(Path(folder), pair, Counting.of(pair, config, case))
        try:
            truth.run(copy.deepcopy(torch_model).cpu().float().eval(), case.torch)
        except Exception as error:
            raise _refused(names[0], "PyTorch", error) from error
        reference = RecordedRun(Path(folder), truth.result)

        def candidate(record: Record) -> None:
            try:
                keras_run.run(pair, keras_model, case.keras, layouts, record)
            except Exception as error:
                raise _refused(names[1], "Keras", error) from error

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


def prove_by_rules(
    pair: Pair,
    torch_model: Any,
    keras_model: Any,
    case: Case,
    *,
    plan: Plan,
    names: tuple[str, str],
    weights: WeightComparison,
    exact: Arrays,
) -> Report:
    """Run two models of any kind on a case, and compare the modules that the rules of `plan` show
    to be pairs.

    Neither is changed. A module whose output has another shape on the other side is left out, and
    counted in a note; the output of the whole model never is. `exact` are the weights that are no
    float32 before they are rounded, for Keras' run in float64, by path. Raises PortError where one
    cannot be run.
    """
    from signbart_port.parity import keras_run
    from signbart_port.parity.keras_pairs import Layers, in_float64
    from signbart_port.parity.torch_recording import Truth

    torch_model = copy.deepcopy(torch_model).cpu().float().eval()
    modules = tensors_within(torch_model)
    layers = Layers(keras_model, plan, modules)
    layouts = dict(pair.taps(None))
    layouts.setdefault("*", Tap(part=0))
    paired = {one.torch for one in layers.pairs}
    notes, cautions = [], []
    with processes.scratch_errors(), processes.new_folder() as folder:
        truth = Truth(Path(folder), pair, Counting(layouts, case.counted), paired)
        try:
            truth.run(torch_model, case.torch)
        except Exception as error:
            raise _refused(names[0], "PyTorch", error) from error
        reference = RecordedRun(Path(folder), truth.result)
        shapes = {tap: output.shape for tap, output in reference.outputs()}
        calls = [call for call in reference.calls if layers.takes(call)]

        def candidate(record: Record) -> None:
            try:
                fitted = layers.fitted(record, shapes)
                keras_run.run(
                    pair, keras_model, case.keras, layouts, fitted, observed=layers.observed
                )
            except Exception as error:
                raise _refused(names[1], "Keras", error) from error

        def alone(calls: Iterable[Call], record: Record) -> None:
            layers.feed(calls, layouts, layers.fitted(record, shapes))

        try:
            double = in_float64(keras_model, exact)
        except Exception as error:
            double = None
            cautions.append(
                f"not compared in float64: Keras cannot build {names[1]} from its own config in"
                f" that precision ({type(error).__name__}: {printable(error)})"
            )

        def doubled(record: Record) -> None:
            of_double = Layers(double, plan, modules)
            fitted = of_double.fitted(record, shapes)
            observed = of_double.observed
            keras_run.run(pair, double, case.keras, layouts, fitted, "float64", observed)

        report = judge(
            pair,
            case,
            names,
            reference,
            reference.record.taps,
            candidate,
            layouts=layouts,
            isolation=Isolation(reference.alone, calls, alone),
            in_float64=None if double is None else doubled,
            weights=weights,
            optional={tap for tap in shapes if tap != LOGITS},
            structure_tolerance=WithConstants(),
        )
    left = [tap for tap in shapes if tap not in {row.tap for row in report.rows}]
    if left:
        notes.append(f"{len(left)} outputs have no equal in Keras' run: {first_of(left, 4)}")
    if floor := next((row for row in report.structure if row.passed and _beyond(row)), None):
        cautions.append(
            f"in float64 {floor.tap} is off by {floor.error / floor.scale:.1e} of its largest"
            " value, as where code keeps constants in float32"
        )
    return replace(report, notes=(*notes, *cautions), cautions=tuple(cautions))


def tensors_within(torch_model: Any) -> Mapping[str, frozenset[str]]:
    """Return the names of the tensors of every module of PyTorch and of those in it, by path."""
    names = list(torch_model.state_dict())
    paths = [path for path, _ in torch_model.named_modules() if path]
    return {
        path: frozenset(name for name in names if name.startswith(f"{path}.")) for path in paths
    }


def _beyond(row: Row) -> bool:
    return row.error > STRUCTURE.limit(row.noise, row.scale)


def _refused(name: str, framework: str, error: Exception) -> PortError:
    why = f"{type(error).__name__}: {printable(error)}"
    return PortError(name, f"{framework} cannot run it ({why})")
