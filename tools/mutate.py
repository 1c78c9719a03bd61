"""Does `verify` catch what can go wrong, and blame the right module? Seeded faults, one at a time.

    python tools/mutate.py [--seed N] [--list]

Every fault is made in a real model file or in the real Keras model, and judged by the real
`signbart_port.verify`. Only PyTorch's run, which is the same for every fault, is kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import signbart_port
from faults import Arrays, Fault, every
from signbart_port import PortError, transfer
from signbart_port.keras_model import SignBart
from signbart_port.keras_model import weights as keras_weights
from signbart_port.model_files import h5, keras_h5, model_file
from signbart_port.model_files.checkpoint_model import CheckpointModel, open_checkpoint
from signbart_port.model_files.config_resolution import Options
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.parity.report import Report
from signbart_port.tflite.modes import Quantization
from signbart_port.transfer import Direction
from signbart_port.verbs import _sides

FRAMES = 8  # of the .tflite files
SAMPLE = Path(__file__).parents[1] / "samples" / "synthetic-signs.pth"


@dataclass(frozen=True)
class Outcome:
    """The verdict of `verify` on a fault: `report` is None if it refused the file."""

    fault: Fault
    report: Report | None

    @property
    def caught(self) -> bool:
        return self.report is None or not self.report.passed

    @property
    def blamed(self) -> str:
        return self.report.blame.module if self.report and self.report.blame else ""

    @property
    def right(self) -> bool:
        return self.caught and self.blamed in self.fault.modules

    @property
    def margin(self) -> float:
        """The distance of the blamed output beyond its limit.

        NaN for a bit in a file: most are too small for any output, and the weights tell them all.
        """
        blame = self.report.blame if self.report else None
        if self.fault.group.startswith(".") or blame is None or blame.row is None:
            return np.nan
        return blame.row.error / blame.row.limit

    @property
    def margin_float64(self) -> float:
        """The same of the output that is furthest beyond its limit in float64; NaN without one."""
        structure = self.report.structure if self.report else ()
        shares = [row.error / row.limit for row in structure if row.limit]
        return np.nan if self.fault.group.startswith(".") else max(shares, default=np.nan)


class Chain:
    """A checkpoint, its PyTorch run, and a plain .h5 of it (no digests) to make faults in."""

    def __init__(self, checkpoint: Path, folder: Path, options: Options = Options()) -> None:
        self.folder, self.options = folder, options
        self.checkpoint = checkpoint
        self.source = open_checkpoint(checkpoint, options)
        self.right = folder / "right.h5"
        model = SignBart(self.source.resolved.config)
        keras_weights.assign(model, self._place(self.source.plan))
        model.save(self.right)
        self.model = model
        modes = [q.value for q in Quantization if not q.calibrated]
        self.files = {mode: folder / f"{mode}.tflite" for mode in modes}
        for quantization, path in self.files.items():
            signbart_port.to_tflite(self.right, path, quantization=quantization, frames=FRAMES)

    def faults(self, seed: int) -> list[Fault]:
        return every(self.source.plan, self.model, self.files, seed)

    @contextmanager
    def pytorch(self) -> Iterator[None]:
        """Let every `verify` within use one run of PyTorch."""
        runs: dict[int, Any] = {}

        with ExitStack() as stack:

            def kept(source: CheckpointModel, inputs: Any, *, truth: bool) -> Any:
                key = inputs.attention_mask.shape[1]
                if key not in runs:
                    runs[key] = stack.enter_context(torch_run(source, inputs, truth=truth))
                return nullcontext(runs[key])

            with mock.patch.object(_sides, "torch_run", kept):
                yield

    def judge(self, fault: Fault) -> Outcome:
        """Run `verify` on the checkpoint and a .h5 or a Keras model that has the fault.

        A fault of the mapping is in force on both ways, as it would be: the weights alone cannot
        show it. One of a .tflite is judged against the right .h5.
        """
        if fault.quantization:
            return self._judge_tflite(fault)
        plan = fault.plan(self.source.plan)
        weights = dict(self._place(plan))
        fault.weights(weights)
        wrong = self.folder / "wrong.h5"
        _write(self.right, wrong, weights)
        build = keras_h5.build

        def faulty(file: KerasModel, dtype: str | None = None) -> SignBart:
            model = build(file, dtype)
            fault.model(model)
            return model

        with (
            fault.during(),
            mock.patch.object(keras_h5, "build", faulty),
            mock.patch.object(model_file, "open_checkpoint", lambda *a, **k: self._source(plan)),
        ):
            try:
                return Outcome(fault, signbart_port.verify(self.checkpoint, wrong, self.options))
            except PortError:
                return Outcome(fault, None)

    def _judge_tflite(self, fault: Fault) -> Outcome:
        data = bytearray(self.files[fault.quantization].read_bytes())
        fault.file(data)
        wrong = self.folder / "wrong.tflite"
        wrong.write_bytes(data)
        try:
            return Outcome(fault, signbart_port.verify(self.right, wrong))
        except PortError:
            return Outcome(fault, None)

    def _source(self, plan: transfer.Plan) -> CheckpointModel:
        return CheckpointModel(self.source.checkpoint, self.source.resolved, plan)

    def _place(self, plan: transfer.Plan) -> Iterator[tuple[str, np.ndarray]]:
        return transfer.apply(plan, Direction.TORCH_TO_KERAS, self.source.checkpoint.tensors)


def _write(right: Path, wrong: Path, weights: Arrays) -> None:
    """Write a copy of a .h5 with these weights."""
    wrong.write_bytes(right.read_bytes())
    with h5py.File(wrong, "r+") as file:
        for name, dataset in h5._datasets(wrong, file):
            dataset[...] = weights[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print every fault and its verdict")
    parser.add_argument("--out", type=Path, help="also write every verdict here, as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(SAMPLE, Path(folder))
        faults = chain.faults(arguments.seed)
        with chain.pytorch():
            outcomes = [chain.judge(fault) for fault in track(faults, "Verifying")]
    show(outcomes, arguments.list)
    if arguments.out:
        arguments.out.write_text(json.dumps(as_dict(arguments.seed, outcomes), indent=1) + "\n")


def as_dict(seed: int, outcomes: list[Outcome]) -> dict[str, Any]:
    """Return every verdict, in plain data."""
    faults = [
        {
            "group": o.fault.group,
            "fault": o.fault.name,
            "caught": o.caught,
            "blamed": o.blamed,
            "right": o.right,
            "margin": float(o.margin) if np.isfinite(o.margin) else None,
        }
        for o in outcomes
    ]
    return {"seed": seed, "faults": faults}


def show(outcomes: list[Outcome], everything: bool) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for o in outcomes:
        if everything or not o.right:
            state = "right" if o.right else "WRONG BLAME" if o.caught else "NOT CAUGHT"
            cause = o.report.blame.cause if o.report and o.report.blame else ""
            beyond = f"{o.margin:.3g} {o.margin_float64:.3g}"
            console.print(f"{state}: {o.fault.name} -> {o.blamed or '-'} {beyond} {cause}")
    table = Table(
        "faults in", "made", "caught", "blamed right", "smallest error / limit", "in float64"
    )
    groups = {
        o.fault.group: [p for p in outcomes if p.fault.group == o.fault.group] for o in outcomes
    }
    for name, some in (*groups.items(), ("all", outcomes)):
        margins = [o.margin for o in some if np.isfinite(o.margin)]
        doubles = [o.margin_float64 for o in some if np.isfinite(o.margin_float64)]
        table.add_row(
            name,
            str(len(some)),
            str(sum(o.caught for o in some)),
            str(sum(o.right for o in some)),
            f"{min(margins):.3g}" if margins else "",
            f"{min(doubles):.3g}" if doubles else "",
        )
    console.print(table)


if __name__ == "__main__":
    main()
