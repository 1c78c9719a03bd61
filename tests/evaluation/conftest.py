"""An evaluation by hand, of as many models and classes as a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from signbart_port.evaluation.figures import scores
from signbart_port.evaluation.result import Evaluation, Load, ModelScore

Make = Callable[..., Evaluation]


@pytest.fixture(scope="session")
def make() -> Make:
    def made(labels: Sequence[str], models: int = 1, clips: int = 4) -> Evaluation:
        random, count = np.random.default_rng(0), len(labels)
        targets = np.repeat(np.arange(count), clips)
        found = []
        for number in range(models):
            given = random.random((len(targets), count), dtype=np.float32)
            given[np.arange(len(targets)), targets] += 0.6
            load = Load(40, 1_000_000)
            figures = scores(given, targets, labels, (None,) * len(targets))
            found.append(ModelScore(f"{number}.h5", "Keras", 10_000, 1000, load, load, figures))
        return Evaluation("signs", "test", (), tuple(labels), len(targets), tuple(found), ())

    return made
