"""The pair `spoter-like` on a dataset: the same clips classified by PyTorch, Keras and LiteRT.

    signbart-port data synth signs/
    python tools/spoter_like.py signs/ OUT [--epochs N] [--seed N]

Trains the PyTorch model on the clips of train, unless OUT has a `pose.pth` already, carries it to
OUT/pose.keras, and makes a .tflite of every float mode, each with its proof. Prints how many clips
of test each file classifies right. Exit code 1: some clip has another class in Keras or in the
float32 .tflite than in PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import signbart_port
from signbart_port.config.skeletons import MEDIAPIPE_75
from signbart_port.data import clips, preprocessing
from signbart_port.data.dataset import open_dataset
from signbart_port.data.model_interface import Interface
from signbart_port.pairs.spoter_like import SpoterLike
from signbart_port.system.stderr import silenced_stderr

Floats = NDArray[np.float32]
PAIR = "spoter-like"
POINTS = 75
SIZES = {"width": 2 * POINTS, "heads": 6, "inner": 128, "layers": 2}
BATCH, RATE = 32, 3e-4
MODES = {"pose.tflite": "none", "pose-float16.tflite": "float16", "pose-dynamic.tflite": "dynamic"}
EXACT = ("pose.pth", "pose.keras", "pose.tflite")
"""The files whose classes must be the same; the others have rounded weights."""


@dataclass(frozen=True)
class Poses:
    """The clips of a split as the model reads them."""

    poses: Floats  # (N, T, width), padded with zeros
    mask: NDArray[np.int32]  # (N, T)
    targets: NDArray[np.int64]

    @property
    def inputs(self) -> dict[str, NDArray[Any]]:
        return {"poses": self.poses, "mask": self.mask}


@dataclass(frozen=True)
class AllJoints:
    """What the model reads of a skeleton."""

    layout = "full"
    joint_idx = tuple(range(POINTS))


def read(root: Path, *, test: bool) -> tuple[Poses, int]:
    """Return the usual split, normalized as SignBART's clips are, and the number of labels."""
    dataset = open_dataset(root)
    split = clips.usual_split(dataset, test=test)
    found = clips.loaded(dataset, dataset.split(split), skip_bad=False)
    interface, most = Interface(POINTS, skeleton=MEDIAPIPE_75), preprocessing.MOST_FRAMES
    fitted = [interface.prepare_clip(clip, AllJoints(), most) for clip in found.keypoints]
    keypoints, mask = preprocessing.pad(fitted, most)
    poses = keypoints.reshape(*mask.shape, SIZES["width"])
    return Poses(poses, mask.astype(np.int32), found.targets), len(dataset.labels)


def train(split: Poses, config: dict[str, int], epochs: int, seed: int, out: Path) -> float:
    """Train from a seed, write the checkpoint, and return the last epoch's mean loss."""
    import torch

    torch.manual_seed(seed)
    model = SpoterLike().torch_model(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    tensors = [torch.from_numpy(a) for a in (split.poses, split.mask, split.targets)]
    losses = [0.0]
    for _ in range(epochs):
        losses = []
        for indices in torch.split(torch.randperm(len(split.targets)), BATCH):
            poses, mask, targets = (tensor[indices] for tensor in tensors)
            loss = loss_of(model(poses, mask), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    torch.save({"model": model.state_dict(), "config": config}, out)
    return float(np.mean(losses))


def by_pytorch(path: Path, split: Poses) -> Floats:
    """Return the logits of a checkpoint."""
    import torch

    stored = torch.load(path, weights_only=True)
    model = SpoterLike().torch_model(stored["config"])
    model.load_state_dict(stored["model"])
    with torch.no_grad():
        inputs = {name: torch.from_numpy(array) for name, array in split.inputs.items()}
        logits: Floats = model.eval()(**inputs).numpy()
    return logits


def by_keras(path: Path, split: Poses) -> Floats:
    """Return the logits of a .keras."""
    import keras

    objects = dict(SpoterLike().custom_objects)
    model = keras.saving.load_model(path, custom_objects=objects, compile=False)
    return np.asarray(model(split.inputs, training=False))


def by_litert(path: Path, split: Poses) -> Floats:
    """Return the logits of a .tflite, which takes one clip at a time."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner("serving_default")
    pairs = zip(split.poses, split.mask, strict=True)
    return np.concatenate([run(poses=p[None], mask=m[None])["logits"] for p, m in pairs])


READERS: dict[str, Callable[[Path, Poses], Floats]] = {
    ".pth": by_pytorch,
    ".keras": by_keras,
    ".tflite": by_litert,
}


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call in a process of its own: the frameworks do not mix well in one."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_quietly, function, *arguments).result()


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    with silenced_stderr():
        return function(*arguments)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    checkpoint, keras_file = options.out / EXACT[0], options.out / EXACT[1]
    if not checkpoint.exists():
        split, labels = read(options.data, test=False)
        config = SIZES | {"frames": preprocessing.MOST_FRAMES, "labels": labels}
        loss = alone(train, split, config, options.epochs, options.seed, checkpoint)
        print(f"trained on {len(split.targets)} clips: loss {loss:.3g}")
    converted = signbart_port.convert_pair(checkpoint, PAIR, keras_file, force=True)
    assert converted.report is not None
    print(converted.report.verdict())
    print(converted.report.structure_sentence())
    for name, mode in MODES.items():
        out = options.out / name
        signbart_port.to_tflite_pair(keras_file, PAIR, out, quantization=mode, force=True)
    split, _ = read(options.data, test=True)
    return compare({name: options.out / name for name in (*EXACT[:2], *MODES)}, split)


def compare(files: Mapping[str, Path], split: Poses) -> int:
    """Print how many clips each file classifies right, and return the exit code."""
    logits = {name: alone(READERS[path.suffix], path, split) for name, path in files.items()}
    expected = logits[EXACT[0]]
    for name, got in logits.items():
        right = int((got.argmax(-1) == split.targets).sum())
        apart = f"logits at most {np.abs(got - expected).max():.1e} from PyTorch's"
        print(f"{name:20} {right} of {len(split.targets)} clips right, {apart}")
    return int(any((logits[name].argmax(-1) != expected.argmax(-1)).any() for name in EXACT))


if __name__ == "__main__":
    sys.exit(main())
