"""How much faster training is than a plain loop, and how equal the two frameworks are, in one run.

    python tools/bench_training.py [--data DIR] [--config FILE|NAME] [--batch-size N] [--rounds N]

The plain loop is what is often written: one clip at a time, read again and normalized in Python
frame by frame. In each framework, a process of its own, both train on the same clips in turns;
medians of samples a second are printed, and their ratio. Without --data the signs are synthetic.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from bench_preprocessing import prepare_by_loops
from bench_turns import medians
from signbart_port.data import samples, synthetic
from signbart_port.data.batches import Batch
from signbart_port.data.prefetch import Prefetcher
from signbart_port.data.preprocessing import pad
from signbart_port.training.request import TrainingOptions, TrainingPlan
from signbart_port.training.run import Job

PLAIN = 32  # clips of the plain loop in a round: it is slow

Step = Callable[[Batch], None]


def pytorch(job: Job) -> Step:
    """Return a step of training in PyTorch."""
    import torch

    from pt_reference import SignBart
    from signbart_port.training.torch_fit import load, optimizer_of, train_step

    model, settings = SignBart(job.config).train(), job.settings
    load(model, job.weights)
    optimizer = optimizer_of(model, settings.weight_decay)

    def step(batch: Batch) -> None:
        tensors = {name: torch.as_tensor(values) for name, values in vars(batch).items()}
        train_step(model, optimizer, tensors, settings.learning_rate, settings)

    return step


def keras(job: Job) -> Step:
    """Return a step of training in Keras."""
    from signbart_port.training.keras_fit import learner_of

    _, learner = learner_of(job)

    def step(batch: Batch) -> None:
        inputs = {"keypoints": batch.keypoints, "attention_mask": batch.attention_mask}
        learner.train_on_batch(inputs, batch.labels, batch.weights)

    return step


FRAMEWORKS = {"PyTorch": pytorch, "Keras": keras}


def measured(framework: str, job: Job, rounds: int) -> dict[str, float]:
    """Measure the samples per second of an epoch and of the plain loop, and the share of waiting
    for data."""
    step, feed = FRAMEWORKS[framework](job), job.feed()
    waits = list[float]()

    def epoch() -> None:
        start = time.perf_counter()
        with Prefetcher(feed.batches(1 + len(waits))) as batches:
            for batch in batches:
                step(batch)
        waits.append(batches.waited / (time.perf_counter() - start))

    def plain() -> None:
        for entry in job.train.entries[:PLAIN]:
            clip = prepare_by_loops(samples.read(entry.path).keypoints)
            step(Batch(*pad([clip]), np.array([entry.id]), np.ones(1, np.float32), 1))

    for warm_up in (epoch, plain):  # the first time, Keras makes its graph
        warm_up()
    seconds = medians({"ours": epoch, "plain": plain}, rounds, warm=False)
    return {
        "ours": len(job.train) / seconds["ours"],
        "plain": min(PLAIN, len(job.train)) / seconds["plain"],
        "waiting": median(waits[1:]),
    }


def job_of(data: Path, config: str, batch_size: int) -> Job:
    override = {"data_root": data, "batch_size": batch_size, "gradient_clip": 1.0}
    plan = TrainingPlan(TrainingOptions(config=config, override=override))
    return plan.job(plan.data.parts(plan.settings), plan.settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a dataset; default: 300 synthetic clips")
    parser.add_argument("--config", default="lsa-64", help="default: lsa-64, the model's sizes")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--framework", choices=FRAMEWORKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.framework:  # a process for each: they do not mix well in one
        job = job_of(arguments.data, arguments.config, arguments.batch_size)
        print(json.dumps(measured(arguments.framework, job, arguments.rounds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = (
            arguments.data
            or synthetic.write(Path(folder) / "signs", classes=64, repetitions=1).root
        )
        table = Table("", "samples/s", "plain loop", "times as fast", "waiting for data")
        for framework in FRAMEWORKS:
            options = ("--config", arguments.config, "--batch-size", str(arguments.batch_size))
            command = [sys.executable, __file__, "--framework", framework, "--data", str(data)]
            command += [*options, "--rounds", str(arguments.rounds)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            ours, plain = found["ours"], found["plain"]
            figures = (
                f"{ours:.0f}",
                f"{plain:.1f}",
                f"{ours / plain:.1f}x",
                f"{found['waiting']:.1%}",
            )
            table.add_row(framework, *figures)
        Console().print(table)


if __name__ == "__main__":
    main()
