"""One converted model held against PyTorch's: the figures, the module to blame, the cause."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import signbart_port
from converters_families import Config, Family
from signbart_port.errors import PortError
from signbart_port.parity import keras_run
from signbart_port.parity.compare import Row, compare
from signbart_port.parity.config_keys import Mapped, Required, completed
from signbart_port.parity.counting import Counting
from signbart_port.parity.keras_pairs import in_float64
from signbart_port.parity.live import recorded
from signbart_port.parity.pair import Case, mapping_path
from signbart_port.parity.perturbation import perturbed
from signbart_port.parity.reference import RecordedRun
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import RUN, WithConstants

ATOL = 1e-3
Array = NDArray[Any]
State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Cause:
    """What PyTorch has to compute instead to be equal to a model in float32, and the figures then:
    see `Judged`."""

    name: str
    rounding: float
    structure: float


@dataclass(frozen=True)
class Judged:
    """What the proof says of a converted model."""

    outcome: str
    """`equal`, `wrong`, `refused` in words for the user, or `fails`: its code raises an error."""
    rounding: float | None = None
    """Its largest error in float32, in units of PyTorch's own."""
    structure: float | None = None
    """Its largest error in float64, relative to the largest value."""
    allclose: bool | None = None
    """Whether `allclose(atol=1e-3)` accepts it."""
    module: str = ""
    """The module that the proof blames."""
    evidence: str = ""
    cause: Cause | None = None
    said: str = ""
    """The error, where it is not there."""


@dataclass(frozen=True)
class Reference:
    """A model of Hugging Face with the weights that were saved, and the case that both run."""

    family: Family
    config: Config
    model: torch.nn.Module
    case: Case

    @classmethod
    def random(cls, family: Family, changes: Config, seed: int) -> Reference:
        """Return a tiny model with perturbed random weights."""
        config = family.whole(changes)
        torch.manual_seed(seed)
        model = family.pair.torch_model(config)
        state = model.state_dict()
        made = perturbed({name: value.numpy() for name, value in state.items()}, seed)
        with torch.no_grad():
            for name, value in made.items():
                state[name].copy_(torch.from_numpy(value))
        (case,) = family.pair.cases(config, seed)
        return cls(family, config, model.eval(), case)

    def save(self, folder: Path, published: bool) -> None:
        """Save it as Hugging Face does, with the config.json of `published` folders or its own."""
        import transformers

        whole = getattr(transformers, self.family.saved)(self.model.config)
        base = getattr(whole, self.family.base) if self.family.base else whole
        base.load_state_dict(self.model.state_dict())
        whole.save_pretrained(folder)
        if published:
            path = folder / "config.json"
            path.write_text(json.dumps(self.family.published(json.loads(path.read_text()))))

    def output(self) -> Array:
        """Return what PyTorch computes in float32."""
        pair = self.family.pair
        with torch.no_grad():
            given = {name: torch.from_numpy(array) for name, array in self.case.torch.items()}
            output: Array = pair.torch_output(pair.call_torch(self.model, given)).numpy()
        return output

    @property
    def counting(self) -> Counting:
        return Counting.of(self.family.pair, self.config, self.case)

    @contextmanager
    def truth(self) -> Iterator[RecordedRun]:
        """Yield the run in float64 of the whole model, with the error of that in float32."""
        pair, name = self.family.pair, self.family.name
        with recorded(pair, self.model, self.case, self.counting, name, frozenset()) as run:
            yield run


@dataclass(frozen=True)
class Outputs:
    """What a converted model computes, in both precisions."""

    float32: Array
    float64: Array


def judged(reference: Reference, got: Outputs) -> tuple[Row, Row]:
    """Compare outputs alone: in float32, and in float64."""
    with reference.truth() as truth:
        return (
            compare(LOGITS, got.float32, truth, reference.counting, RUN),
            compare(LOGITS, got.float64, truth, reference.counting, WithConstants()),
        )


def by_outputs(reference: Reference, got: Outputs, mistakes: Sequence[Mistake]) -> Judged:
    """Judge a model of which only the output is known."""
    rows = judged(reference, got)
    equal = all(row.passed for row in rows)
    cause = None if equal else _cause(reference, got, mistakes)
    return Judged(
        "equal" if equal else "wrong",
        **_figures(reference, got, rows),
        cause=cause,
    )


