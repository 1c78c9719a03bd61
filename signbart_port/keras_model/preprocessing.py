"""`data.preprocessing`, its `clip` and `normalize`, inside the graph: it then reads raw keypoints.

The same float32 operations in the same order as in NumPy, so the numbers are equal. Every one of
them is finite, whatever comes in: frames beyond the clip need no care but the attention mask. Made
for LiteRT: joints stand last, where slices and reductions are quick, and every slice keeps its
dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from keras import ops

from signbart_port.config.skeletons import MEDIAPIPE_75, Skeleton
from signbart_port.data.clip_fitting import Selection

Tensor = Any


def prepared(
    keypoints: Tensor,
    joint_idx: Sequence[int],
    *,
    count_missing: bool = True,
    layout: Literal["full", "selected"] = "full",
    skeleton: Skeleton = MEDIAPIPE_75,
    selection: Selection | None = None,
) -> Tensor:
    """Turn raw keypoints (B, T, K, 2) of the whole skeleton into the input of a model of these
    joints.

    They are of the skeleton that `joint_idx` counts in, or are brought to it by `selection` first.

    In the "full" layout (B, T, K, 2), where groups that the model does not read are clipped and no
    more; in the "selected" one (B, T, J, 2), the joints of `joint_idx` alone. K must be known, B
    and T need not be. `count_missing` as in `normalize`. Raises ValueError for fewer points than
    the skeleton has, and where `joint_idx` goes beyond K.
    """
    points = ops.transpose(keypoints, (3, 0, 1, 2))
    if selection:
        points = _selected(points, selection)
    joints = points.shape[-1]
    if joints < max(skeleton.points, 1 + max(joint_idx)):
        raise ValueError(f"{joints} keypoints: not the whole skeleton that the model reads")
    wanted = list(range(joints) if layout == "full" else joint_idx)
    groups = skeleton.spans(joints)
    read = [group for group in groups if not set(group).isdisjoint(joint_idx)]
    points = _clipped(points)
    boxes = _boxes(points, read, count_missing)
    parts, order = [], list[int]()
    for run in _runs(joints, groups):
        if set(run).isdisjoint(wanted):
            continue
        part = _joints(points, run)
        if run in read:
            start, side = (_joints(box, [read.index(run)]) for box in boxes)
            part = ops.relu((part - start) / side)  # a point left out of the box, (0, 0), stays
        parts.append(part)
        order += run
    normalized = ops.concatenate(parts, axis=-1)
    if order != wanted:
        normalized = ops.take(normalized, [order.index(joint) for joint in wanted], axis=-1)
    return ops.transpose(normalized, (1, 2, 3, 0))


def _selected(points: Tensor, selection: Selection) -> Tensor:
    """Return the points (2, B, T, K) of another skeleton, (0, 0) where there is none."""
    indices = selection.indices
    selected = ops.take(points, [max(index, 0) for index in indices], axis=-1)
    if min(indices) < 0:
        there = ops.convert_to_tensor([index >= 0 for index in indices])
        selected = ops.where(there, selected, 0.0)
    return selected


def _clipped(points: Tensor) -> Tensor:
    """Move points (2, B, T, K) into the picture, (0, 0) where a coordinate is not finite.

    By comparison and choice: what the minimum of a number and NaN is differs among processors.
    """
    zeros = points - points  # NaN where not finite
    finite = ops.equal(zeros[:1], zeros[1:])
    return ops.clip(ops.where(finite, points, 0.0), 0.0, 1.0)


def _boxes(
    points: Tensor, groups: Sequence[Sequence[int]], count_missing: bool
) -> tuple[Tensor, ...]:
    """Return where the box of each group starts, and its sides: two of (2, B, T, groups).

    A side of 0, which leaves its coordinate as it is, comes as a start of 0 and a side of 1.
    """
    if not groups:
        return ()
    lowest = points
    if not count_missing:  # 1 instead of 0: beyond the others, who are at most that
        lowest = points + ops.cast(ops.equal(points[:1] + points[1:], 0.0), points.dtype)
    low, high = (
        ops.concatenate([reduce(_joints(p, g), axis=-1, keepdims=True) for g in groups], axis=-1)
        for reduce, p in ((ops.min, lowest), (ops.max, points))
    )
    sides = high - low
    longer = ops.maximum(sides[:1], sides[1:])
    margin = _twentieth(longer) * longer + (longer - sides) / 2
    start, end = ops.relu(low - margin), ops.minimum(high + margin, 1.0)
    side = end - start
    wide = side > 0  # below 0 where every point is missing and none counts
    return ops.where(wide, start, 0.0), ops.where(wide, side, 1.0)


def _twentieth(of: Tensor) -> Tensor:
    """Return 0.05, in the shape of a finite tensor.

    Computed when the graph runs: as a constant, a float16 file would round it.
    """
    zero = of - of
    return (zero + 1) / (zero + 20)


def _runs(joints: int, groups: Sequence[range]) -> list[range]:
    """Return the groups, and the joints between them, in the order of the skeleton."""
    bounds = {0, joints, *(bound for group in groups for bound in (group.start, group.stop))}
    return [range(start, stop) for start, stop in pairwise(sorted(bounds))]


def _joints(points: Tensor, run: Sequence[int]) -> Tensor:
    return points[..., run[0] : run[-1] + 1]
