"""Any SignBART, in any container: converted, verified, sent back. Examples drawn by hypothesis."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import save_file

import signbart_port
from signbart_port.config import SignBartConfig
from signbart_port.data.model_inputs import Inputs
from signbart_port.model_files import h5
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.parity.counting import largest_difference
from signbart_port.parity.proof import Recorded
from tests.support.framework_models import keras_model, torch_model, weights_of
from tests.support.proofs import counting_of, judge, run_keras, run_torch
from tests.support.small_models import Arrays, state_dict

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
SLOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def configs(draw: st.DrawFn) -> SignBartConfig:
    heads = [draw(st.sampled_from([1, 2, 3, 4, 8])) for _ in range(2)]
    return SignBartConfig(
        d_model=lcm(*heads) * draw(st.integers(1, 3)),
        encoder_layers=draw(st.integers(1, 4)),
        encoder_attention_heads=heads[0],
        encoder_ffn_dim=draw(st.integers(1, 20)),
        decoder_layers=draw(st.integers(1, 4)),
        decoder_attention_heads=heads[1],
        decoder_ffn_dim=draw(st.integers(1, 20)),
        max_position_embeddings=draw(st.integers(1, 40)),
        num_labels=draw(st.integers(1, 12)),
        skeleton="mediapipe-100",
        joint_idx=tuple(draw(st.lists(st.integers(0, 99), min_size=1, max_size=20, unique=True))),
        dropout=draw(st.sampled_from([0.0, 0.3])),
        layout=draw(st.sampled_from(["full", "selected"])),
    )


@dataclass(frozen=True)
class Saved:
    """A checkpoint to be: its config, the seed of its weights, and how it is saved."""

    config: SignBartConfig
    seed: int
    dtype: str
    prefix: str
    key: str | None
    file: str

    def weights(self) -> dict[str, torch.Tensor]:
        arrays = state_dict(self.config, self.seed)
        return {n: torch.from_numpy(a).to(DTYPES[self.dtype]) for n, a in arrays.items()}

    def float32(self) -> Arrays:
        return {name: tensor.float().numpy() for name, tensor in self.weights().items()}

    def write(self, folder: Path) -> Path:
        (folder / "model.yaml").write_text(self.config.model_dump_json())
        tensors = {f"{self.prefix}{name}": tensor for name, tensor in self.weights().items()}
        if self.file == "safetensors":
            save_file(tensors, folder / "model.safetensors")
            return folder / "model.safetensors"
        root: Any = {self.key: tensors, "epoch": 3} if self.key else tensors
        path = folder / "model.pth"
        torch.save(root, path, _use_new_zipfile_serialization=self.file == "zip")
        return path


checkpoints = st.builds(
    Saved,
    config=configs(),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(list(DTYPES)),
    prefix=st.sampled_from(["", "module.", "_orig_mod.", "module._orig_mod.", "module.module."]),
    key=st.sampled_from([None, "model", "state_dict", "model_state_dict"]),
    file=st.sampled_from(["zip", "legacy", "safetensors"]),
)


def steady(config: SignBartConfig) -> bool:
    """Whether float32 can say anything of the model: a LayerNorm of two numbers is a switch, which
    any rounding may tip."""
    return config.d_model >= 4


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def same_bits(a: Arrays, b: Arrays) -> bool:
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)


def converted_verified_and_sent_back(saved: Saved) -> None:
    """The whole way with every proof."""
    with folder() as here:
        source = saved.write(here)
        done = signbart_port.convert(source, here / "model.h5")
        assert done.report is not None and done.report.passed
        report = signbart_port.verify(source, here / "model.h5")
        assert report.passed, report.verdict()
        assert report.weights is not None and report.weights.passed
        assert len(report.isolated) == len(report.rows) - 1
        assert bool(report.weights.rounded) == (saved.dtype == "float64")
        back = signbart_port.export(here / "model.h5", here / "back.pth").out
        returned = torch.load(back, weights_only=True)
        assert same_bits({n: t.numpy() for n, t in returned.items()}, saved.float32())


def every_bit_arrives(saved: Saved) -> None:
    """Into the .h5 as Keras reads it, and back: in every container and type, under any prefix."""
    with folder() as here:
        source, expected = saved.write(here), saved.float32()
        out = signbart_port.convert(source, here / "model.h5", verify=False).out
        assert same_bits(weights_of(out), expected)
        assert h5.read(out).config == saved.config
        back = here / "back.safetensors"
        signbart_port.export(out, back, verify=False)
        again = signbart_port.convert(back, here / "again.h5", verify=False).out
        assert same_bits(weights_of(again), expected)
        assert h5.read(again).config == saved.config


@st.composite
def clips(draw: st.DrawFn) -> tuple[SignBartConfig, Inputs]:
    """A config, and clips of any length it takes with any masks at all."""
    config = draw(configs().filter(steady))
    frames = draw(st.integers(1, config.max_position_embeddings))
    masks = draw(hnp.arrays(np.bool_, (draw(st.integers(1, 4)), frames)))
    made = parity_inputs.make(config.keypoints, frames, seed=draw(st.integers(0, 99)))
    keypoints = made.keypoints[: len(masks)]
    names = tuple(f"mask {i}" for i in range(len(masks)))
    return config, Inputs(names, keypoints, masks.astype(np.float32))


def equal_under_any_mask(clips: tuple[SignBartConfig, Inputs], seed: int) -> None:
    config, inputs = clips
    arrays = state_dict(config, seed)
    single, double = torch_model(config, arrays), torch_model(config, arrays).double()
    truth: Arrays = {}
    noise: dict[str, float] = {}
    counting = counting_of(inputs)

    def measure(tap: str, output: np.ndarray) -> None:
        noise[tap] = largest_difference(tap, output, truth[tap], counting)

    run_torch(double, inputs, truth.__setitem__)
    run_torch(single, inputs, measure)
    keras, doubled = keras_model(config, arrays), keras_model(config, arrays, "float64")
    report = judge(
        ("PyTorch", "Keras"),
        Recorded(truth, noise),
        list(truth),
        inputs,
        lambda record: run_keras(keras, inputs, record),
        in_float64=lambda record: run_keras(doubled, inputs, record, "float64"),
    )
    # Of LayerNorms of a few channels, float32 may be too coarse to judge: then float64 decides.
    assert report.passed and report.same_structure, report.verdict()


def examples(count: int, test: Any, *drawn: st.SearchStrategy[Any]) -> Any:
    return settings(SLOW, max_examples=count)(given(*drawn)(test))


steady_checkpoints = checkpoints.filter(lambda saved: steady(saved.config))
clips_and_seeds = (clips(), st.integers(0, 2**32 - 1))

test_equal_under_any_mask = examples(4, equal_under_any_mask, *clips_and_seeds)

test_converted_verified_and_sent_back = pytest.mark.release(
    examples(4, converted_verified_and_sent_back, steady_checkpoints)
)
test_every_bit_arrives = pytest.mark.release(examples(16, every_bit_arrives, checkpoints))
test_more_are_equal_under_any_mask = pytest.mark.release(
    examples(25, equal_under_any_mask, *clips_and_seeds)
)
