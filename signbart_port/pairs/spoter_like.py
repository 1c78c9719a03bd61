"""A classifier of signs after the idea of SPOTER (Boháček and Hrúz, 2022), in code of our own.

Poses and learned positions are encoded; one learned query, decoded against them, has the logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from signbart_port.parity.pair import Case, Pair, Signature, Tap

_SIZES = ("width", "heads", "inner", "layers", "frames", "labels")


class SpoterLike(Pair):
    """The config: `width`, `heads`, `inner`, `layers` of either side, `frames`, `labels`."""

    mapping = "spoter_like.yaml"
    example: ClassVar = dict(zip(_SIZES, (24, 4, 40, 2, 12, 5), strict=True))

    @property
    def custom_objects(self) -> Mapping[str, type]:
        from signbart_port.pairs.spoter_like_keras import ClassQuery

        return {"signbart_port>ClassQuery": ClassQuery}

    def read_config(self, stated: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, int]:
        values = {**stored, **stated}
        if missing := [name for name in _SIZES if not isinstance(values.get(name), int)]:
            raise ValueError(f"the config has no number for {', '.join(missing)}")
        if values["heads"] < 1 or values["width"] % values["heads"]:
            raise ValueError(f"width is {values['width']}, no multiple of heads, {values['heads']}")
        return {name: values[name] for name in _SIZES}

    def torch_model(self, config: Mapping[str, int]) -> Any:
        from signbart_port.pairs.spoter_like_torch import PoseClassifier

        return PoseClassifier(**config)

    def keras_model(self, config: Mapping[str, int]) -> Any:
        from signbart_port.pairs.spoter_like_keras import pose_classifier

        return pose_classifier(**config)

    def cases(self, config: Mapping[str, int], seed: int) -> Sequence[Case]:
        frames = min(config["frames"], 12)
        poses = np.random.default_rng(seed).standard_normal((2, frames, config["width"]))
        real = np.arange(frames) < np.array([[frames], [max(1, 2 * frames // 3)]])
        inputs = {"poses": poses.astype(np.float32), "mask": real.astype(np.int32)}
        return [Case("two clips", inputs, inputs, {"time": real})]

    def taps(self, config: object) -> Mapping[str, Tap]:
        return {"transformer.encoder*": Tap("batch time channel", part=0), "*": Tap(part=0)}

    def vary(self, config: Mapping[str, int]) -> Sequence[Mapping[str, Any]]:
        return [{"heads": 6}, {"layers": 1}, {"inner": 24}, {"frames": 30}]

    def tflite(self, config: Mapping[str, int]) -> Sequence[Signature]:
        inputs = {"poses": (1, None, config["width"]), "mask": (1, None)}
        logits = {"logits": (1, config["labels"])}
        return [Signature("serving_default", inputs, logits, {"mask": "int32"})]
