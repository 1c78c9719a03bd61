"""A second family of names: Hugging Face's BART, the same algorithm by other people, fills the
Keras encoder and decoder by a mapping file alone, and is held against them module by module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration, BartModel

from signbart_port import transfer
from signbart_port.checkpoint import NameRules
from signbart_port.checkpoint import read as read_checkpoint
from signbart_port.config import SIZES, SignBartConfig
from signbart_port.data.model_inputs import Inputs
from signbart_port.model_files import mappings
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.pairs.signbart import SignBartPair
from signbart_port.parity.compare import Comparison, Row
from signbart_port.parity.proof import Recorded
from signbart_port.parity.workers.torch_perturbed import perturb
from signbart_port.transfer import Code, Direction
from tests.support.proofs import counting_of, noise_of, run_keras

Arrays = dict[str, np.ndarray]
TO_KERAS = Direction.TORCH_TO_KERAS
MAPPING = mappings.find("hf-bart")
# Layers, heads, feed-forward widths of both stacks; width; positions.
MODELS = {
    "small": ((2, 2, 12), (3, 4, 10), 8, 24),
    "one layer": ((1, 1, 8), (1, 2, 32), 16, 40),
    "deep": ((4, 8, 48), (2, 3, 20), 24, 20),
    "square": ((2, 2, 16), (2, 4, 16), 16, 20),  # a kernel and its transpose have one shape
}


def bart(name: str, of: Callable[[BartConfig], Any] = BartModel) -> Any:
    """A BART at inference whose every weight matters: attention is not uniform, layer norms scale
    and shift."""
    encoder, decoder, d_model, positions = MODELS[name]
    config = BartConfig(
        vocab_size=11,
        pad_token_id=0,
        d_model=d_model,
        max_position_embeddings=positions,
        attn_implementation="eager",  # the one that computes the attention weights
        use_cache=False,
    )
    for stack, (layers, heads, ffn) in (("encoder", encoder), ("decoder", decoder)):
        setattr(config, f"{stack}_layers", layers)
        setattr(config, f"{stack}_attention_heads", heads)
        setattr(config, f"{stack}_ffn_dim", ffn)
    return perturb(of(config), seed=list(MODELS).index(name))


def config_of(bart: BartConfig) -> SignBartConfig:
    """The config of the Keras stacks; joints and labels are of the parts that a BART has not."""
    names = set(SignBartConfig.model_fields) & set(bart.to_dict())
    kept = {name: getattr(bart, name) for name in names if name.endswith(("layers", "heads"))}
    kept |= {name: getattr(bart, name) for name in names & set(SIZES)}
    return SignBartConfig(**(kept | {"num_labels": 1, "joint_idx": (0,)}))


def inputs_for(config: SignBartConfig) -> Inputs:
    """The proof's own clips and masks, as embeddings: x is the encoder's, y the decoder's.

    Without the clip that has no frame at all, whose one row SignBART has a rule of its own for.
    """
    made = parity_inputs.make(config.d_model, min(16, config.max_position_embeddings))
    some = made.attention_mask.any(axis=1)
    names = tuple(name for name, kept in zip(made.names, some, strict=True) if kept)
    embeddings = np.random.default_rng(0).normal(size=made.keypoints.shape).astype(np.float32)
    return Inputs(names, embeddings[some], made.attention_mask[some])


def run_bart(model: BartModel, inputs: Inputs, dtype: torch.dtype) -> Arrays:
    """Every module's output by path, attention weights under `dropout`, the module that Keras has
    for them."""
    outputs: Arrays = {}

    def hook(path: str) -> Any:
        def after(_module: Any, _arguments: Any, output: Any) -> None:
            if isinstance(output, tuple):
                output, outputs[f"{path}.dropout"] = output[0], output[1].numpy()
            output = getattr(output, "last_hidden_state", output)
            # The encoder's positions are repeated for every clip.
            outputs[path] = output[:1].numpy() if "positions" in path else output.numpy()

        return after

    model = model.to(dtype)
    hooks = [m.register_forward_hook(hook(path)) for path, m in model.named_modules() if path]
    embeddings = torch.from_numpy(inputs.keypoints).to(dtype)
    mask = torch.from_numpy(inputs.attention_mask)
    with torch.inference_mode():
        model(
            attention_mask=mask,
            decoder_attention_mask=mask,
            inputs_embeds=embeddings[..., 0],
            decoder_inputs_embeds=embeddings[..., 1],
        )
    for handle in hooks:
        handle.remove()
    return outputs


class Stacks:
    """The Keras encoder and decoder, fed like a SignBart without what stands around them."""

    def __init__(self, config: SignBartConfig) -> None:
        from signbart_port.keras_model.decoder import Decoder
        from signbart_port.keras_model.encoder import Encoder

        self.encoder, self.decoder = (
            Encoder(config, name="encoder"),
            Decoder(config, name="decoder"),
        )
        self.layers = [self.encoder, self.decoder]
        for layer in self.layers:
            layer.build((None, None, config.d_model))

    @property
    def weights(self) -> list[Any]:
        return [*self.encoder.weights, *self.decoder.weights]

    def __call__(self, embeddings: np.ndarray, mask: np.ndarray, training: bool) -> Any:
        states = self.encoder(embeddings[..., 0], mask, training=training)
        return self.decoder(embeddings[..., 1], mask, states, training=training)


class StacksPair(SignBartPair):
    """The stacks are called as in PyTorch, and give states."""

    def call_keras(self, model: Stacks, inputs: Any) -> Any:
        return model(inputs["keypoints"], inputs["attention_mask"], training=False)


def compared(model: BartModel, mapping: transfer.WeightMapping) -> tuple[Row, ...]:
    """Carry the weights over by `mapping`, run both, compare every module's output."""
    from signbart_port.keras_model.weights import assign, shapes

    config = config_of(model.config)
    tensors = {name: value.numpy() for name, value in model.state_dict().items()}
    plan = transfer.plan(mapping, config.sizes())
    stacks = Stacks(config)
    assert transfer.check(plan, TO_KERAS, tensors, shapes(stacks)) == []
    assign(stacks, transfer.apply(plan, TO_KERAS, tensors))

    inputs = inputs_for(config)
    float32, truth = (run_bart(model, inputs, d) for d in (torch.float32, torch.float64))
    noise = noise_of(float32, truth, inputs)
    comparison = Comparison(Recorded(truth, noise), list(truth), counting_of(inputs))
    run_keras(stacks, inputs, comparison.record, pair=StacksPair())
    assert {t.module for t in plan.transfers} <= truth.keys(), "a module with weights never ran"
    return comparison.rows()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.on_commit("square")
def test_every_module_computes_what_hugging_faces_does(name: str) -> None:
    model = bart(name)
    rows = compared(model, MAPPING)
    wrong = [f"{row.tap}: {row.sentence()}" for row in rows if not row.passed]
    assert not wrong, wrong
    c = model.config
    # embed_positions, layernorm_embedding and the stack itself; a layer, its four projections, its
    # attention and attention weights, twice in the decoder, each with a norm; fc1, gelu, fc2, norm.
    assert len(rows) == 6 + c.encoder_layers * 12 + c.decoder_layers * 19
    assert all(row.scale > 0.1 for row in rows)


MUTATIONS = {
    "q and k swapped": (
        '{path: "encoder.layers.{enc}.self_attn.{proj}", kind: linear, out: d_model, in: d_model}',
        *(
            f'{{torch: "encoder.layers.{{enc}}.self_attn.{a}_proj",'
            f' keras: "encoder.layers.{{enc}}.self_attn.{b}_proj",'
            " kind: linear, out: d_model, in: d_model}"
            for a, b in ("qk", "kq", "vv", ("out", "out"))
        ),
    ),
    "norms swapped": (
        '{path: "encoder.layers.{enc}.{norm}", kind: layer_norm, width: d_model}',
        *(
            f'{{torch: "encoder.layers.{{enc}}.{a}_layer_norm",'
            f' keras: "encoder/layers.{{enc}}/{b}_layer_norm", kind: layer_norm, width: d_model}}'
            for a, b in (("self_attn", "final"), ("final", "self_attn"))
        ),
    ),
    "stacks swapped": (
        '{path: "{stack}.embed_positions", kind: embedding,'
        " rows: max_position_embeddings + 2, width: d_model}",
        *(
            f'{{torch: "{a}.embed_positions", keras: "{b}.embed_positions", kind: embedding,'
            " rows: max_position_embeddings + 2, width: d_model}"
            for a, b in (("encoder", "decoder"), ("decoder", "encoder"))
        ),
    ),
    "no transpose": ("dims: [out, in], op: transpose}", "dims: [out, in]}"),
    "gain for bias": (
        *(
            f"{{torch: weight, keras: {a}, dims: [width]}}\n"
            f"    - {{torch: bias, keras: {b}, dims: [width]}}"
            for a, b in (("gamma", "beta"), ("beta", "gamma"))
        ),
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.on_commit("q and k swapped")
def test_a_wrong_mapping_that_every_shape_agrees_with_fails(name: str, tmp_path: Path) -> None:
    old, *new = MUTATIONS[name]
    text = MAPPING.path.read_text()
    assert text.count(old) == 1
    path = tmp_path / "wrong.yaml"
    path.write_text(text.replace(old, "\n  - ".join(new)))
    rows = compared(bart("square"), transfer.load(path))
    assert not all(row.passed for row in rows)


@pytest.mark.parametrize("of", [BartModel, BartForConditionalGeneration])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_file_that_transformers_wrote_is_planned_whole(
    of: Callable[[BartConfig], Any], kind: str, tmp_path: Path
) -> None:
    model = bart("small", of)
    if kind == "pth":
        torch.save(model.state_dict(), path := tmp_path / "model.pth")
    else:
        model.save_pretrained(tmp_path)
        path = tmp_path / "model.safetensors"
    checkpoint = read_checkpoint(path, NameRules(MAPPING.unwrap, MAPPING.strip_prefixes))
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    sizes = transfer.sizes_from_shapes(MAPPING, shapes)
    expected = config_of(model.config).sizes()
    assert sizes == {n: s for n, s in expected.items() if n not in ("joints", "num_labels")}
    plan = transfer.plan(MAPPING, sizes)
    assert transfer.check(plan, TO_KERAS, checkpoint.tensors) == []
    assert set(checkpoint.tensors) - {t.torch for t in plan.transfers} <= set(plan.ignored_torch)
    assert all(plan.ignored_torch.values())


def test_a_bart_is_no_whole_signbart() -> None:
    config = config_of(bart("small").config)
    tensors = {name: value.numpy() for name, value in bart("small").state_dict().items()}
    own = mappings.plan_for(config)
    target = {t.keras: t.keras_shape for t in own.transfers}
    findings = transfer.check(transfer.plan(MAPPING, config.sizes()), TO_KERAS, tensors, target)
    assert {(f.code, f.name.split("/")[0]) for f in findings} == {
        (Code.UNFILLED, "projection"),
        (Code.UNFILLED, "classification_head"),
    }
