"""The same twenty steps for both frameworks: a job, its batches and its learning rates."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from signbart_port.data.batches import Batch
from signbart_port.training.initial import drawn
from signbart_port.training.run import Job
from signbart_port.training.schedule import learning_rate
from tests.support.small_models import LSA_64, small_config
from tests.support.small_trainings import job_of

STEPS = 20
CONFIGS = {
    "tiny": small_config(
        max_position_embeddings=64,
        encoder_layers=1,
        decoder_layers=1,
        joint_idx=(11, 40, 12, 33, 60, 74),
        skeleton="mediapipe-75",
    ),
    "lsa-64": LSA_64,
}


def the_job(config: Path, signs: Path, name: str) -> Job:
    """Make a job with all options of AdamW, and no dropout, which no two frameworks draw alike."""
    job = job_of(
        config,
        signs,
        learning_rate=1e-3,
        scheduler="one-cycle",
        gradient_clip=0.5,
        weight_decay=0.05,
        label_smoothing=0.1,
    )
    rates = {key for key in LSA_64.model_dump() if key.endswith("dropout")}
    model = CONFIGS[name].replace(**dict.fromkeys(rates, 0.0))
    return replace(job, config=model, weights=drawn(model, 379))


def batches_of(job: Job) -> list[Batch]:
    every = (batch for epoch in itertools.count(1) for batch in job.feed().batches(epoch))
    return list(itertools.islice(every, STEPS))


def rate_of(job: Job, step: int) -> float:
    return learning_rate(job.settings, [], step, STEPS)
