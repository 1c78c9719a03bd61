"""The meaning of a module's name, whoever chose it: `attn.to_q` and `self_attn.q_proj` are the
same."""

from __future__ import annotations

import difflib
import re

Meanings = frozenset[str]

# A meaning, and its usual spellings. `final` is the norm after the feed-forward network; x is
# what SignBART's encoder reads, y its decoder.
_SPELLINGS = {
    "encoder": "enc x",
    "decoder": "dec y",
    "self": "sa selfattn selfattention",
    "cross": "ca src memory mem crossattn crossattention",
    "attn": "att attention mha multihead sa ca selfattn selfattention crossattn crossattention",
    "q": "query queries wq",
    "k": "key keys wk",
    "v": "value values val wv",
    "out": "o output wo",
    "ffn": "ff fc mlp feed feedforward linear lin positionwise pwff intermediate final",
    "1": "up expand inner intermediate",
    "2": "down contract outer",
    "norm": "ln layernorm lnorm",
    "final": "last",
    "pos": "position positions positional pe wpe",
    "embed": "emb embedding embeddings embeds",
    "head": "classification classifier cls logits logit labels",
    "reverse": "reversed backward backwards",
    "x": "",
    "y": "",
}
# Words that may stand anywhere and distinguish nothing.
_NOISE = (
    "base block blocks core dense layer layers model module net network proj projection stack to w"
    " weight weights forward wise"
)

_MEANINGS: dict[str, set[str]] = {word: set() for word in _NOISE.split()}
for _meaning, _spellings in _SPELLINGS.items():
    for _word in (_meaning, *_spellings.split()):
        _MEANINGS.setdefault(_word, set()).add(_meaning)
_LONG = sorted((word for word in _MEANINGS if len(word) > 3), key=len)
_COMPOUND = re.compile("|".join(sorted(_MEANINGS, key=len, reverse=True)))


def meanings(path: str, *, in_layer: bool = False) -> Meanings:
    """Return the meanings in a module's path; an unknown spelling stands for itself.

    A part that is only a number has no meaning. What stands after `post` names another place than
    its own. `in_layer`, below a layer, the encoder is what attention crosses to.
    """
    found: set[str] = set()
    for part in path.split("."):
        if not part.isdigit():
            separated = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", part).lower()
            before = ""
            for token in re.findall(r"[^\W\d_]+|\d+", separated):
                said = _meanings_of(token)
                found |= {f"post {meaning}" for meaning in said} if before == "post" else said
                before = token
    if in_layer and "encoder" in found:
        found = found - {"encoder"} | {"cross"}
    return frozenset(found)


def _meanings_of(token: str) -> set[str]:
    if token in _MEANINGS:
        return _MEANINGS[token]
    parts = _COMPOUND.findall(token)  # encblock, qproj
    if "".join(parts) == token:
        return set().union(*(_MEANINGS[part] for part in parts))
    near = difflib.get_close_matches(token, _LONG, n=1, cutoff=0.8) if len(token) > 3 else []
    return _MEANINGS[near[0]] if near else {token}


def similarity(said: Meanings, meant: Meanings) -> float:
    """Return, from 0 to 1, how well a name's meanings agree with those of a place.

    Meanings that only the name has count most; those that it lacks count little.
    """
    shared = len(said & meant)
    if not shared:
        return 0.0
    return (shared / len(said) + 0.3 * 2 * shared / (len(said) + len(meant))) / 1.3