def by_proof(reference: Reference, keras_model: Any, mistakes: Sequence[Mistake]) -> Judged:
    """Judge a backbone of keras-hub, module by module."""
    pair = reference.family.pair
    try:
        report = signbart_port.prove(
            reference.model,
            keras_model,
            mapping=mapping_path(pair),
            cases=reference.case,
            pair=pair,
        )
    except PortError as error:  # tensors that differ in number or shape
        return Judged("wrong", said=str(error).partition(": ")[2])
    got = Outputs(*(_run(reference, model) for model in (keras_model, in_float64(keras_model, {}))))
    equal, blame = report.passed, report.blame
    return Judged(
        "equal" if equal else "wrong",
        **_figures(reference, got, judged(reference, got)),
        module=blame.module if blame else "",
        evidence=blame.evidence.value if blame else "",
        cause=None if equal else _cause(reference, got, mistakes),
    )


def _run(reference: Reference, model: Any) -> Array:
    pair, dtype = reference.family.pair, model.dtype_policy.variable_dtype
    taps = pair.taps(reference.config)
    return keras_run.run(pair, model, reference.case.keras, taps, lambda *_: None, dtype, ())


def _figures(reference: Reference, got: Outputs, rows: tuple[Row, Row]) -> dict[str, Any]:
    own, other = (
        reference.counting.select(LOGITS, array) for array in (reference.output(), got.float32)
    )
    return {
        **_ratios(rows),
        "allclose": bool(np.allclose(other, own, atol=ATOL)),
    }


def _ratios(rows: tuple[Row, Row]) -> dict[str, float]:
    return {
        "rounding": rows[0].error / rows[0].noise,
        "structure": rows[1].error / rows[1].scale,
    }


@dataclass(frozen=True)
class Mistake:
    """Another computation than the config asks for, which may explain a model's outputs."""

    name: str
    changes: Config | None
    """Of the config. None: the weights are rounded to float16."""


EPSILONS = (1e-5, 1e-6)
"""Of normalizations, where a model's own is not known."""
FLOAT16 = Mistake("weights rounded to float16", None)


def mistakes_of(family: Family, config: Config, backbone: Any = None) -> list[Mistake]:
    """Return what a converter may have done with a config: ignored what its model has no argument
    for, or has by a default of its own, which a `backbone` shows."""
    pair = family.pair
    own = backbone.get_config() if backbone is not None else {}
    usual, values = completed(pair.keys, {}), dict[str, list[Any]]()
    for key, one in pair.keys.items():
        if isinstance(one, Required):
            values[key] = [usual[key], *one.values[:1]]
        if key.endswith(("eps", "epsilon")):
            theirs = one.to if isinstance(one, Mapped) else ""
            values[key] = [*values.get(key, ()), *([own[theirs]] if theirs in own else EPSILONS)]
    changes = {f"{key}={one}": {key: one} for key, several in values.items() for one in several}
    return [
        FLOAT16,
        *(
            Mistake(name, changed)
            for name, changed in {**changes, **family.mistakes}.items()
            if any(config.get(key) != value for key, value in changed.items())
        ),
    ]


def _cause(reference: Reference, got: Outputs, mistakes: Sequence[Mistake]) -> Cause | None:
    """Return the fewest mistakes with which PyTorch computes the same in float32; of several, those
    that leave least in float64."""
    for count in (1, 2):
        found = []
        for several in combinations(mistakes, count):
            other = _mistaken(reference, several)
            if other is not None and (rows := judged(other, got))[0].passed:
                name = " and ".join(mistake.name for mistake in several)
                found.append(Cause(name, **_ratios(rows)))
        if found:
            return min(found, key=lambda cause: cause.structure)
    return None


def _mistaken(reference: Reference, mistakes: Sequence[Mistake]) -> Reference | None:
    """Return a model with the same weights that makes these mistakes, where there is one."""
    config: dict[str, Any] = dict(reference.config)
    for mistake in mistakes:
        config |= mistake.changes or {}
    state: State = reference.model.state_dict()
    if FLOAT16 in mistakes:
        state = {name: value.half().float() for name, value in state.items()}
    try:
        model = reference.family.pair.torch_model(config)
        missing = model.load_state_dict(state, strict=False).missing_keys
    except Exception:  # no such model, or not with these weights
        return None
    return None if missing else Reference(reference.family, config, model.eval(), reference.case)
