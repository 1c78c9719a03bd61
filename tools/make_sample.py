"""Train the bundled sample checkpoint on SYNTHETIC signs, and write `samples/`.

    python tools/make_sample.py

Seeded and on one thread: on the same machine with the same versions, the same files byte for byte.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pt_reference import SignBart
from signbart_port.data.preprocessing import Floats, pad, prepare
from signbart_port.data.synthetic.signers import Signer, invent_signer, perform
from signbart_port.data.synthetic.signs import SIGNS
from signbart_port.system import digest

CONFIG: dict[str, Any] = {
    "d_model": 64,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": 64,
    "num_labels": len(SIGNS),
    "keypoint_config": "pose_hands",
    "activation_dropout": 0.1,
    "classifier_dropout": 0.4,
}
SEED, BATCH, LEARNING_RATE = 379, 16, 1e-3
SIGNERS, EPOCHS = 60, 16
HELD_OUT = range(1000, 1020)  # signers; training takes 0, 1 ...
REPETITIONS = 2
WANTED = 0.95

README = """# The sample: SYNTHETIC signs

`synthetic-signs.pth` is a small SignBART ({parameters:,} parameters) for demonstrations and tests. It knows {labels} signs of
`signbart_port/data/synthetic/`: a drawn skeleton moves, nobody signed, no data of real people went in, and the signs
belong to no sign language. It cannot recognize real signing.

| file | contents |
|---|---|
| `synthetic-signs.pth` | training container: `model` (weights), `config`, `epoch`; {size:,} bytes |
| `clips.npz` | one clip of each sign, each by a different held-out signer, raw: `keypoints` (all frames one after the other, 75, 2), `lengths`, `labels`, `signers` |
| `labels.json` | label to name |

Made by

    python tools/make_sample.py

in about a minute: {signers} invented signers × {labels} signs × {repetitions} clips, {epochs} epochs of `pt_reference`, seed {seed}, one thread, torch
{torch}, numpy {numpy}. On the same machine the result is the same byte for byte; on another machine or with other
versions it may differ in the last bits.

Held-out accuracy: {right} of {of} clips ({accuracy:.1%}), by {held_out} signers that were not in the training.

sha256 of `synthetic-signs.pth`: `{sha256}`
"""  # noqa: E501  table rows cannot be wrapped


def signer(number: int) -> Signer:
    """Return the signer of this number, always the same."""
    return invent_signer(np.random.default_rng([number, 0]))


def clips(signers: Iterable[int], repetitions: int) -> tuple[list[Floats], NDArray[np.int64]]:
    """Make every sign by every signer, each `repetitions` times: clips, and indices into SIGNS."""
    made: list[Floats] = []
    for number in signers:
        rng = np.random.default_rng([number, 1])
        for _ in range(repetitions):
            made += [perform(sign, signer(number), rng) for sign in SIGNS]
    return made, np.arange(len(made)) % len(SIGNS)


def train(signers: int = SIGNERS, epochs: int = EPOCHS) -> SignBart:
    """Return a SignBART trained on the signs of the first `signers` signers."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    raw, labels = clips(range(signers), REPETITIONS)
    prepared, answers = [prepare(clip) for clip in raw], torch.from_numpy(labels)
    model = SignBart(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters())
    steps = epochs * -(-len(raw) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps)
    for epoch in range(1, epochs + 1):
        losses = []
        for chosen in torch.split(torch.randperm(len(raw)), BATCH):
            loss, _ = model(*batch([prepared[i] for i in chosen]), answers[chosen])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch:2} of {epochs}: loss {np.mean(losses):.4f}", flush=True)
    return model.eval()


def batch(prepared: Sequence[Floats]) -> tuple[Tensor, Tensor]:
    """Return keypoints (N, T, 75, 2) and attention mask (N, T)."""
    keypoints, mask = pad(prepared)
    return torch.from_numpy(keypoints), torch.from_numpy(mask)


def save(model: SignBart, path: Path) -> None:
    """Save a training container without the optimizer, whose state is twice the weights."""
    torch.save({"model": model.state_dict(), "config": CONFIG, "epoch": EPOCHS}, path)


def save_clips(path: Path) -> None:
    """Save one held-out clip of each sign, each by another signer."""
    signers = HELD_OUT[: len(SIGNS)]
    chosen = [clips([signer], 1)[0][label] for label, signer in enumerate(signers)]
    np.savez_compressed(
        path,
        keypoints=np.concatenate(chosen).astype(np.float16),  # finer than a pixel
        lengths=[len(clip) for clip in chosen],
        labels=np.arange(len(SIGNS)),
        signers=signers,
    )


def main(out: Path) -> None:
    model = train()
    raw, labels = clips(HELD_OUT, REPETITIONS)
    with torch.inference_mode():
        _, logits = model(*batch([prepare(clip) for clip in raw]))
    right = int((logits.argmax(dim=1).numpy() == labels).sum())
    if right < WANTED * len(raw):
        sys.exit(
            f"{right} of {len(raw)} held-out clips right, {WANTED:.0%} are wanted: not written"
        )
    out.mkdir(exist_ok=True)
    checkpoint = out / "synthetic-signs.pth"
    save(model, checkpoint)
    save_clips(out / "clips.npz")
    names = {str(number): sign.label for number, sign in enumerate(SIGNS)}
    (out / "labels.json").write_text(json.dumps(names, indent=2) + "\n")
    text = README.format(
        parameters=sum(p.numel() for p in model.parameters()),
        labels=len(SIGNS),
        size=checkpoint.stat().st_size,
        signers=SIGNERS,
        repetitions=REPETITIONS,
        epochs=EPOCHS,
        seed=SEED,
        torch=torch.__version__,
        numpy=np.__version__,
        right=right,
        of=len(raw),
        accuracy=right / len(raw),
        held_out=len(HELD_OUT),
        sha256=digest.of_file(checkpoint),
    )
    (out / "README.md").write_text(text)
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).parents[1] / "samples"
    parser.add_argument("--out", type=Path, default=default, help="default: samples/")
    main(parser.parse_args().out)
