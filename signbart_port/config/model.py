"""The config of a SignBART: plain data in, a validated, immutable object out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from signbart_port.config import class_names, joints, model_skeleton
from signbart_port.config.skeletons import Skeleton
from signbart_port.config.spelling import meant
from signbart_port.config.training import KEYS
from signbart_port.config.validation import problems
from signbart_port.errors import PortError, printable

# The sizes that the tensors' shapes are made of, under the names that mappings use.
SIZES = (
    "d_model",
    "encoder_layers",
    "encoder_ffn_dim",
    "decoder_layers",
    "decoder_ffn_dim",
    "max_position_embeddings",
    "num_labels",
    "joints",
)

_UNSET = ("class_names", "skeleton")  # keys that are written only where they have a value
_AS_ITS_SKELETON: Any = object()

Count = Annotated[int, Field(ge=1, le=100_000)]
Layers = Annotated[int, Field(ge=1, le=100)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]


class SignBartConfig(BaseModel):
    """Sizes, heads, joints and dropouts of one SignBART, under the published names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    d_model: Count
    """The width of the hidden states."""
    encoder_layers: Layers
    """The number of encoder layers."""
    encoder_attention_heads: Count
    """The attention heads of an encoder layer; they divide `d_model`."""
    encoder_ffn_dim: Count
    """The width of an encoder layer's feed-forward network."""
    decoder_layers: Layers
    """The number of decoder layers."""
    decoder_attention_heads: Count
    """The attention heads of a decoder layer; they divide `d_model`."""
    decoder_ffn_dim: Count
    """The width of a decoder layer's feed-forward network."""
    max_position_embeddings: Count
    """The largest number of frames in a clip."""
    num_labels: Count
    """The number of classes."""
    joint_idx: tuple[Annotated[int, Field(ge=0, lt=100_000)], ...] = Field(min_length=1)
    """The keypoints that the model reads, in its order."""
    dropout: Rate = 0.0
    """The dropout rate of embeddings and of what each sublayer returns."""
    attention_dropout: Rate = 0.0
    """The dropout rate of attention weights."""
    activation_dropout: Rate = 0.0
    """The dropout rate inside the feed-forward networks."""
    classifier_dropout: Rate = 0.0
    """The dropout rate before the logits."""
    encoder_layerdrop: Rate = 0.0
    """Read by the published model, and never used."""
    decoder_layerdrop: Rate = 0.0
    """Read by the published model, and never used."""
    pe: Literal["learn"] = "learn"
    """The kind of position embeddings: they are learned."""
    layout: Literal["full", "selected"] = "full"
    """The form of the input: "full", the whole skeleton, of which the model itself picks
    `joint_idx`; or "selected", the joints already picked, in that order. The weights are the
    same."""
    skeleton: Any = None
    """The skeleton that `joint_idx` counts in: a known one by name, or `points` and `groups` of
    its own (see `config.model_skeleton`). None for the one that the joints mean without a name."""
    count_missing: bool = Field(default=_AS_ITS_SKELETON, validate_default=True)
    """Whether missing points count in the box around a group, when clips are normalized (see
    `data.preprocessing`). By default as the skeleton has it."""
    class_names: tuple[str, ...] | None = None
    """The name of every class, where the config came with them."""
    training: dict[str, Any] = Field(default_factory=dict)
    """The training keys of the file, unread here: see `config.training`."""

    @field_validator("joint_idx")
    @classmethod
    def _joints_differ(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted(joint for joint, count in Counter(value).items() if count > 1)
        if twice:
            raise ValueError(f"joint {twice[0]} is there more than once")
        return value

    @field_validator("joint_idx", mode="before")
    @classmethod
    def _joints_in_any_form(cls, value: Any) -> Any:
        return joints.listed(value)

    @field_validator("class_names", mode="before")
    @classmethod
    def _names_from_list(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("skeleton", mode="before")
    @classmethod
    def _named_where_needed(cls, value: Any, info: ValidationInfo) -> Any:
        """Drop the name of the skeleton that the joints mean without it."""
        listed = info.data.get("joint_idx")
        if value is None or listed is None:
            return value
        try:
            skeleton = model_skeleton.of_model(value, listed)
        except ValueError:
            return value  # refused below
        return (
            None if model_skeleton.is_default(skeleton, listed) else model_skeleton.plain(skeleton)
        )

    @field_validator("count_missing", mode="before")
    @classmethod
    def _as_its_skeleton(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not _AS_ITS_SKELETON:
            return value
        try:
            stated, listed = info.data.get("skeleton"), info.data.get("joint_idx", ())
            return model_skeleton.of_model(stated, listed).count_missing
        except ValueError:
            return True  # refused for that

    @model_validator(mode="after")
    def _skeleton_fits(self) -> SignBartConfig:
        _ = self.whole_skeleton  # refuses one that does not
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> SignBartConfig:
        for stack in ("encoder", "decoder"):
            heads = getattr(self, f"{stack}_attention_heads")
            if self.d_model % heads:
                raise ValueError(
                    f"{stack}_attention_heads {heads} does not divide d_model {self.d_model}"
                )
        return self

    @model_validator(mode="after")
    def _a_name_a_class(self) -> SignBartConfig:
        names = self.class_names
        if names is not None and len(names) != self.num_labels:
            raise ValueError(f"class_names has {len(names)} names, num_labels is {self.num_labels}")
        for name in names or ():
            if not class_names.usable(name):
                raise ValueError(f"class_names has the unusable name {printable(name, 40)!r}")
        return self

    @model_serializer(mode="wrap")
    def _without_unset(self, serialized: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not set: the files of models without it stay as they were."""
        data: dict[str, Any] = serialized(self)
        return {key: value for key, value in data.items() if key not in _UNSET or value is not None}

    @property
    def whole_skeleton(self) -> Skeleton:
        """The skeleton that `joint_idx` counts in."""
        return model_skeleton.of_model(self.skeleton, self.joint_idx)

    @property
    def keypoints(self) -> int:
        """The K of a static input: the joints themselves, the named skeleton, or the smallest one
        that has them."""
        if self.layout == "selected":
            return len(self.joint_idx)
        return 1 + max(self.joint_idx) if self.as_in_0_1 else self.whole_skeleton.points

    @property
    def as_in_0_1(self) -> bool:
        """Whether the skeleton, named or not, is the one that version 0.1 knew: MediaPipe's, by the
        largest joint."""
        return self.whole_skeleton == model_skeleton.of_model(None, self.joint_idx)

    @property
    def explicit(self) -> SignBartConfig:
        """The same for another reader: the skeleton is named unless the joints alone tell it."""
        return self.replace(skeleton=model_skeleton.plain(self.whole_skeleton))

    def sizes(self) -> dict[str, int]:
        """Return the value of each of `SIZES`."""
        stated = {name: getattr(self, name) for name in SIZES if name != "joints"}
        return stated | {"joints": len(self.joint_idx)}

    def replace(self, **changes: Any) -> SignBartConfig:
        """Return a validated copy with other values.

        Raises pydantic's ValidationError.
        """
        return type(self)(**(self.model_dump() | changes))

    @classmethod
    def of(cls, config: SignBartConfig | Mapping[str, Any]) -> SignBartConfig:
        """Return a config as it is, or make one of what this program wrote, as a plain dict.

        Raises TypeError for anything else.
        """
        if isinstance(config, cls):
            return config
        if not isinstance(config, Mapping):
            raise TypeError(
                f"a config is a SignBartConfig or a dict, not {type(config).__name__}:"
                " signbart_port.config.find(NAME) returns the one of a file, or a published one"
            )
        return parse(dict(config), "config", ours=True)

    def check_keypoints(self, shape: Sequence[int | None]) -> None:
        """Raise ValueError unless keypoints of this shape, None for what is not known, are clips
        that the model can read."""
        joints, least = len(self.joint_idx), max(self.joint_idx) + 1
        points = f"{least} points or more" if self.layout == "full" else f"its {joints} joints"
        if len(shape) == 4:
            found = shape[2]
            right = found is None or (found >= least if self.layout == "full" else found == joints)
            if right and shape[3] in (None, 2):
                return
        raise ValueError(
            f"keypoints have the shape {tuple(shape)}; the model reads (clips, frames, {points}, 2)"
        )


def parse(
    data: Mapping[str, Any],
    source: str | Path,
    override: Mapping[str, Any] | None = None,
    *,
    ours: bool = False,
    passed_over: Sequence[str] = (),
) -> SignBartConfig:
    """Validate plain data.

    `override` replaces values of the data; it comes from the command line. `ours` is for what this
    program wrote: without a skeleton's name its joints are MediaPipe's, whichever they are. Raises
    PortError naming `source` and every wrong, missing or unknown key, with what is missing also the
    keys that were `passed_over`.
    """
    override = dict(override or {})
    data, training = training_keys(data)
    if unknown := [key for key in data if key not in MODEL_KEYS]:
        near = {key: known for key in unknown if (known := meant(str(key), KNOWN_KEYS))}
        raise unknown_keys(source, unknown, near)
    if "keypoint_config" in data:
        named = data.pop("keypoint_config")
        if not isinstance(named, str) or named not in joints.NAMED:
            raise PortError(
                source,
                f"unknown keypoint_config {printable(named)!r}",
                f"Known: {', '.join(joints.NAMED)}; or give joint_idx",
            )
        if data.get("joint_idx") is None:  # a null, too, leaves it to the name
            data["joint_idx"] = joints.NAMED[named]
        listed = data["joint_idx"]
        if "joint_idx" not in override and not _same_joints(listed, joints.NAMED[named]):
            raise PortError(source, f"keypoint_config {named} and joint_idx disagree", "Keep one")
    try:
        config = SignBartConfig(**(data | {"training": training} | override))
        if config.skeleton is None and not ours:
            model_skeleton.check_unnamed(config.joint_idx)
    except ValidationError as error:
        raise PortError(source, *problems(error, passed_over)) from None
    except ValueError as error:
        raise PortError(source, str(error)) from None
    return config


def _same_joints(stated: Any, others: tuple[int, ...]) -> bool:
    try:
        return joints.listed(stated) == others
    except ValueError:
        return False


def training_keys(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the content of a config file into the model's keys and the training's."""
    training = data.get("training", {})
    model = {key: value for key, value in data.items() if key not in (*KEYS, "training")}
    aside = {key: value for key, value in data.items() if key in KEYS}
    return model, {**training, **aside} if isinstance(training, dict) else training


MODEL_KEYS = frozenset(SignBartConfig.model_fields) - {"training"} | {"keypoint_config"}
"""The keys of a config that say something of the model."""
KNOWN_KEYS = MODEL_KEYS | KEYS


def unknown_keys(source: str | Path, keys: Sequence[object], near: Mapping[Any, str]) -> PortError:
    """Return the refusal of unknown keys, with the known one that each may have meant."""
    what = f"unknown key{'s' * (len(keys) > 1)} {', '.join(repr(printable(key)) for key in keys)}"
    if not near:
        return PortError(source, what, f"Known keys: {', '.join(sorted(KNOWN_KEYS))}")
    named = [repr(known) for known in near.values()]
    if len(keys) > 1:
        named = [f"{known!r} for {printable(key)!r}" for key, known in near.items()]
    return PortError(source, what, f"Did you mean {', '.join(named)}?")
