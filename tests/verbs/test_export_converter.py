"""Converters that are exported for keras-hub, run by keras-hub's own loader."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.parity.config_keys import read_config
from signbart_port.parity.load_pair import installed, load_pair
from signbart_port.transfer import same_bits
from tests.support.any_pair import carried
from tests.support.running import run_cli

PAIRS = ["hf-bert", "hf-gpt2", "hf-vit", "hf-bart", "hf-whisper"]


def converter_of(pair: str, folder: Path) -> Any:
    done = signbart_port.export_converter(pair, style="keras-hub", out=folder / "convert.py")
    assert done.out and done.out.read_text() == done.source
    assert repr(done).startswith(f"<ExportedConverter {pair}: ")
    scope: dict[str, Any] = {}
    exec(compile(done.source, str(done.out), "exec"), scope)
    return SimpleNamespace(**scope)


@pytest.mark.on_commit("hf-bert")
@pytest.mark.parametrize("pair", PAIRS)
def test_it_builds_and_fills_a_backbone_as_the_pair_does(pair: str, tmp_path: Path) -> None:
    from keras_hub.src.utils.transformers.safetensor_utils import SafetensorLoader

    models = import_module(f"tests.pairs.test_{pair.replace('-', '_')}")
    torch_model, expected = carried(models.PAIR, models.CONFIG)
    torch_model.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    converter = converter_of(pair, tmp_path)
    backbone = type(expected)(**converter.convert_backbone_config(stored))
    named = {"name": expected.name}
    assert backbone.get_config() | named == expected.get_config()
    with SafetensorLoader(str(tmp_path)) as loader:
        converter.convert_weights(backbone, loader, stored)
    assert [weight.path for weight in backbone.weights] == [w.path for w in expected.weights]
    for weight, other in zip(backbone.weights, expected.weights, strict=True):
        assert same_bits(weight.numpy(), other.numpy()), weight.path


@pytest.mark.on_commit("hf-vit", "hf-bart")
@pytest.mark.parametrize("name", PAIRS)
def test_its_function_for_configs_takes_and_refuses_what_the_pair_does(
    name: str, tmp_path: Path
) -> None:
    pair = load_pair(name).pair
    convert = converter_of(name, tmp_path).convert_backbone_config
    example = dict(pair.example)
    changes = [dict[str, Any](), *pair.vary(read_config(pair, example, {}))]
    taken, refused = 0, 0
    for stated in ({}, *({**example, **change} for change in changes)):
        try:
            config = read_config(pair, stated, {})
        except ValueError as error:
            refused += 1
            said = str(error).replace("the Keras model", "the backbone")
            with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
                convert(stated)
        else:
            taken += 1
            assert convert(stated) == pair.keras_arguments(config)
    assert taken > 1 and refused > 1


def test_every_installed_pair_has_one() -> None:
    for pair in installed():
        assert compile(signbart_port.export_converter(pair).source, pair, "exec")


def test_what_is_refused(tmp_path: Path) -> None:
    for pair, style, out, error in (
        ("hf-bert", "jax", None, "unknown style 'jax'. There is: keras-hub"),
        ("hf", "keras-hub", None, "hf: neither FILE.py nor an installed pair"),
        ("hf-bert", "keras-hub", tmp_path / "a.txt", "a converter is written as .py"),
    ):
        with pytest.raises(PortError, match=error):
            signbart_port.export_converter(pair, style=style, out=out)
    (own := tmp_path / "own.py").write_text("from signbart_port import Pair\nclass A(Pair): ...\n")
    with pytest.raises(PortError, match=r"own\.py: A names no mapping"):
        signbart_port.export_converter(str(own))
    (tmp_path / "a.py").write_text("mine")
    with pytest.raises(PortError, match="exists; give force=True"):
        signbart_port.export_converter("hf-bert", out=tmp_path / "a.py")
    assert (tmp_path / "a.py").read_text() == "mine"


def test_the_commands(tmp_path: Path) -> None:
    """A pair of the user's own, printed; and the list, without importing one."""
    (tmp_path / "net.yaml").write_text(
        "schema: 2\nfamily: net\nkinds:\n  a: [{torch: w, keras: k, axes: n}]\n"
        "modules: [{path: m, kind: a}]\n"
    )
    own = tmp_path / "own.py"
    own.write_text(
        "import signbart_port\nclass Own(signbart_port.Pair):\n    mapping = 'net.yaml'\n"
    )
    printed = run_cli("pair", "export-converter", "--pair", own)
    assert printed.code == 0 and "tensorflow" not in printed.imported
    assert printed.printed.strip() == signbart_port.export_converter(str(own)).source.strip()
    listed = run_cli("pair", "list", "--json")
    assert json.loads(listed.printed)["hf-bert"] == "signbart_port.pairs.hf_bert:Bert"
    assert not {"torch", "keras", "transformers"} & listed.imported
