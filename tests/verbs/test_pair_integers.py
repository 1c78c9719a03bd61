"""The cases that a pair's integer files are calibrated on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from signbart_port.errors import PortError
from signbart_port.pairs.torch_conv import Convolutions
from signbart_port.parity.load_pair import load_pair
from signbart_port.parity.pair import Case, Signature
from signbart_port.tflite_export.pair_conversion import SignatureSpec
from signbart_port.verbs._pair_integers import PairIntegers
from signbart_port.verbs._pair_models import PairModels

CONFIG = Convolutions.example


def integers(signature: Signature) -> PairIntegers:
    loaded = load_pair("torch-conv")
    models = PairModels(loaded, {}, {}, CONFIG, "")
    return PairIntegers(models, [signature], Path("none.tflite"), "net.keras")


def case(shape: tuple[int, ...] = (2, 11, 4), value: float = 1.0, name: str = "x") -> Case:
    return Case("ones", {}, {name: np.full(shape, value, np.float32)})


def test_a_signature_of_a_case():
    given = Case("ids", {}, {"ids": np.ones((2, 7), np.int32), "x": np.ones((2, 3, 5))})
    made = Signature.of(given, [given])
    assert made.inputs == {"ids": (1, 7), "x": (1, 3, 5)} and made.calibration == [given]
    assert made.dtypes == {"ids": "int32", "x": "float32"} and list(made.outputs) == ["output"]
    assert {name: len(array) for name, array in SignatureSpec.of(made).fitted(given).items()} == {
        "ids": 2,
        "x": 2,
    }


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        ([], r"no calibration cases for its signature serving_default.*Signature\.of\(case"),
        ([case((2, 12, 4))], r"case ones does not fit the signature serving_default: x \(1, 11"),
        ([case(name="y")], "case ones does not fit"),
        ([case(), case(value=np.inf)], "case ones has values that are not finite"),
        ([3], r"Convolutions\.tflite fails \(AttributeError"),
    ],
)
def test_cases_that_do_not_calibrate(calibration, said):
    with pytest.raises(PortError, match=f"^torch-conv.*{said}") as raised:
        integers(Signature.of(case(), calibration)).check_calibration()
    assert "\n" not in str(raised.value)


def test_a_shipped_pair_calibrates_on_other_cases():
    pair = Convolutions()
    (signature,) = pair.tflite(CONFIG)
    made = integers(signature)
    made.check_calibration()
    (compared,) = pair.cases(CONFIG, 0)
    seen = np.concatenate([one.keras["x"] for one in signature.calibration])
    assert len(seen) == 100 and not np.isin(compared.keras["x"], seen).any()
