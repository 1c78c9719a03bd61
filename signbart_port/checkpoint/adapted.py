"""Weights that are not those of a model, but parts of them: reparametrized, adapted, quantized.

Names alone tell which, and PyTorch or the library that made them turns them back into weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from signbart_port.errors import printable

_FIRST = 80  # characters of a name that are shown


class Adapted(NamedTuple):
    """What a state dict holds in place of weights, and what to do about it."""

    what: str
    remedy: str
    fused: bool = False
    """Whether whole weights lie in one tensor, so that a mapping can place all others."""


def explain(names: Iterable[str]) -> Adapted | None:
    """Return what the tensors of these names are, if they are not weights by themselves."""
    present = dict.fromkeys(name for name in names if isinstance(name, str))
    for find, what, remedy in _KINDS:
        modules = list(dict.fromkeys(find(present)))
        if modules:
            first = printable(modules[0], _FIRST)
            more = f" and {len(modules) - 1} more" if len(modules) > 1 else ""
            return Adapted(f"{what} ({first}{more})", remedy.format(module=first), what is _FUSED)
    return None


def _ending(*ends: str) -> Callable[[Iterable[str]], Iterator[str]]:
    """Return a search for the modules whose tensors have all these ends."""

    def find(present: Iterable[str]) -> Iterator[str]:
        for name in present:
            module = name.removesuffix(ends[0])
            if module != name and all(f"{module}{end}" in present for end in ends[1:]):
                yield module

    return find


def _matching(pattern: str) -> Callable[[Iterable[str]], Iterator[str]]:
    """Return a search for the modules whose tensors' names match, up to the group `module`."""
    compiled = re.compile(pattern)

    def find(present: Iterable[str]) -> Iterator[str]:
        for name in present:
            if found := compiled.search(name):
                yield name[: found.start()].rstrip(".") or name

    return find


def _only(pattern: str) -> Callable[[Iterable[str]], Iterator[str]]:
    """Return the same search, which finds nothing where other tensors are there too."""
    search, compiled = _matching(pattern), re.compile(pattern)

    def find(present: Iterable[str]) -> Iterator[str]:
        return search(present) if all(map(compiled.search, present)) else iter(())

    return find


_LORA = r"\.?(lora_(A|B|embedding_A|embedding_B|magnitude_vector)\b|base_layer\.)"
_FUSED = "holds query, key and value in one tensor, in_proj_weight, which no mapping can split"
_REMOVE_PARAMETRIZATIONS = (
    "Before saving: torch.nn.utils.parametrize.remove_parametrizations("
    'model.{module}, "weight") for each'
)
_KINDS: tuple[tuple[Callable[[Iterable[str]], Iterator[str]], str, str], ...] = (
    (
        _matching(r"(^|\.)_?flat_param(_\d+)?$"),
        "holds flattened parameters of FSDP",
        "Save it with FullyShardedDataParallel.state_dict_type(model,"
        " StateDictType.FULL_STATE_DICT)",
    ),
    (
        _only(_LORA),
        "holds LoRA adapters without the weights that they change",
        "Load them with their base model, and before saving, with peft: model ="
        " model.merge_and_unload()",
    ),
    (
        _matching(_LORA),
        "holds LoRA adapters beside the weights that they change",
        "Before saving, with peft: model = model.merge_and_unload()",
    ),
    (
        _matching(
            r"\.?(_packed_params\b|zero_point$|weight_fake_quant\.|activation_post_process\b"
            r"|fake_quant_enabled|(qweight|qzeros|g_idx|SCB|quant_map|absmax)$|quant_state\b)"
        ),
        "holds quantized weights, or the ranges of a quantization",
        "Save the float model before it is quantized; signbart-port tflite quantizes",
    ),
    (
        _matching(r"\.?parametrizations\.\w+\.original1$"),
        "holds weight norm in place of weights",
        _REMOVE_PARAMETRIZATIONS,
    ),
    (
        _matching(r"\.?parametrizations\.\w+\.\d+\._u$"),
        "holds spectral norm in place of weights",
        _REMOVE_PARAMETRIZATIONS,
    ),
    (
        _matching(r"\.?parametrizations\.\w+\.original\d*$"),
        "holds parametrized weights",
        _REMOVE_PARAMETRIZATIONS,
    ),
    (
        _ending(".weight_g", ".weight_v"),
        "holds weight norm in place of weights",
        "Before saving: torch.nn.utils.remove_weight_norm(model.{module}) for each",
    ),
    (
        _ending(".weight_u", ".weight_orig"),
        "holds spectral norm in place of weights",
        "Before saving: torch.nn.utils.remove_spectral_norm(model.{module}) for each",
    ),
    (
        _ending(".weight_mask", ".weight_orig"),
        "holds pruned weights with masks that are not theirs",
        'Before saving: torch.nn.utils.prune.remove(model.{module}, "weight") for each',
    ),
    (
        _matching(r"\.in_proj_(weight|bias)$"),
        _FUSED,
        "Before saving, for each and its bias: q, k, v = in_proj_weight.chunk(3), as"
        " {module}.q_proj.weight, k_proj.weight and v_proj.weight",
    ),
)
