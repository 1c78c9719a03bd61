"""The tutorial of docs/pairs.md, run as a reader would."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/pairs.md"


def test_the_tutorial_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    scope: dict[str, object] = {}
    shown = []
    for language, text in blocks:
        if language == "yaml":
            (tmp_path / "net.yaml").write_text(text)
    for language, text in blocks:
        if language == "python" and not text.startswith(("# my_pair.py", "# in my_pair.py")):
            exec(compile(text, PAGE.name, "exec"), scope)
        elif language == "" and not text.startswith("signbart-port"):
            shown.append(text)
    printed = capsys.readouterr().out
    # Random models: the figures of the last digits differ.
    for line in "".join(shown).splitlines():
        assert re.sub(r"off by .*", "", line) in printed, line
    assert "attention.in_proj_weight (48, 16)" in printed
    assert "attention/query/kernel (16, 4, 4)" in printed
    assert (tmp_path / "proof.html").stat().st_size > 10_000
    report = scope["report"]
    assert report.passed and report.same_structure and report.weights.passed
