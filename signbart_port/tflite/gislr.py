"""The interface of Kaggle's competitions of isolated signs, `tflite --contract gislr`.

Its runner calls the signature `serving_default` with a clip as the competition's tables have it:
`inputs` (T, 543, 3), x, y and z of Holistic's points, NaN where one is missing. It reads `outputs`
(labels,). There is no mask: a clip is as long as it is.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from signbart_port.config.skeletons import KNOWN

T = TypeVar("T")
NAME = "gislr"
SKELETON = KNOWN["holistic-543"]
INPUT, OUTPUT = "inputs", "outputs"
SHAPE = (None, SKELETON.points, 3)
"""That of the input."""
MOST_BYTES = 40_000_000
MOST_MILLISECONDS = 100.0
"""The competition's limits on a file, and on the time of a clip."""


def contract_of(inputs: Container[str]) -> str | None:
    """Return the contract of a signature with these inputs; None for SignBART's own interface."""
    return NAME if INPUT in inputs else None


def keypoints_of(inputs: Mapping[str, T]) -> T:
    """Return, of the inputs of a signature, that of keypoints, whichever its interface."""
    return inputs[INPUT if INPUT in inputs else "keypoints"]


def is_signature(inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]]) -> bool:
    """Return whether a signature is the contract's, by the shapes of what it takes and gives, -1
    for a dimension that is set at run time."""
    return (
        {name: tuple(shape) for name, shape in inputs.items()} == {INPUT: (-1, *SHAPE[1:])}
        and [*outputs] == [OUTPUT]
        and len(outputs[OUTPUT]) == 1
    )


def arguments(keypoints: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return a clip (T, 543, 2) as the signature takes it. Its z are missing: nothing reads
    them."""
    depths = np.full_like(keypoints[..., :1], np.nan)
    return {INPUT: np.concatenate([keypoints, depths], axis=-1)}
