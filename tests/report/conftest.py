"""Reports by hand, of a small model: equal, wrong in every way that a report knows, of two .tflite
files (nothing but logits), and equal in all but a tensor; and an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from signbart_port.evaluation.figures import scores
from signbart_port.evaluation.result import (
    Agreement,
    Evaluation,
    LeftOut,
    Load,
    ModelScore,
    WrongClip,
)
from signbart_port.pairs import signbart_cases
from signbart_port.pairs.signbart import case_of
from signbart_port.parity.compare import Row, absent
from signbart_port.parity.report import (
    Blame,
    Differing,
    Evidence,
    Report,
    Rounded,
    WeightComparison,
)
from signbart_port.parity.taps import LOGITS
from signbart_port.system import digest
from signbart_port.transfer.plan import Placed
from tests.support.small_models import LSA_64, plan_of

CONFIG = LSA_64
WRONG = "decoder.layers.1.encoder_attn.v_proj"
SIGNS = ("wave", "circle", "lift", "rest")
KINDS = ("equal", "wrong", "logits", "weights")


def row(tap: str, error: float) -> Row:
    return Row(
        tap=tap,
        error=error,
        noise=4e-7,
        scale=2.5,
        limit=5e-6,
        elements=3136,
        worst=(1, 2, 3),
        expected=0.75,
        got=0.75 + error,
    )


def _equal() -> Report:
    plan, clips = plan_of(CONFIG), signbart_cases.make_for(CONFIG)
    modules = list(dict.fromkeys(t.module for t in plan.transfers))
    tensors = [
        Placed(
            t.torch,
            t.keras,
            t.op.name,
            t.torch_shape,
            plan.mapping.at(t.line),
            digest.of_tensor(np.array([i], np.float32)),
        )
        for i, t in enumerate(plan.transfers)
    ]
    rounded = Rounded("encoder.layers.0.fc1.weight", "float64", 8000, 8192, 2.9e-9)
    return Report(
        reference="checkpoints/model.pth",
        candidate="out/model.h5",
        facts={**case_of(clips).facts, "agreement": (7, 7)},
        rows=tuple(row(tap, 6e-7) for tap in (*modules, LOGITS)),
        isolated=tuple(row(tap, 3e-7) for tap in modules),
        weights=WeightComparison(
            "equal in every bit", len(tensors), plan.parameters, rounded=(rounded,)
        ),
        placed=tuple(tensors),
        notes=("config: stored in the checkpoint",),
    )


def _wrong(equal: Report) -> Report:
    taps = [row.tap for row in equal.rows]
    at, errors = taps.index(WRONG), (0.02, nan, inf)
    failed = row(WRONG, 0.31)
    return replace(
        equal,
        rows=(
            replace(equal.rows[0], error=0.0, noise=0.0),
            *equal.rows[1:at],
            *(row(tap, errors[i % 3]) for i, tap in enumerate(taps[at:-2])),
            absent(taps[-2]),
            row(taps[-1], 1e30),
        ),
        isolated=tuple(failed if r.tap == WRONG else r for r in equal.isolated),
        facts={**equal.facts, "agreement": (3, 7)},
        weights=WeightComparison(
            "equal in every bit",
            96,
            183_050,
            differing=(
                Differing("decoder/fc1/bias", WRONG, 1, 64, nan, (5,), 0.25, nan),
                Differing("decoder/fc1/kernel", WRONG, 9, 4096, 0.5, (5, 6), 0.25, 0.75),
            ),
            missing=("a place for more/kernel",),
        ),
        blame=Blame(WRONG, Evidence.ISOLATED, failed, "its kernel was not transposed"),
    )


@pytest.fixture(scope="session")
def reports() -> dict[str, Report]:
    equal = _equal()
    wrong = _wrong(equal)
    assert wrong.weights
    changed = replace(wrong.weights, missing=())
    return {
        "equal": equal,
        "wrong": wrong,
        "logits": replace(
            equal, rows=equal.rows[-1:], isolated=(), weights=None, placed=(), notes=()
        ),
        "weights": replace(equal, weights=changed, blame=Blame(WRONG, Evidence.WEIGHTS)),
    }


@pytest.fixture(params=KINDS)
def report(request: pytest.FixtureRequest, reports: dict[str, Report]) -> Report:
    return reports[request.param]


def _model(name: str, predicted: list[int], **changes: object) -> ModelScore:
    targets = np.array([0, 0, 0, 1, 1, 2])
    given = np.eye(4, dtype=np.float32)[predicted]
    figures = scores(given, targets, SIGNS, ("ann", "ann", "bob", "bob", "bob", None))
    load, longest = Load(36, 52_054_528), Load(61, None)
    found = ModelScore(name, "Keras", 9_019_961, 742_922, load, longest, figures, ("a note",))
    return replace(found, **changes)


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """Two models on six clips, two of which the first takes for others."""
    wrong = (
        WrongClip("sets/signs/test/wave/bob_1.pkl", "wave", "circle", 0.95),
        WrongClip("sets/signs/test/wave/ann_2.pkl", "wave", "circle", 0.5),
    )
    first = _model("runs/a.h5", [0, 1, 1, 1, 1, 2], wrong=wrong)
    second = _model("b.tflite", [0, 0, 0, 1, 0, 2], format="TFLite int8", notes=())
    return Evaluation(
        data="sets/signs",
        split="test",
        signers=("ann", "bob"),
        labels=SIGNS,
        clips=6,
        models=(first, second),
        agreement=(Agreement("runs/a.h5", "b.tflite", 3, 0.5),),
        left_out=(LeftOut("sets/signs/x.pkl", "is damaged"),),
    )


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    text = (resources.files("signbart_port.report") / "schema.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded
