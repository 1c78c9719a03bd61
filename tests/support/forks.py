"""Forks that nobody published: SignBART's tensors under other people's names."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support.small_models import Arrays

Rename = Callable[[str], str]


def _renaming(*pairs: tuple[str, str]) -> Rename:
    def rename(name: str) -> str:
        for pattern, new in pairs:
            name = re.sub(pattern, new, name)
        return name

    return rename


# Short words, a parameter for the positions, what is read under the stack that reads it.
SHORT = _renaming(
    (r"^projection\.proj_x1", "enc.input"),
    (r"^projection\.proj_y1", "dec.input"),
    (r"^encoder\.", "enc."),
    (r"^decoder\.", "dec."),
    (r"\.layers\.", ".blocks."),
    (r"embed_positions\.weight", "pos"),
    (r"layernorm_embedding", "ln_in"),
    (r"encoder_attn_layer_norm", "ln_cross"),
    (r"self_attn_layer_norm", "ln_attn"),
    (r"final_layer_norm", "ln_mlp"),
    (r"encoder_attn\.", "cross."),
    (r"self_attn\.", "attn."),
    (r"([qkv])_proj", r"\1"),
    (r"fc1", "mlp.up"),
    (r"fc2", "mlp.down"),
    (r"^classification_head\.out_proj", "head"),
    (r"out_proj", "o"),
)
# Numbers for names, camel case, other names for the tensors of a norm, towers for the stacks.
NUMBERED = _renaming(
    (r"^projection\.proj_x1", "keypoints.horizontal"),
    (r"^projection\.proj_y1", "keypoints.vertical"),
    (r"(norm|norm_embedding)\.weight", r"\1.gamma"),
    (r"(norm|norm_embedding)\.bias", r"\1.beta"),
    (r"^encoder\.", "towerA."),
    (r"^decoder\.", "towerB."),
    (r"layers\.", "block_"),
    (r"embed_positions", "table"),
    (r"layernorm_embedding", "first"),
    (r"(towerB.*)final_layer_norm", r"\1norms.2"),
    (r"final_layer_norm|encoder_attn_layer_norm", "norms.1"),
    (r"self_attn_layer_norm", "norms.0"),
    (r"encoder_attn\.", "attention.1."),
    (r"self_attn\.", "attention.0."),
    (r"q_proj", "queryLayer"),
    (r"k_proj", "keyLayer"),
    (r"v_proj", "valueLayer"),
    (r"fc1", "mlp.0"),
    (r"fc2", "mlp.3"),
    (r"^classification_head\.out_proj", "toLabels"),
    (r"out_proj", "output"),
)
# As PyTorch names its own layers, the whole within another module, layers counted from one.
FROM_ONE = _renaming(
    (r"^projection\.proj_([xy])1", r"embed_\1"),
    (r"layers\.0", "layers.one"),
    (r"layers\.2", "layers.3"),
    (r"layers\.1", "layers.2"),
    (r"layers\.one", "layers.1"),
    (r"layernorm_embedding", "norm"),
    (r"(decoder.*)final_layer_norm", r"\1norm3"),
    (r"final_layer_norm|encoder_attn_layer_norm", "norm2"),
    (r"self_attn_layer_norm", "norm1"),
    (r"encoder_attn\.", "multihead_attn."),
    (r"([qkv])_proj", r"w_\1"),
    (r"fc([12])", r"linear\1"),
    (r"^classification_head\.out_proj", "classifier"),
    (r"^", "net."),
)
# SignBART's own, but that every layer is two modules of a list: 0, 2, 4.
EVEN = _renaming(
    (r"layers\.1", "layers.two"),
    (r"layers\.2", "layers.4"),
    (r"layers\.two", "layers.2"),
    (r"^", "net."),
)
FORKS = {"short": SHORT, "numbered": NUMBERED, "from one": FROM_ONE, "even": EVEN}


def renamed(arrays: Arrays, rename: Rename) -> Arrays:
    """Return the tensors under the fork's names."""
    fork = {rename(name): array for name, array in arrays.items()}
    assert len(fork) == len(arrays) and not fork.keys() & arrays.keys()
    return fork
