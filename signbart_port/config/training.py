"""The training keys of a config file: validated, with the published defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from signbart_port.config import skeletons
from signbart_port.config.validation import problems
from signbart_port.errors import PortError, printable

Positive = Annotated[float, Field(gt=0, lt=float("inf"))]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Pixels = Annotated[int, Field(ge=1, le=100_000)]
Folder = Annotated[Path, Field(strict=False)]


class Settings(BaseModel):
    """The options of a training."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    data_root: Folder | None = None
    checkpoint_dir: Folder = Path("checkpoints")
    log_dir: Folder | None = None  # `logs` in `checkpoint_dir` by default
    clip_skeleton: str | None = None  # of the clips, if it is not the model's
    frame_size: Annotated[tuple[Pixels, Pixels], Field(strict=False)] | None = None
    """Width and height of the frames, for clips in pixels."""
    epochs: Count = 200
    batch_size: Count = 1
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] = 2e-5
    optimizer: Literal["adamw"] = "adamw"
    weight_decay: Annotated[float, Field(ge=0, lt=float("inf"))] = 0.01
    scheduler: Literal["plateau", "one-cycle", "constant"] = "plateau"
    """torch.optim.lr_scheduler's ReduceLROnPlateau (on the validation loss) or OneCycleLR."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1  # of `plateau`
    patience: Annotated[int, Field(ge=0)] = 5  # of `plateau`: epochs
    gradient_clip: Positive | None = None  # the largest norm of all gradients together
    label_smoothing: Share = 0.0
    augment: bool = True
    mixed_precision: bool = False  # computes in bfloat16
    early_stopping: Count | None = None
    """Ends the training after this many epochs without a better one."""
    save_every: Count | None = None  # keeps a model every this many epochs
    validation: Literal["val", "test"] | Annotated[float, Field(gt=0, lt=1)] | None = None
    """The split that chooses the best checkpoint, or the share of the training clips that is set
    aside for it. By default `val`, or a tenth if the dataset has none."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 379

    @field_validator("optimizer", "scheduler", mode="before")
    @classmethod
    def _in_any_case(cls, value: Any) -> Any:
        return value.lower().replace("_", "-") if isinstance(value, str) else value

    @field_validator("clip_skeleton")
    @classmethod
    def _known_skeleton(cls, value: str | None) -> str | None:
        return None if value is None else skeletons.named(value).name

    @property
    def logs(self) -> Path:
        """The folder of the log, its curves and TensorBoard's events."""
        return self.checkpoint_dir / "logs" if self.log_dir is None else self.log_dir

    def plain(self) -> dict[str, Any]:
        """Return the settings as a checkpoint keeps them: JSON's types, without folders of this
        machine, and the format of clips only where it is stated."""
        kept = self.model_dump(mode="json", exclude=set(FOLDERS))
        return {key: value for key, value in kept.items() if key not in CLIPS or value is not None}


CLIPS = ("clip_skeleton", "frame_size")
FOLDERS = ("data_root", "checkpoint_dir", "log_dir")
ALIASES = {"lr": "learning_rate"}
IGNORED = frozenset(
    ["dataset", "device", "experiment_name", "normalization", "num_workers", "resume"]
)
"""Keys of other trainers' files, which mean nothing here."""

KEYS = frozenset(Settings.model_fields) | ALIASES.keys() | IGNORED
"""Every key of a training file that is none of the model's."""


def parse(training: Mapping[str, Any], source: str | Path, override: Mapping[str, Any]) -> Settings:
    """Validate the training keys of a file; `override` comes from the command line and wins.

    Raises PortError naming every wrong value, and `source` unless all are of the command line.
    """
    if not isinstance(training, Mapping):
        got = printable(training, 60)
        raise PortError(source, f"training: Input should be a valid dictionary, got {got}")
    data = {ALIASES.get(key, key): value for key, value in training.items() if key not in IGNORED}
    if len(data) + len(IGNORED & training.keys()) < len(training):
        raise PortError(source, "says learning_rate and lr", "Keep one")
    try:
        return Settings.model_validate({**data, **override})
    except ValidationError as error:
        in_file = any(
            not wrong["loc"] or wrong["loc"][0] not in override for wrong in error.errors()
        )
        raise PortError(source if in_file else None, *problems(error)) from None
