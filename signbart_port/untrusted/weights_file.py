"""The one checkpoint in a folder: of a training run, or of a release on a hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from signbart_port.errors import printable
from signbart_port.untrusted.file_kind import CHECKPOINTS, Kind, sniff
from signbart_port.untrusted.folder import files_under
from signbart_port.untrusted.refusal import Refusal, naming

TAKES = ".pth or .safetensors"
"""What to give where a checkpoint is wanted."""
INDEX = ".index.json"
"""How the name of an index of shards ends."""
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")
"""The name of a shard: stem, number, count, suffix."""
_OWN_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
SUFFIXES = (*_OWN_SUFFIXES, ".bin")
"""How the names of checkpoints end."""
_SUFFIXES = (*SUFFIXES, ".tar", ".pkl")
_BESIDE = re.compile(
    r"(optimizer|scheduler|scaler|rng_state|training_args|random_states)", re.IGNORECASE
)


def weights_file(path: str | os.PathLike[str], takes: str = TAKES) -> Path:
    """Return the one checkpoint in a folder, or the index of its shards; any other path as it is.

    What trainers keep beside it is passed over: states of optimizers, hidden names, `__MACOSX`.
    Raises PortError for a folder with none, or with several; it names the files that are taken.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    with naming(path):
        found = [one for one in files_under(path) if is_checkpoint(one)]
        if not found:
            raise Refusal("is a folder without a checkpoint", f"Give the file itself: a {takes}")
        if len(found) > 1:
            shown = ", ".join(printable(one.relative_to(path), 80) for one in found[:6])
            more = f" and {len(found) - 6} more" if len(found) > 6 else ""
            raise Refusal(
                f"is a folder with {len(found)} checkpoints: {shown}{more}", "Give one of them"
            )
        return found[0]


def is_checkpoint(path: Path) -> bool:
    """Return whether a file is a checkpoint or an index of shards, by its name where that is a
    checkpoint's, and not one of the shards."""
    if path.name.endswith(INDEX):
        return sniff(path) is Kind.INDEX
    if path.suffix.lower() not in _SUFFIXES or _BESIDE.match(path.name):
        return False
    shard = SHARD.fullmatch(path.name)
    if shard and path.with_name(f"{shard[1]}{shard[4]}{INDEX}").is_file():
        return False
    # A damaged one is not passed over: who reads it says what is wrong.
    return path.suffix.lower() in _OWN_SUFFIXES or sniff(path) in CHECKPOINTS
