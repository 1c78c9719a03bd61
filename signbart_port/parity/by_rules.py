"""The proof of any two models, whose modules are found by the rules of their mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from signbart_port.errors import PortError, first_of, printable
from signbart_port.parity import weights
from signbart_port.parity.compare import Row
from signbart_port.parity.counting import Counting
from signbart_port.parity.float64 import InFloat64, Origin
from signbart_port.parity.live import recorded, refusing
from signbart_port.parity.pair import Arrays, Case, Pair, layouts_of
from signbart_port.parity.proof import Call, Isolation, Record, judge
from signbart_port.parity.reference import RecordedRun
from signbart_port.parity.report import Report, WeightComparison
from signbart_port.parity.taps import LOGITS, Floats
from signbart_port.parity.tolerances import CONSTANTS, STRUCTURE, WithConstants
from signbart_port.transfer import Plan

if TYPE_CHECKING:
    from signbart_port.parity.keras_pairs import Layers


def tensors_within(names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the names of the tensors of every module of PyTorch and of those in it, by path."""
    within: dict[str, set[str]] = {}
    for name in names:
        path = name.rpartition(".")[0]
        while path:
            within.setdefault(path, set()).add(name)
            path = path.rpartition(".")[0]
    # An outer module before those in it.
    return {path: frozenset(within[path]) for path in sorted(within, key=lambda p: p.count("."))}


def variables_of(model: Any, named: str | None) -> dict[str, Any]:
    """Return the weights of a Keras model by path. Raises PortError, blaming what is `named`, where
    two have one path."""
    paths = [weight.path for weight in model.weights]
    if twice := sorted({path for path in paths if paths.count(path) > 1}):
        what = f"several weights of the Keras model are called {first_of(twice, 3)}"
        raise PortError(named, what, "Give its layers different names")
    return dict(zip(paths, model.weights, strict=True))


class Values(Mapping[str, NDArray[Any]]):
    """The values of a Keras model's weights by path, each read when it is asked for."""

    def __init__(self, model: Any) -> None:
        self._weights = {weight.path: weight for weight in model.weights}

    def __getitem__(self, path: str) -> NDArray[Any]:
        return np.asarray(self._weights[path].numpy())

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def naming_hint(model: Any, plan: Plan) -> str:
    """Return what to do about a Keras model whose weights have its name in their paths, where the
    mapping leaves it out, or Keras has numbered it since another of its class was there before; ""
    for any other."""
    paths, named = {one.path for one in model.weights}, f"{model.name}/"
    whole = (path for transfer in plan.transfers if (path := named + transfer.keras) in paths)
    if path := next(whole, ""):
        return f"In the mapping begin its paths with the model's name, as in {printable(path)}"
    numbered = re.fullmatch(r"(.+)_[0-9]+", model.name)
    if not numbered or not all(path.startswith(named) for path in paths):
        return ""
    name = f"super().__init__(name={numbered[1]!r})"
    return f"Give the model a name, {name}: Keras has numbered it, {model.name}"


def compare_weights(plan: Plan, tensors: Arrays, variables: Arrays) -> WeightComparison:
    """Hold Keras' variables against PyTorch's tensors, bit for bit; what differs is named by the
    module of PyTorch."""
    modules = {one.module: one.torch_module for one in plan.transfers}
    return weights.compare(plan, tensors, variables, modules)


def of_cases(cases: Sequence[Case], reports: Sequence[Report]) -> Report:
    """Return the report of the first case that failed, else of the first; with a note on those that
    are equal."""
    report = next((one for one in reports if not one.passed), reports[0])
    if len(cases) == 1:
        return report
    equal = [case.name for case, one in zip(cases, reports, strict=True) if one.passed]
    return replace(report, notes=(*report.notes, f"equal on: {first_of(equal, 8) or 'no case'}"))


