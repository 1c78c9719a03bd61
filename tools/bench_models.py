"""The models that are measured, and the clips of a dataset for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from signbart_port import config as configs
from signbart_port.config import SignBartConfig
from signbart_port.model_files.checkpoint_model import open_checkpoint

_RANDOM = Path(__file__).with_name("random_checkpoint.py")


def sizes() -> dict[str, SignBartConfig]:
    """Return a small, a middle and a large model: 0.7, 4.4 and 27 million parameters."""
    large = {"d_model": 512, "encoder_layers": 3, "decoder_layers": 4, "num_labels": 2000}
    ffn = {"encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
    return {
        "LSA-64": configs.named("lsa-64"),
        "WLASL-2000": configs.named("wlasl-2000"),
        "100 MB": configs.named("lsa-64").replace(**large, **ffn),
    }


def make_checkpoint(folder: Path, config: SignBartConfig) -> Path:
    """Write a random checkpoint with its config beside it, made by PyTorch in a process of its
    own."""
    path = folder / "model.pth"
    text = config.model_dump_json()  # JSON is YAML
    subprocess.run([sys.executable, "-P", _RANDOM, text, path, "--bare"], check=True)
    path.with_suffix(".yaml").write_text(text)
    return path


def bare_checkpoint(folder: Path, checkpoint: Path) -> Path:
    """Write the weights of a checkpoint alone, as every peer can load them, and its config."""
    import torch

    source = open_checkpoint(checkpoint)
    path = folder / "model.pth"
    weights = source.reference_tensors.items()
    torch.save({name: torch.from_numpy(array.copy()) for name, array in weights}, path)
    path.with_suffix(".yaml").write_text(source.resolved.config.model_dump_json())
    return path


def relabeled(folder: Path, data: Path, labels: int) -> Path:
    """Give the dataset `data` as many labels as a model has: a random one knows none anyway.

    Its clips are linked, not copied. Returns `data` itself where the number is right.
    """
    names = list(json.loads((data / "label2id.json").read_text()))
    if len(names) == labels:
        return data
    if len(names) > labels:
        raise ValueError(f"{data} has {len(names)} labels, the model {labels}")
    root = folder / "data"
    root.mkdir()
    for split in data.iterdir():
        if split.is_dir():
            (root / split.name).symlink_to(split.resolve(), target_is_directory=True)
    names += [f"filler {i}" for i in range(labels - len(names))]
    (root / "label2id.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    return root
