"""convert, with a Keras model or a mapping that is wrong on purpose.

Each mistake that porting this model invites is made once. The proof must name the module where it
was made, and nothing may be written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras import ops

import signbart_port
from signbart_port import ProofError
from signbart_port.cli import main
from signbart_port.data.model_inputs import Inputs
from signbart_port.keras_model import SignBart, attention, decoder, layers, masks
from signbart_port.model_files import h5, mappings
from signbart_port.model_files.checkpoint_model import CheckpointModel, open_checkpoint
from signbart_port.pairs.signbart_cases import make_for
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.parity.reference import TorchRun
from signbart_port.verbs import convert
from tests.support.framework_models import save_model
from tests.support.small_models import small_config

CONFIG = small_config()
PyTorchRun = tuple[CheckpointModel, Inputs, TorchRun]


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PyTorchRun]:
    """PyTorch's run of `state_dict(CONFIG)`."""
    path = save_model(tmp_path_factory.mktemp("pytorch"), CONFIG)
    source, inputs = open_checkpoint(path), make_for(CONFIG)
    with torch_run(source, inputs, truth=True) as run:
        yield source, inputs, run


@pytest.fixture
def one_run(run: PyTorchRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run of PyTorch for every conversion, of that model and those clips as they are."""
    source, inputs, done = run

    def kept(
        asked: CheckpointModel, fed: Inputs, *, truth: bool
    ) -> AbstractContextManager[TorchRun]:
        assert truth and asked.digests == source.digests
        assert asked.resolved.config == source.resolved.config
        np.testing.assert_array_equal(fed.keypoints, inputs.keypoints)
        np.testing.assert_array_equal(fed.attention_mask, inputs.attention_mask)
        return nullcontext(done)

    monkeypatch.setattr(convert, "torch_run", kept)


def keras_epsilon(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers, "LAYER_NORM_EPSILON", 1e-3)


def tanh_gelu(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers, "exact_gelu", lambda x: ops.gelu(x, approximate=True))


def position_zero(patch: pytest.MonkeyPatch) -> None:
    def call(self: Any, hidden_states: Any) -> Any:
        return ops.convert_to_tensor(self.embeddings)[None, : ops.shape(hidden_states)[1]]

    patch.setattr(layers.PositionalEmbedding, "call", call)


def unscaled_queries(patch: pytest.MonkeyPatch) -> None:
    build = attention.Attention.build

    def without_scaling(self: Any, input_shape: Any) -> None:
        build(self, input_shape)
        self.scaling = 1.0

    patch.setattr(attention.Attention, "build", without_scaling)


def seeing_one_frame_ahead(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        decoder, "causal_mask", lambda queries, *rest: masks.causal_mask(queries + 1, *rest)
    )


def padding_as_minus_1000(patch: pytest.MonkeyPatch) -> None:
    """Too weak to swallow a score: wrong only where a row sees padding alone."""
    patch.setattr(masks, "_PADDING", -10)  # cubed


def the_frame_before_the_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers, "last_frame", lambda mask: ops.maximum(masks.last_frame(mask) - 1, 0))


def one_head(patch: pytest.MonkeyPatch) -> None:
    build = attention.Attention.build

    def with_one_head(self: Any, input_shape: Any) -> None:
        build(self, input_shape)
        self.heads, self.scaling = 1, self.d_model**-0.5

    patch.setattr(attention.Attention, "build", with_one_head)


Break = Callable[[pytest.MonkeyPatch], None]
IN_THE_MODEL: dict[Break, tuple[str, str]] = {
    keras_epsilon: ("encoder.layernorm_embedding", "epsilon is 0.001, not 1e-05"),
    tanh_gelu: ("encoder.layers.0.activation_fn", "GELU is the tanh form"),
    position_zero: ("encoder.embed_positions", "positions start at row 0 of the table"),
    unscaled_queries: ("encoder.layers.0.self_attn", "the query is not scaled"),
    seeing_one_frame_ahead: ("decoder", "the decoder sees one frame ahead"),
    padding_as_minus_1000: ("encoder", "padding is masked with -1000, too weak"),
    the_frame_before_the_last: ("last_frame", "the frame before the last real one is classified"),
    one_head: ("encoder.layers.0.self_attn", "it attends with 1 head"),
}


def refused(source: Path, error: type[Exception] = ProofError, **options: Any) -> str:
    """The message of a conversion that fails its proof, and leaves everything as it was."""
    out = source.with_suffix(".h5")
    out.write_bytes(b"the model of yesterday")
    before = sorted(source.parent.iterdir())
    with pytest.raises(error) as failure:
        signbart_port.convert(source, out, force=True, **options)
    assert out.read_bytes() == b"the model of yesterday"
    assert sorted(source.parent.iterdir()) == before
    return str(failure.value)


@pytest.mark.usefixtures("one_run")
@pytest.mark.parametrize("make", IN_THE_MODEL, ids=lambda b: b.__name__)
@pytest.mark.on_commit("the_frame_before_the_last")
def test_a_wrong_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Break) -> None:
    source = save_model(tmp_path, CONFIG)
    make(monkeypatch)
    message = refused(source)
    assert message.startswith(f"{source}: NOT EQUAL")
    module, cause = IN_THE_MODEL[make]
    assert f"{module}: wrong for the reference's own inputs; off by" in message
    assert cause in message.rpartition("; ")[2]


SELF_ATTENTION = '{path: "encoder.layers.{enc}.self_attn.{proj}", kind: linear,'
IN_THE_MAPPING = {
    "it has the weights of encoder.layers.0.self_attn.k_proj": [
        (
            SELF_ATTENTION,
            '{path: "encoder.layers.{enc}.self_attn", kind: swapped,',
        ),
        (
            "kinds:\n",
            "kinds:\n  swapped:\n"
            + "".join(
                f"    - {{torch: {torch}_proj.weight, keras: {keras}_proj/kernel,"
                " dims: [out, in], op: transpose}\n"
                f"    - {{torch: {torch}_proj.bias, keras: {keras}_proj/bias, dims: [out]}}\n"
                for torch, keras in ("qk", "kq", "vv", ("out", "out"))
            ),
        ),
    ],
    "its kernel is not transposed": [
        (SELF_ATTENTION, SELF_ATTENTION.replace("linear", "square")),
        (
            "kinds:\n",
            "kinds:\n  square:\n"
            "    - {torch: weight, keras: kernel, dims: [out, in]}\n"
            "    - {torch: bias, keras: bias, dims: [out]}\n",
        ),
    ],
}


@pytest.mark.parametrize("change", IN_THE_MAPPING)
@pytest.mark.on_commit("its kernel is not transposed")
def test_a_wrong_mapping(tmp_path: Path, change: str) -> None:
    text = mappings.signbart().path.read_text()
    for old, new in IN_THE_MAPPING[change]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "mapping.yaml").write_text(text)
    message = refused(save_model(tmp_path, CONFIG), mapping=tmp_path / "mapping.yaml")
    assert "encoder.layers.0.self_attn.q_proj: wrong for the reference's own inputs" in message
    assert message.endswith(change)


@pytest.mark.usefixtures("one_run")
def test_a_weight_that_changed_on_its_way_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotate = h5.annotate

    def damage(file: h5py.File, *rest: Any) -> None:
        weight = file["model_weights/decoder/decoder/layers.1/encoder_attn/k_proj/kernel"]
        weight[3, 4] += 1e-6
        annotate(file, *rest)

    monkeypatch.setattr(h5, "annotate", damage)
    message = refused(save_model(tmp_path, CONFIG))
    assert "its values do not match their digest" in message
    assert "decoder/layers.1/encoder_attn/k_proj/kernel" in message


@pytest.mark.usefixtures("one_run")
def test_a_file_that_opens_as_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CONFIG.replace(decoder_attention_heads=1)
    from_config = classmethod(lambda cls, config, custom_objects=None: cls(other))
    monkeypatch.setattr(SignBart, "from_config", from_config)
    assert "the logits of the written file differ by" in refused(save_model(tmp_path, CONFIG))


@pytest.mark.usefixtures("one_run")
def test_the_command_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = save_model(tmp_path, CONFIG)
    keras_epsilon(monkeypatch)
    monkeypatch.setattr("sys.argv", ["signbart-port", "convert", str(source), "-q"])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert end.value.code == 1
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert printed.err.startswith(f"signbart-port: {source}: NOT EQUAL, ")
    assert (
        "encoder.layernorm_embedding: wrong for the reference's own inputs; off by" in printed.err
    )
    assert not source.with_suffix(".h5").exists()
