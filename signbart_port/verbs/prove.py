"""The proof on any two models that are in memory: carry the weights, compare what both compute."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signbart_port import transfer
from signbart_port.errors import PortError, ProofError, printable
from signbart_port.model_files import in_memory
from signbart_port.parity import by_rules
from signbart_port.parity.blocks import head, table
from signbart_port.parity.pair import Case, Pair
from signbart_port.parity.report import Report
from signbart_port.transfer import Direction, Plan, Shapes
from signbart_port.transfer.losses import Lost, losses, sentences

Tensors = Mapping[str, NDArray[Any]]
_NAMES = ("PyTorch module", "Keras model")


@dataclass(frozen=True)
class Transferred:
    """The result of `transfer_weights`."""

    direction: Direction
    tensors: int
    """The number of tensors that were written."""
    parameters: int
    lost: tuple[Lost, ...] = ()
    """What lossy rules of the mapping do not give back."""

    def __repr__(self) -> str:
        lost = f", {len(self.lost)} of them not whole" if self.lost else ""
        return f"<Transferred {self.direction.value}: {self.tensors} tensors{lost}>"


def transfer_weights(source: Any, target: Any, *, mapping: str | Path) -> Transferred:
    """Carry the weights of a PyTorch module into a Keras model, or back.

    Every tensor of both sides is accounted for by the mapping before the first is written, and what
    was written is compared with its source, bit for bit.

    Args:
        source: A `torch.nn.Module` or a built `keras.Model`: the weights are read.
        target: One of the other kind: its weights are replaced in place.
        mapping: The mapping file that joins the names of both.

    Returns:
        How much was written, and what lossy rules do not give back.

    Raises:
        PortError: A model is none, or the mapping does not fit the two.
    """
    to_keras = in_memory.is_torch_module(source)
    torch_model, keras_model = (source, target) if to_keras else (target, source)
    direction = Direction.TORCH_TO_KERAS if to_keras else Direction.KERAS_TO_TORCH
    tensors, variables = _tensors(torch_model), _variables(keras_model)
    values = {path: variable.numpy() for path, variable in variables.items()}
    plan = _plan(mapping, tensors, values)
    read, written = (tensors, values) if to_keras else (values, tensors)
    shapes = {name: array.shape for name, array in written.items()}
    if findings := transfer.check(plan, direction, read, shapes):
        hint = by_rules.naming_hint(keras_model, plan)
        raise PortError(plan.mapping.path, transfer.summary(findings), hint)
    assign = _assigning(variables) if to_keras else _loading(torch_model)
    names = []
    for name, tensor in transfer.apply(plan, direction, read):
        assign(name, tensor)
        names.append(name)
    after = {p: v.numpy() for p, v in variables.items()} if to_keras else _tensors(torch_model)
    if findings := transfer.compare(plan, direction, read, after):
        raise PortError(plan.mapping.path, transfer.summary(findings))
    lost = tuple(losses(plan, tensors)) if to_keras else ()
    return Transferred(direction, len(names), plan.parameters, lost)


def prove(
    torch_model: Any,
    keras_model: Any,
    *,
    mapping: str | Path,
    cases: Case | Sequence[Case],
    pair: Pair | None = None,
    config: Any = None,
) -> Report:
    """Compare a PyTorch module and a Keras model of any kind: their weights, and what they compute.

    Both are run where they are, in this process, on the same inputs: PyTorch in float64 and
    float32, Keras in float32, and in float64 if it can be built from its own config. The modules
    that the mapping's rules join are compared one by one. Neither model is changed.

    Args:
        torch_model: A `torch.nn.Module`.
        keras_model: A built `keras.Model`.
        mapping: The mapping file that joins the names of their weights.
        cases: The inputs of both, by the names of their arguments: a `Case`, or several.
        pair: How the models are called, which output is compared, the layout of outputs, where that
            is not the default: an object of a subclass of `Pair`.
        config: The config that both models are built from, for the methods of the pair. With it the
            pair builds the model in float64 that Keras cannot.

    Returns:
        The report; `passed` tells whether the two are equal. Of several cases, that of the first
        that is not, or of the first.

    Raises:
        PortError: A model cannot be run, or the mapping does not fit the two.
    """
    tensors, variables = _tensors(torch_model), _variables(keras_model)
    values = {path: variable.numpy() for path, variable in variables.items()}
    plan = _plan(mapping, tensors, values)
    direction = Direction.TORCH_TO_KERAS
    shapes = {path: array.shape for path, array in values.items()}
    if findings := transfer.check(plan, direction, tensors, shapes):
        hint = by_rules.naming_hint(keras_model, plan)
        raise PortError(plan.mapping.path, transfer.summary(findings), hint)
    weights = by_rules.compare_weights(plan, tensors, values)
    cases = (cases,) if isinstance(cases, Case) else tuple(cases)
    if not cases:
        raise PortError(None, "there is no case to compare the two models on")
    exact = transfer.in_float64(plan, tensors)
    candidate = by_rules.KerasCandidate(pair or Pair(), config, keras_model, plan, _NAMES[1], exact)
    reports = [
        by_rules.prove_live(candidate, torch_model, case, _NAMES[0], weights) for case in cases
    ]
    report = by_rules.of_cases(cases, reports)
    lost = tuple(sentences(losses(plan, tensors)))
    return replace(report, notes=(*report.notes, *lost), cautions=(*report.cautions, *lost))


def assert_equal(
    torch_model: Any,
    keras_model: Any,
    *,
    mapping: str | Path,
    cases: Case | Sequence[Case],
    pair: Pair | None = None,
    config: Any = None,
) -> None:
    """Raise ProofError unless `prove` finds the two models equal; see there.

    The message has the verdict and the table of the modules.
    """
    report = prove(torch_model, keras_model, mapping=mapping, cases=cases, pair=pair, config=config)
    if not report.passed:
        error = ProofError(f"NOT EQUAL: {report.verdict()}", report)
        error.add_note(_drawn(report))
        raise error


def _tensors(model: Any) -> Tensors:
    if not in_memory.is_torch_module(model):
        raise PortError(None, f"{type(model).__name__} is no torch.nn.Module")
    return {
        name: np.array(value.detach().cpu().numpy()) for name, value in model.state_dict().items()
    }


def _variables(model: Any) -> Mapping[str, Any]:
    if not in_memory.is_keras_model(model):
        raise PortError(None, f"{type(model).__name__} is no keras.Model")
    if not model.built:
        what = f"the Keras model {printable(model.name, 40)} has no weights yet"
        raise PortError(None, what, "Build it, or call it once")
    return by_rules.variables_of(model, None)


def _plan(path: str | Path, tensors: Tensors, values: Tensors) -> Plan:
    mapping = transfer.load(path)
    mapping.check_settled()
    shapes = Shapes(
        {name: array.shape for name, array in tensors.items()},
        {name: array.shape for name, array in values.items()},
    )
    sizes = transfer.sizes_from_shapes(mapping, shapes.torch, shapes.keras)
    return transfer.plan(mapping, sizes, shapes)


def _assigning(variables: Mapping[str, Any]) -> Callable[[str, NDArray[Any]], None]:
    return lambda path, tensor: variables[path].assign(tensor)


def _loading(model: Any) -> Callable[[str, NDArray[Any]], None]:
    torch, state = sys.modules["torch"], model.state_dict()  # which shares the module's storage

    def load(name: str, tensor: NDArray[Any]) -> None:
        with torch.no_grad():
            state[name].copy_(torch.from_numpy(np.ascontiguousarray(tensor)))

    return load


def _drawn(report: Report) -> str:
    rows = [("module", *head(report)), *table(report, every_module=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (zip(row, widths, strict=True) for row in rows)
    return "\n".join("  ".join(cell.ljust(width) for cell, width in line) for line in lines)
