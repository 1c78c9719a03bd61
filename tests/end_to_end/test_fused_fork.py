"""A fork of SignBART whose attention keeps queries, keys and values in one tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import signbart_port
from signbart_port.errors import PortError
from signbart_port.model_files import mappings
from tests.support.small_models import Arrays, save_pth, small_config, state_dict

CONFIG = small_config()
OWN = '  - {path: "encoder.layers.{enc}.self_attn.{proj}", kind: linear, out: d_model, in: d_model}'


def fused(tensors: Arrays) -> Arrays:
    made = dict(tensors)
    for layer in range(CONFIG.encoder_layers):
        path = f"encoder.layers.{layer}.self_attn"
        for kind in ("weight", "bias"):
            parts = [made.pop(f"{path}.{one}_proj.{kind}") for one in "qkv"]
            made[f"{path}.in_proj_{kind}"] = np.concatenate(parts)
    return made


def mapping_of(folder: Path, order: str = "qkv") -> Path:
    """SignBART's own mapping as schema 2, with a split."""
    text = mappings.signbart().path.read_text().replace("schema: 1", "schema: 2")
    text = text.replace("dims: [out, in], op: transpose", "axes: out in -> in out")
    for dims in ("out", "width", "rows, width"):
        text = text.replace(f"dims: [{dims}]", f"axes: {dims.replace(',', '')}")
    kernels, biases = (
        ", ".join(f"{one}_proj/{kind}" for one in order) for kind in ("kernel", "bias")
    )
    kind = f"""  fused:
    - {{torch: in_proj_weight, keras: [{kernels}], axes: out in -> in out, concat: 0}}
    - {{torch: in_proj_bias, keras: [{biases}], axes: out, concat: 0}}
"""
    rule = (
        '  - {path: "encoder.layers.{enc}.self_attn", kind: fused, out: d_model, in: d_model}\n'
        '  - {path: "encoder.layers.{enc}.self_attn.out_proj", kind: linear, out: d_model,'
        " in: d_model}"
    )
    assert OWN in text
    path = folder / "fused.yaml"
    path.write_text(text.replace(OWN, rule).replace("modules:\n", f"{kind}\nmodules:\n"))
    return path


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    return save_pth(tmp_path / "fork.pth", fused(state_dict(CONFIG)), config=CONFIG.model_dump())


@pytest.mark.release
def test_it_is_converted_and_proven(tmp_path, fork):
    mapping = mapping_of(tmp_path)
    done = signbart_port.convert(fork, tmp_path / "fork.h5", mapping=mapping)
    assert done.report.passed and done.report.same_structure
    own = save_pth(tmp_path / "own.pth", state_dict(CONFIG), config=CONFIG.model_dump())
    assert signbart_port.verify(own, tmp_path / "fork.h5").passed
    assert signbart_port.verify(fork, tmp_path / "fork.h5", mapping=mapping).passed
    swapped = mapping_of(tmp_path, "kqv")
    assert not signbart_port.verify(fork, tmp_path / "fork.h5", mapping=swapped).weights.passed


def test_without_the_mapping_it_is_refused(tmp_path, fork):
    with pytest.raises(PortError, match=r"fork\.pth"):
        signbart_port.convert(fork, tmp_path / "fork.h5")
