"""Packages that are not installed."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from signbart_port.cli.main import run
from signbart_port.system.packages import no_memory, not_installed, versions_of_models


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("tensorflow", 'needs TensorFlow, which is not installed. Install it: pip install "sign'),
        ("ai_edge_litert.interpreter", "needs LiteRT, which is not installed. Install it: pip in"),
    ],
)
def test_it_is_one_line_on_the_command_line(
    module: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    with pytest.raises(SystemExit) as end:
        run(command)
    printed = capsys.readouterr()
    assert end.value.code == 2 and printed.out == ""
    assert printed.err.startswith(f"signbart-port: {says}") and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"),
        ImportError("libtorch.so: cannot allocate memory in static TLS block"),
    ],
)
def test_no_room_for_a_package_is_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        run(command)
    says = "signbart-port: memory has run out. Free some, or raise its limit (ulimit -v)\n"
    assert (end.value.code, capsys.readouterr().err) == (2, says)


def test_another_import_error_is_a_defect() -> None:
    assert no_memory(ImportError("cannot import name 'a'")) is None


@pytest.mark.parametrize("module", ["signbart_port.gone", "scipy", None])
def test_any_other_module_is_a_defect(module: str | None) -> None:
    assert not_installed(ModuleNotFoundError("No module", name=module)) is None


def test_libraries_of_models_are_those_that_are_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    monkeypatch.delitem(sys.modules, "keras_hub", raising=False)
    assert versions_of_models() == {}
    monkeypatch.setitem(sys.modules, "keras_hub", SimpleNamespace(__version__="1.2"))
    assert versions_of_models() == {"keras-hub": "1.2"}
