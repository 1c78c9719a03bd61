"""docs/migration.md shows the code as it is, and answers all of the guide that it follows."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/migration.md").read_text()
GUIDE = ROOT.parent / "shared/spec/migration-guide.md"
EXCERPT = re.compile(r"\]\(\.\./([\w/.]+\.py)\):\n\n```python no-run\n(.*?)```", re.DOTALL)
EXCERPTS = EXCERPT.findall(PAGE)


def stands_in(code: str, source: str) -> bool:
    """Return whether a piece of code is in a source, at whatever depth and with whatever empty
    lines."""
    lines = [line for line in source.splitlines() if line.strip()]
    wanted = [line for line in code.splitlines() if line.strip()]
    return any(
        lines[at : at + len(wanted)] == indent("\n".join(wanted), " " * depth).splitlines()
        for depth in (0, 4, 8)
        for at in range(len(lines))
    )


def test_every_piece_of_code_that_is_not_run_is_an_excerpt() -> None:
    assert len(EXCERPTS) == PAGE.count("```python no-run") == 7


@pytest.mark.parametrize(("path", "code"), EXCERPTS, ids=[path for path, _ in EXCERPTS])
def test_an_excerpt_stands_in_its_file(path: str, code: str) -> None:
    source = (ROOT / path).read_text()
    for part in code.split("...\n"):
        assert part.strip() and stands_in(part, source), part


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_the_steps_are_those_of_the_guide() -> None:
    if not GUIDE.exists():
        pytest.skip("the guide is not here")
    steps = re.findall(r"^### Step (\d)", GUIDE.read_text(), re.MULTILINE)
    assert re.findall(r"^## Step (\d)", PAGE, re.MULTILINE) == steps


@pytest.mark.release
def test_the_mask_of_the_guide_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 nothing tells it apart, in float64 the weights of a clip without frames do."""
    import torch
    from keras import ops

    import signbart_port
    from pt_reference import SignBart
    from signbart_port import transfer
    from signbart_port.keras_model import decoder, encoder
    from signbart_port.keras_model.weights import assign
    from signbart_port.model_files import mappings
    from signbart_port.transfer import Direction

    def padding(attention_mask, dtype, bound=None):
        return ops.where(attention_mask == 1, 0.0, ops.cast(-1e9, dtype))[:, None, None, :]

    def causal(queries, attention_mask, dtype, bound=None):
        later = ops.arange(ops.shape(attention_mask)[1], dtype="int32") > queries
        return ops.where(later, ops.cast(-1e9, dtype), 0.0) + padding(attention_mask, dtype)

    monkeypatch.setattr(encoder, "padding_mask", padding)
    monkeypatch.setattr(decoder, "padding_mask", padding)
    monkeypatch.setattr(decoder, "causal_mask", causal)
    saved = torch.load(ROOT / "samples/synthetic-signs.pth", weights_only=True)
    module, model = SignBart(saved["config"]), signbart_port.SignBart(saved["config"])
    module.load_state_dict(saved["model"])
    tensors = {name: tensor.numpy() for name, tensor in saved["model"].items()}
    plan = mappings.plan_for(model.config)
    assign(model, transfer.apply(plan, Direction.TORCH_TO_KERAS, tensors))

    report = signbart_port.verify(module, model)
    assert all(row.passed for row in (*report.rows, *report.isolated))
    assert not report.passed and report.same_structure is False
    first = report.blame.row
    assert first.tap.endswith("self_attn.dropout")  # the weights of the first attention
    assert (first.expected, round(first.got, 2)) == (1 / 32, 0.17)
