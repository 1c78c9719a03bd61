"""Packages that are not installed."""

from __future__ import annotations

import pytest

from signbart_port.cli.main import run
from signbart_port.system.packages import not_installed


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("tensorflow", "needs TensorFlow, which is not installed. Install it: pip install tensor"),
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


@pytest.mark.parametrize("module", ["signbart_port.gone", "numpy", None])
def test_any_other_module_is_a_defect(module: str | None) -> None:
    assert not_installed(ModuleNotFoundError("No module", name=module)) is None
