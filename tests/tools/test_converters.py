"""The table of converters: what keras-hub's own do is found, named, and explained by a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import converters
from converters_families import FAMILIES, rope_of_version_4
from converters_judging import Cause, Judged
from converters_page import page

FAMILY = {family.name: family for family in FAMILIES}
KEPT = {
    "BERT": ("the default config", "hidden_act=gelu_new", "type_vocab_size=3"),
    "Mistral": ("the default config",),
}
pytestmark = pytest.mark.release  # TensorFlow, PyTorch and keras-hub, of several configs


def test_two_families(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = tuple(
        replace(FAMILY[name], variations={v: FAMILY[name].variations[v] for v in kept}, as_saved={})
        for name, kept in KEPT.items()
    )
    monkeypatch.setattr(converters, "FAMILIES", few)
    converters.main(["--out", str(tmp_path / "page.md"), "--families", "BERT,Mistral"])
    data = json.loads((tmp_path / "page.json").read_text())
    assert data["provenance"]["versions"]["keras-hub"] and data["provenance"]["newest"] == {}
    found = {
        (row["variation"], name): one
        for row in data["rows"]
        for name, one in row["judged"].items()
        if row["family"] == "BERT"
    }

    refused = found["the default config", converters.OURS]
    assert refused["outcome"] == "refused" and "hidden_act is 'gelu'" in refused["said"]
    wrong = found["the default config", converters.HUB]
    assert wrong["outcome"] == "wrong" and wrong["allclose"], "and allclose lets it pass"
    assert wrong["rounding"] > 100 and wrong["structure"] > 1e-5
    assert wrong["module"] == "encoder.layer.0.intermediate"
    assert wrong["cause"]["name"] == "hidden_act=gelu_new" and wrong["cause"]["structure"] < 1e-7
    for name in (converters.OURS, converters.HUB):
        right = found["hidden_act=gelu_new", name]
        assert right["outcome"] == "equal" and right["rounding"] < 4 and not right["module"]
    fails = found["type_vocab_size=3", converters.HUB]
    assert fails["outcome"] == "fails" and fails["said"].startswith("ValueError: The shape")
    assert {one["outcome"] for (_, name), one in found.items() if name == converters.ZERO} == {
        "none"
    }

    (mistral,) = (row for row in data["rows"] if row["family"] == "Mistral")
    ours, hub = mistral["judged"][converters.OURS], mistral["judged"][converters.HUB]
    assert ours["outcome"] == "equal" and hub["outcome"] == "wrong"
    assert hub["module"] == "embed_tokens"
    assert hub["cause"]["name"] == "weights rounded to float16"

    text = (tmp_path / "page.md").read_text()
    assert "hidden_act=gelu_new: then " in text and "not run: no --environment" in text
    assert "{" not in text and str(tmp_path) not in text


def test_a_family_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        converters.main(["--families", "BERT,T5"])
    assert "the families are BERT, GPT-2" in capsys.readouterr().err


def test_positions_as_published_files_have_them() -> None:
    llama = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0}
    assert rope_of_version_4({"a": 1, "rope_parameters": llama}) == {
        "a": 1,
        "rope_theta": 1e4,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
    }
    plain = {"rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}
    assert rope_of_version_4(plain) == {"rope_theta": 5.0, "rope_scaling": None}


def judged_of(stored: dict[str, Any]) -> Judged:
    cause = stored["cause"] and Cause(**stored["cause"])
    return Judged(**{**stored, "cause": cause})


def test_the_page_is_that_of_its_figures() -> None:
    """What stands in docs/ is made by the command, and not by hand."""
    docs = converters.OUT.parent
    data = json.loads((docs / "converters.json").read_text())
    rows = [
        (
            row["family"],
            row["variation"],
            {name: judged_of(one) for name, one in row["judged"].items()},
        )
        for row in data["rows"]
    ]
    assert page(rows, data["provenance"]) == converters.OUT.read_text()
