"""The document: what schema.json promises, whatever the report holds."""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable
from typing import Any, NoReturn

import jsonschema
import numpy as np
import pytest

from signbart_port.parity.report import Report
from signbart_port.report.document import SCHEMA, Origin, document, strict_json

Document = dict[str, Any]


def written(report: Report) -> Document:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    text = strict_json(document(report, Origin.now()))
    parsed: Document = json.loads(text, parse_constant=refuse)
    return parsed


@pytest.fixture(scope="module")
def validator(schema: Document) -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_it_is_valid(report: Report, validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(written(report))


def test_the_version_is_the_schema_s(schema: Document) -> None:
    assert schema["properties"]["schema"]["const"] == SCHEMA
    assert schema["$id"].endswith(f":{SCHEMA}")


def test_it_holds_the_report(reports: dict[str, Report]) -> None:
    report = reports["wrong"]
    found = written(report)
    assert found["passed"] is False and found["verdict"] == report.verdict()
    assert found["reference"] == "checkpoints/model.pth"
    assert [row["tap"] for row in found["rows"]] == [row.tap for row in report.rows]
    assert found["blame"]["module"] == report.blame.module
    assert found["blame"]["evidence"] == "isolated"
    assert len(found["placed"]) == len(report.placed) == 96
    assert found["masks"][2] == "1" + 31 * "0"


def test_a_figure_that_is_not_finite_is_null(reports: dict[str, Report]) -> None:
    report = reports["wrong"]
    nulls = [row["error"] is None for row in written(report)["rows"]]
    assert nulls == [not row.error < float("inf") for row in report.rows]
    assert 3 <= sum(nulls) < len(nulls)
    differing = written(report)["weights"]["differing"]
    assert [tensor["largest"] for tensor in differing] == [None, 0.5]


def test_where_it_comes_from(reports: dict[str, Report]) -> None:
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    found = written(reports["equal"])
    created = datetime.datetime.fromisoformat(found["created"])
    assert before <= created <= datetime.datetime.now(datetime.UTC)
    assert {"torch", "tensorflow", "keras"} <= found["environment"]["packages"].keys()


def changed(key: str, value: object) -> Callable[[Document], None]:
    """Sets `key`, a path such as `rows.0.error`."""
    *parents, last = (int(part) if part.isdigit() else part for part in key.split("."))

    def change(data: Any) -> None:
        for part in parents:
            data = data[part]
        data[last] = value

    return change


def test_it_has_no_version_of_what_is_not_installed() -> None:
    packages = Origin.now(("absent",)).packages
    assert "absent" not in packages and packages["numpy"] == np.__version__


@pytest.mark.parametrize(
    "change",
    [
        changed("schema", 2),
        changed("more", 1),
        changed("created", None),
        changed("rows", []),
        changed("rows.0.passed", False),
        changed("rows.0.elements", 0),
        changed("rows.0.error", None),
        changed("rows.0.error", "6e-7"),
        changed("rows.0.more", 1),
        changed("isolated.3.passed", False),
        changed("masks.0", "1x"),
        changed("agreement", [7]),
        changed("agreement", [7, 7, 7]),
        changed("weights.missing", ["a tensor"]),
        changed("weights.rounded.0.values", -1),
        changed("blame", {"module": "a", "evidence": "chained", "row": None, "cause": ""}),
        changed("placed.0.sha256", "f" * 63),
        changed("placed.0.shape", [1.5]),
        changed("environment.packages.torch", None),
    ],
)
def test_what_no_equal_report_says(
    reports: dict[str, Report],
    validator: jsonschema.Draft202012Validator,
    change: Callable[[Document], None],
) -> None:
    data = written(reports["equal"])
    validator.validate(data)
    change(data)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(data)


def test_nothing_may_be_left_out(
    reports: dict[str, Report], validator: jsonschema.Draft202012Validator
) -> None:
    whole = written(reports["wrong"])

    def parts(data: object) -> list[dict[str, Any]]:
        children = data.values() if isinstance(data, dict) else data
        if not isinstance(data, dict | list):
            return []
        here = [data] if isinstance(data, dict) else []
        return [*here, *(part for child in children for part in parts(child)[:4])]

    whole["rows"], whole["placed"] = whole["rows"][:2], whole["placed"][:2]
    tried = 0
    for i, part in enumerate(parts(whole)):
        for key in part:
            smaller = copy.deepcopy(whole)
            del parts(smaller)[i][key]
            free = part is whole["environment"]["packages"] or key == "unread"  # since 0.1
            assert validator.is_valid(smaller) == free, key
            tried += 1
    assert tried > 40
