"""--report of convert and verify: written whether the proof holds or not, or not begun with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import signbart_port
from signbart_port import PortError, ProofError
from signbart_port.cli import main
from signbart_port.cli._report_file import ReportFile
from signbart_port.keras_model import layers
from signbart_port.parity.report import Report
from tests.support.framework_models import save_model
from tests.support.small_models import save_pth, small_config, state_dict

CONFIG = small_config()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["signbart-port", *arguments.split()])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return command


def test_of_a_proof_that_holds(here: Path, run: Any) -> None:
    save_model(here, CONFIG)
    code, out, _ = run("convert model.pth --report proof.html")
    assert code == 0
    assert "report   proof.html (" in out
    text = (here / "proof.html").read_text()
    assert "<h1>Equal</h1>" in text
    assert "decoder.layers.2.encoder_attn.q_proj.weight" in text.replace("<wbr>", "")


@pytest.mark.release
def test_of_files_that_are_equal(here: Path, run: Any, schema: dict[str, Any]) -> None:
    save_model(here, CONFIG)
    signbart_port.convert("model.pth", verify=False)
    code, out, _ = run("verify model.pth model.h5 --report proof.json -q")
    assert (code, out) == (0, "")
    data = json.loads((here / "proof.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
    assert data["passed"] is True
    assert (data["reference"], data["candidate"]) == ("model.pth", "model.h5")
    assert len(data["placed"]) == data["weights"]["tensors"] == 122
    assert data["isolated"]


def test_of_a_conversion_that_fails(
    here: Path, run: Any, monkeypatch: pytest.MonkeyPatch, schema: dict[str, Any]
) -> None:
    save_model(here, CONFIG)
    monkeypatch.setattr(layers, "LAYER_NORM_EPSILON", 1e-2)
    before = set(here.iterdir())
    code, out, err = run("convert model.pth --report proof.json")
    assert code == 1 and "NOT EQUAL" in err and err.count("\n") == 1
    assert "report   proof.json (" in out
    assert set(here.iterdir()) - before == {here / "proof.json"}
    data = json.loads((here / "proof.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
    assert data["passed"] is False and data["blame"]["module"] == "encoder.layernorm_embedding"
    assert data["verdict"] in err


@pytest.mark.release
def test_of_a_conversion_that_fails_as_a_page(
    here: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(here, CONFIG)
    monkeypatch.setattr(layers, "LAYER_NORM_EPSILON", 1e-2)
    code, out, _ = run("convert model.pth --report proof.html -q")
    assert (code, out) == (1, "")
    assert "<h1>Not equal</h1>" in (here / "proof.html").read_text()


@pytest.mark.release
def test_of_files_that_differ(here: Path, run: Any, schema: dict[str, Any]) -> None:
    arrays = state_dict(CONFIG)
    save_model(here, CONFIG, arrays)
    signbart_port.convert("model.pth", verify=False)
    arrays["encoder.layers.1.fc1.weight"][2, 3] += 0.5
    save_pth(here / "other.pth", arrays, config=CONFIG.model_dump())
    code, out, _ = run("verify other.pth model.h5 --report proof.json --json")
    assert code == 1
    data = json.loads((here / "proof.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(data)
    told = json.loads(out)
    assert {key: data[key] for key in told} == told
    assert [tensor["values"] for tensor in data["weights"]["differing"]] == [1]
    code, *_ = run("verify other.pth model.h5 --report proof.html")
    assert code == 1 and "<h1>Not equal</h1>" in (here / "proof.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("convert model.pth --report proof.pdf", "a report is written as .html or .json"),
        ("convert model.pth --report model.h5", "a report is written as .html or .json"),
        ("convert model.pth --report to-be.html", "a report is written as .html or .json"),
        ("convert model.pth --report old.html", "old.html: exists; give --force"),
        ("convert model.pth --report missing/a.html", "its folder does not exist"),
        ("convert link.json --report link.json --force", "a report is written as .html or .json"),
        ("convert model.pth --config c.json --report c.json --force", "is the input c.json"),
        ("convert model.pth --report a.html --no-verify", "Leave one out"),
        ("verify model.pth model.pth --report old.html", "old.html: exists; give --force"),
        ("verify model.json model.pth --report model.json --force", "is the input model.json"),
        ("verify model.pth model.json --report model.json --force", "is the input model.json"),
    ],
)
def test_refused_before_any_work(here: Path, run: Any, arguments: str, says: str) -> None:
    source = save_model(here, CONFIG)
    (here / "model.json").write_bytes(source.read_bytes())
    (here / "c.json").write_text(CONFIG.model_dump_json())
    (here / "link.json").symlink_to(source)
    (here / "to-be.html").symlink_to(here / "model.h5")
    (here / "old.html").write_text("the report of yesterday")
    before = {path: path.read_bytes() for path in here.iterdir() if path.exists()}
    code, out, err = run(arguments)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert says in err
    assert {path: path.read_bytes() for path in here.iterdir() if path.exists()} == before


def test_a_report_that_cannot_be_written_does_not_hide_the_failure(
    tmp_path: Path, reports: dict[str, Report], capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed proof stays one; the report of one that holds is an output like any other."""
    folder = tmp_path / "folder"
    folder.mkdir()
    file = ReportFile(folder / "proof.html", False, (), silent=True)
    file.check()
    folder.rmdir()
    with pytest.raises(ProofError, match="NOT EQUAL"), file.of_failure():
        raise ProofError("NOT EQUAL", reports["wrong"])
    assert "its folder does not exist" in capsys.readouterr().err
    file.write(reports["wrong"])  # as verify does, before it ends with 1
    assert "its folder does not exist" in capsys.readouterr().err
    with pytest.raises(PortError, match="its folder does not exist"):
        file.write(reports["equal"])
