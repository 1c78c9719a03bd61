"""Random weights that hide nothing.

A fresh model has biases of zero, gains of one and kernels so small that attention is even: swapped
biases, a missing gain, exchanged queries and keys do not show in its outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

_SPREAD = 0.2


def perturbed(
    tensors: Mapping[str, NDArray[np.generic]], seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Return other values for PyTorch's tensors of a floating type, by name; the rest is left out.

    Matrices and kernels keep the variance of what goes through them: normal values over the root of
    the number of inputs. Vectors, such as biases and gains, get normal values of a fifth besides
    their own. Variances stay positive.
    """
    random = np.random.default_rng(seed)
    made = {}
    for name, tensor in tensors.items():
        if not np.issubdtype(tensor.dtype, np.floating):
            continue
        normal = random.standard_normal(tensor.shape)
        if name.endswith("var"):
            values = np.exp(_SPREAD * normal)
        elif tensor.ndim > 1:
            values = normal / np.sqrt(prod(tensor.shape[1:]))
        else:
            values = tensor.astype(np.float64) + _SPREAD * normal
        made[name] = values.astype(np.float32)
    return made
