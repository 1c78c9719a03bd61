"""The model card: valid for a hub, and the words of strangers are no markup in it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard as HubsCard
from markdown_it import MarkdownIt

import signbart_port
from signbart_port.errors import PortError
from signbart_port.hub.model_card import ModelCard, check_license
from tests.support.framework_models import weights_of
from tests.support.hub import COMMIT, Hub
from tests.support.running import run_python

HOSTILE = (
    *("<script>alert(1)</script>", "```", "~~~\n```\n# owned", "---\nlicense: mit\n---", "[a](b)"),
    *("![](http://x/y.png)", "{{ x }}", "a\u202eb", "a\r\n\r\n<img src=x>", "&lt;b&gt;", "猫"),
)


def card(**changes: object) -> ModelCard:
    said: dict[str, object] = {
        "title": "signs",
        "file": "model.safetensors",
        "sizes": {"d_model": 8},
        "labels": ("hello",),
        "proof": ("equal",),
        "provenance": {"made of": "signs.h5"},
    }
    return ModelCard(**(said | changes))  # type: ignore[arg-type]


def test_a_hub_reads_its_header_and_no_license_is_made_up() -> None:
    data = HubsCard(card().text()).data
    assert (data.license, data.library_name, data.base_model) == (None, "signbart-port", None)
    data = HubsCard(card(license="apache-2.0", base_model="o/signs").text()).data
    assert (data.license, data.base_model) == ("apache-2.0", "o/signs")
    assert data.eval_results is None


def test_the_words_of_strangers_are_no_markup() -> None:
    plain = card(labels=["hello"] * len(HOSTILE)).text()
    for text in HOSTILE:
        hostile = card(
            title=text,
            labels=HOSTILE,
            sizes={"skeleton": text},
            proof=(text,),
            provenance={"made of": text},
            file=f"{text}.safetensors",
        ).text()
        assert [kind for kind, _ in tokens(hostile)] == [kind for kind, _ in tokens(plain)]
        assert yaml.safe_load(hostile.split("---\n")[1]) == yaml.safe_load(plain.split("---\n")[1])
        assert all(line.isprintable() for line in hostile.splitlines())
        blocks = [content for kind, content in tokens(hostile) if kind == "fence"]
        assert len(blocks[1].splitlines()) == len(HOSTILE)


def tokens(text: str) -> list[tuple[str, str]]:
    """Return the kind and the content of each piece of a page, without its header."""
    body = text.split("---\n", 2)[2]
    found = []
    for token in MarkdownIt("commonmark").parse(body):
        if token.type == "inline":
            found += [(one.type, one.content) for one in token.children or () if one.content]
        else:
            found.append((token.type, token.content))
    return found


@pytest.mark.parametrize("license", ["", "MIT License", "mit\n", "a: b", "x" * 80])
def test_a_license_is_an_identifier(license: str) -> None:
    with pytest.raises(PortError, match="no identifier of a license"):
        check_license(license)


def released(model: Path, folder: Path, *, verify: bool) -> Path:
    """Make a folder as it is uploaded: an exported model and its card."""
    folder.mkdir()
    weights, card = folder / "model.safetensors", folder / "README.md"
    signbart_port.export(model, weights, card=card, verify=verify)
    return folder


def test_what_is_released_comes_back_bit_for_bit(ported: Path, hub: Hub, tmp_path: Path) -> None:
    release = released(ported / "model.h5", tmp_path / "release", verify=False)
    hub.files[COMMIT] = {one.name: one.read_bytes() for one in release.iterdir()}
    expected = weights_of(ported / "model.h5")
    for source in (release, "hf://o/signs"):
        done = signbart_port.convert(source, tmp_path / "back.h5", verify=False, force=True)
        back = weights_of(done.out)
        assert back.keys() == expected.keys()
        assert all(np.array_equal(back[name], expected[name]) for name in expected)
    assert "README.md" not in hub.asked_for()


@pytest.mark.release
def test_the_card_tells_how_to_load_it(
    ported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = released(ported / "model.h5", tmp_path / "release", verify=True)
    text = (release / "README.md").read_text()
    for said in ("equal: ", "in float64: ", "SHA-256", "num_labels: 5", "proven equal"):
        assert said in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(release)
    assert run_python(f"{code}\nprint(type(model).__name__)").strip() == "SignBart"


Program = Callable[..., tuple[int, str, str]]


def test_a_card_is_written_where_it_is_asked_for(
    ported: Path, tmp_path: Path, program: Program
) -> None:
    model = shutil.copy(ported / "plain.h5", tmp_path / "model.h5")
    out, readme = tmp_path / "model.safetensors", tmp_path / "README.md"
    given = ("export", model, "--no-verify", "--out", out, "--card", readme)
    readme.write_text("mine")
    code, _, err = program(*given)
    assert code == 2 and f"{readme}: exists; give --force" in err
    assert readme.read_text() == "mine" and not out.exists()
    assert program("export", model, "--out", tmp_path / "model.pth", "--card", readme)[0] == 2
    assert program("export", model, "--out", out, "--license", "mit")[0] == 2
    assert not out.exists()
    code, printed, _ = program(*given, "--force", "--license", "cc-by-4.0")
    assert code == 0 and "README.md" in printed
    data = HubsCard(readme.read_text()).data
    assert data.license == "cc-by-4.0"
    assert "not run in PyTorch (--no-verify)" in readme.read_text()
    assert "The file names none." in readme.read_text()