@dataclass(frozen=True)
class KerasCandidate:
    """A Keras model that is to be judged, with what is known of it."""

    pair: Pair
    config: Any
    model: Any
    plan: Plan
    name: str
    """What the user calls it."""
    exact: Arrays
    """The weights that are no float32 before they are rounded, by path, for the run in float64."""
    origin: Origin | None = None
    """What another process builds the model from; None where it must not."""

    @cached_property
    def modules(self) -> Mapping[str, frozenset[str]]:
        """The tensors of PyTorch's modules, by their paths."""
        return tensors_within(transfer.torch for transfer in self.plan.transfers)

    @cached_property
    def layers(self) -> Layers:
        """The layers, and the modules that are theirs."""
        from signbart_port.parity.keras_pairs import Layers

        paths = [weight.path for weight in self.model.weights]
        layouts = layouts_of(self.pair, self.config)
        return Layers(self.model, self.plan, self.modules, paths, layouts)

    @property
    def paired(self) -> frozenset[str]:
        """The paths of the modules that are compared."""
        return frozenset(one.torch for one in self.layers.pairs)

    def judge(
        self, case: Case, reference: RecordedRun, named: str, weights: WeightComparison | None
    ) -> Report:
        """Compare the model on a case with a run of PyTorch, `named` so, which recorded the modules
        that are `paired`.

        A module whose output has another shape on the other side is left out, of the run and
        alone, and counted in a note; the output of the whole model never is. Raises PortError where
        it cannot be run.
        """
        from signbart_port.parity import keras_run

        pair, layers, layouts = self.pair, self.layers, layouts_of(self.pair, self.config)
        shapes = {tap: reference.shape(tap) for tap in reference.record.taps}
        calls = [call for call in reference.calls if layers.takes(call)]
        doubtful = [call for call in reference.calls if call not in calls and layers.may_take(call)]
        other: dict[str, tuple[int, ...]] = {}  # the outputs of another shape

        def run(record: Record) -> None:
            def noting(tap: str, output: Floats) -> None:
                if output.shape != shapes.get(tap, output.shape):
                    other[tap] = output.shape
                record(tap, output)

            with refusing(self.name, "Keras"):
                given = case.keras, layouts, layers.fitted(noting, shapes)
                keras_run.run(pair, self.model, *given, observed=layers.observed)

        def alone(calls: Iterable[Call], record: Record) -> None:
            fitted = layers.fitted(record, shapes)
            for call in calls:
                named = f"{self.name}: {call.path}, alone"
                if other.keys().isdisjoint(call.taps):
                    # A layer of another meaning may raise anything.
                    with suppress(Exception) if call in doubtful else refusing(named, "Keras"):
                        layers.feed(call, fitted)

        with self._in_float64.running(case) as (run_in_float64, why):

            def in_float64(record: Record) -> None:
                assert run_in_float64 is not None
                run_in_float64(layers.fitted(record, shapes))

            report = judge(
                pair,
                case,
                (named, self.name),
                reference,
                reference.record.taps,
                run,
                config=self.config,
                layouts=layouts,
                isolation=Isolation(reference.alone, calls, alone, doubtful),
                in_float64=None if run_in_float64 is None else in_float64,
                weights=weights,
                optional={tap for tap in shapes if tap != LOGITS},
                structure_tolerance=WithConstants(),
            )
        compared = {row.module for row in report.rows}
        left = [path for path in self.modules if path not in compared]
        notes = [f"{len(left)} modules are not compared by themselves: {first_of(left, 6)}"]
        notes = [*(notes if left else ()), *_other_orders(shapes, other)]
        cautions = (*self._not_in_float64(why), *_constants(report))
        facts = {"case": case.name, **report.facts}
        return replace(report, facts=facts, notes=(*notes, *cautions), cautions=cautions)

    @cached_property
    def _in_float64(self) -> InFloat64:
        about = self.pair, self.config, self.model, self.layers
        return InFloat64(*about, self.exact, self.origin)

    def _not_in_float64(self, why: str) -> Sequence[str]:
        what = f"not compared in float64: Keras cannot build {self.name} in"
        return (f"{what} that precision ({why})",) if why else ()


def prove_live(
    candidate: KerasCandidate,
    torch_model: Any,
    case: Case,
    named: str,
    weights: WeightComparison,
) -> Report:
    """Run both models in this process, PyTorch a copy of its own, and compare them.

    Raises PortError where one cannot be run.
    """
    counting = Counting(layouts_of(candidate.pair, candidate.config), case.counted)
    given = candidate.pair, torch_model, case, counting, named
    with recorded(*given, candidate.paired) as reference:
        return candidate.judge(case, reference, named, weights)


def _other_orders(
    torch: Mapping[str, tuple[int, ...]], keras: Mapping[str, tuple[int, ...]]
) -> Sequence[str]:
    """Return what is to be said of Keras' outputs, by tap, that have PyTorch's axes in another
    order."""
    found = [tap for tap, shape in keras.items() if sorted(shape) == sorted(torch[tap])]
    return [
        f"the axes of {first_of(found, 6)} have another order in Keras, such as {keras[tap]} for"
        f" {torch[tap]}: the pair's taps can name both orders"
        for tap in found[:1]
    ]


def _constants(report: Report) -> Sequence[str]:
    """Return what is to be said of constants in float32."""

    def beyond(row: Row) -> bool:
        return row.passed and row.error > STRUCTURE.limit(row.noise, row.scale)

    floor = next((row for row in report.structure if beyond(row)), None)
    if floor is None or not report.passed:
        return ()
    return (
        f"in float64 {floor.tap} is off by {floor.error / floor.scale:.1e} of its largest value:"
        f" constants that code keeps in float32 do that, or a fault that is below {CONSTANTS:.1e}",
    )
