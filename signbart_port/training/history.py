"""The history of a training so far, an epoch a line, and what follows from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from signbart_port.system import atomic_output


@dataclass(frozen=True)
class Epoch:
    """An epoch: `loss` and `accuracy` of its batches, each as it was before its step; the `val_`
    ones of the validation clips after it.

    `seconds` is the time of its steps alone, `waiting` the share of it in which they stood still
    for want of a batch.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    val_top5: float
    learning_rate: float
    seconds: float
    waiting: float

    def measures(self) -> dict[str, float]:
        """Return everything but its number."""
        return {name: value for name, value in asdict(self).items() if name != "epoch"}

    def better_than(self, other: Epoch) -> bool:
        """Compare by validation accuracy; among equal ones, by the lower loss."""
        return (self.val_accuracy, -self.val_loss) > (other.val_accuracy, -other.val_loss)


History = tuple[Epoch, ...]


def best(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch whose model is kept; the first of equal ones."""
    found = history[0]
    for epoch in history[1:]:
        if epoch.better_than(found):
            found = epoch
    return found


def stops(history: Sequence[Epoch], patience: int | None) -> bool:
    """Return whether the last `patience` epochs brought no improvement."""
    return patience is not None and history[-1].epoch - best(history).epoch >= patience


def plain(history: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Return the history as a checkpoint keeps it."""
    return [asdict(epoch) for epoch in history]


def of_plain(epochs: Sequence[Mapping[str, Any]]) -> History:
    """Invert `plain`. Raises TypeError for anything else."""
    return tuple(Epoch(**epoch) for epoch in epochs)


def write_csv(path: Path, history: Sequence[Epoch]) -> None:
    """Write the log as a complete table: surplus lines of a killed training disappear."""
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    table.writeheader()
    table.writerows(plain(history))
    with atomic_output.replacing(path, force=True) as temp:
        temp.write_text(text.getvalue())


def draw(path: Path, history: Sequence[Epoch]) -> None:
    """Draw the curves of loss, accuracy and learning rate."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.5), layout="constrained")
    epochs = [epoch.epoch for epoch in history]
    chosen = best(history).epoch
    for axes, (title, names) in zip(figure.subplots(1, 3), _CURVES.items(), strict=True):
        for name, label in names.items():
            axes.plot(epochs, [getattr(epoch, name) for epoch in history], label=label, marker=".")
        axes.axvline(chosen, color="0.7", linestyle=":", label=f"best, epoch {chosen}")
        axes.set(title=title, xlabel="epoch")
        axes.legend()
    figure.axes[1].set_ylim(0, 1.02)
    figure.axes[2].set_yscale("log")
    with atomic_output.replacing(path, force=True) as temp:
        figure.savefig(temp, dpi=100)


_CURVES = {
    "loss": {"loss": "training", "val_loss": "validation"},
    "accuracy": {"accuracy": "training", "val_accuracy": "validation", "val_top5": "top five"},
    "learning rate": {"learning_rate": "at the end of the epoch"},
}
