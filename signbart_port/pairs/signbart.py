"""SignBART as a pair: what the proof knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from signbart_port.config import SignBartConfig
from signbart_port.config.validation import problems
from signbart_port.data.model_inputs import Inputs
from signbart_port.pairs import signbart_cases
from signbart_port.pairs.signbart_diagnosis.search import Search
from signbart_port.parity.pair import Arrays, Case, Pair, Tap
from signbart_port.parity.taps import LOGITS

if TYPE_CHECKING:
    import pt_reference
    from signbart_port.keras_model import SignBart
    from signbart_port.parity.blame import Finder

_WHOLE = "batch one channel"  # of one frame, the classified one


class SignBartPair(Pair):
    """`pt_reference.SignBart` and `keras_model.SignBart`."""

    mapping = Path(str(resources.files("signbart_port.mappings"))) / "signbart.yaml"
    example: ClassVar = {
        "d_model": 8,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 12,
        "decoder_layers": 3,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 10,
        "max_position_embeddings": 16,
        "num_labels": 5,
        "joint_idx": [11, 0, 2, 3, 5, 7],
    }

    def read_config(self, stated: Mapping[str, Any], stored: Mapping[str, Any]) -> SignBartConfig:
        """Return the validated config. Raises ValueError for values that are none."""
        try:
            return SignBartConfig(**{**stored, **stated})
        except ValidationError as error:
            raise ValueError(problems(error)[0]) from None

    def sizes(self, config: SignBartConfig) -> Mapping[str, int]:
        """Return the sizes that the mapping uses."""
        return config.sizes()

    def torch_model(self, config: SignBartConfig) -> pt_reference.SignBart:
        """Build the PyTorch model."""
        from pt_reference import SignBart

        return SignBart(config)

    def keras_model(self, config: SignBartConfig) -> SignBart:
        """Build the Keras model."""
        from signbart_port.keras_model import SignBart

        return SignBart(config)

    def cases(self, config: SignBartConfig, seed: int = 0) -> Sequence[Case]:
        """Return one batch: a clip for every kind of mask."""
        return (case_of(signbart_cases.make_for(config, seed=seed)),)

    def torch_output(self, outputs: Any) -> Any:
        """Return the logits, of the loss and the logits."""
        return outputs[1]

    def vary(self, config: SignBartConfig) -> Sequence[Mapping[str, Any]]:
        """Return other numbers of heads and layers, sizes, joints, and the other layout."""
        heads = [number for number in (1, 2, 4) if config.d_model % number == 0]
        stacks = ("encoder", "decoder")
        return [
            *({f"{stack}_attention_heads": number} for number in heads for stack in stacks),
            *({f"{stack}_layers": 1} for stack in stacks),
            *({f"{stack}_ffn_dim": 1} for stack in stacks),
            {"max_position_embeddings": 1},
            {"num_labels": 1},
            {"joint_idx": list(config.joint_idx[:1])},
            {"layout": "selected" if config.layout == "full" else "full"},
        ]

    def taps(self, config: SignBartConfig | None) -> Mapping[str, Tap]:
        """Return the axes of outputs. Of time those frames count that are real or classified, as
        queries too: what a padded frame attends to is never read."""
        return {
            LOGITS: Tap("batch label"),
            "classification_head": Tap("batch label"),
            "classification_head.out_proj": Tap("batch label"),
            "classification_head.dropout": Tap("batch channel"),
            "last_frame": Tap(_WHOLE),
            "*.embed_positions": Tap("one position channel"),
            "*_attn.dropout": Tap("batch heads time memory"),
            "*": Tap("batch time channel"),
        }

    def causes(
        self, config: SignBartConfig, tensors: Callable[[], Arrays], case: Case
    ) -> Finder | None:
        """Return a search through the mistakes that porting SignBART invites."""
        return Search(config, tensors, case, self.taps(config))

    def summary(self, expected: NDArray[Any], got: NDArray[Any]) -> Mapping[str, Any]:
        """Return for how many clips the predicted class is the same."""
        same = 0
        if got.shape == expected.shape:
            same = int(np.sum(expected.argmax(-1) == got.argmax(-1)))
        return {"agreement": (same, len(expected))}


def case_of(inputs: Inputs) -> Case:
    """Return clips as a case: frames count that are real or classified."""
    arrays = {"keypoints": inputs.keypoints, "attention_mask": inputs.attention_mask}
    return Case(
        name="clips",
        torch=arrays,
        keras=arrays,
        counted={"time": inputs.classified},
        facts={
            "clips": inputs.names,
            "masks": inputs.drawn(),
            "frames": inputs.attention_mask.shape[1],
        },
    )


SIGNBART = SignBartPair()
"""The one pair that this program comes with."""
