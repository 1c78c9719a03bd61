"""What a .tflite is to be: checked and complete, before anything is converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from signbart_port.config import SignBartConfig
from signbart_port.data import clips
from signbart_port.data.clips import RealClips
from signbart_port.data.dataset import open_dataset, read_labels
from signbart_port.data.model_interface import Interface, longest_clip, of_model
from signbart_port.data.preprocessing import GROUPS
from signbart_port.errors import PortError
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.tflite.modes import Gate, Quantization, parse_quantization


@dataclass(frozen=True)
class Wishes:
    """What a person says of the file.

    `frames` are the lengths of clips that it takes, a signature for each; or with `dynamic_frames`
    the number is set at run time. With `preprocessing` it reads raw keypoints, of a `skeleton` of
    so many; with `softmax` it gives probabilities. `calibration` and `data` are dataset folders:
    `clips` of the first, a choice by `seed`, show the ranges of activations, the second shows how
    the file does. `min_agreement` (a share) and `max_drop` (percentage points) are what it must
    reach there, the mode's own by default. `pytorch` is a checkpoint that is measured beside it,
    `labels` a label2id.json. `skip_bad` leaves out samples that cannot be read.
    """

    quantization: Quantization | str = Quantization.NONE
    frames: int | Sequence[int] | None = None
    dynamic_frames: bool = False
    preprocessing: bool = False
    skeleton: int | None = None
    softmax: bool = False
    calibration: str | Path | None = None
    clips: int = 128
    seed: int = 0
    data: str | Path | None = None
    min_agreement: float | None = None
    max_drop: float | None = None
    pytorch: str | Path | None = None
    labels: str | Path | None = None
    skip_bad: bool = False


@dataclass(frozen=True)
class Request:
    """The same, understood.

    `frames` is empty where the number is set at run time; `checked` are the numbers of frames that
    the file is proven on.
    """

    quantization: Quantization
    frames: tuple[int, ...]
    checked: tuple[int, ...]
    interface: Interface
    gate: Gate
    calibration: RealClips | None
    data: RealClips | None
    labels: tuple[str, ...] | None

    @property
    def longest(self) -> int:
        """Frames of the longest clips that the file is fed here."""
        return max(self.checked)

    @property
    def skipped(self) -> frozenset[Path]:
        """The samples that cannot be read."""
        read = [clips for clips in (self.calibration, self.data) if clips]
        return frozenset(bad.entry.path for clips in read for bad in clips.bad)


def understood(wishes: Wishes, file: KerasModel) -> Request:
    """Raises PortError for what cannot be had, or not together."""
    quantization, config = parse_quantization(wishes.quantization), file.config
    frames, checked = _frames(wishes, file)
    if quantization.calibrated:
        _refuse_uncalibrated(quantization, wishes, frames)
    calibration, data, interface = None, None, _interface(wishes, file)
    if quantization.calibrated and wishes.calibration is not None:
        calibration = clips.for_calibration(
            Path(wishes.calibration),
            config,
            count=wishes.clips,
            seed=wishes.seed,
            skip_bad=wishes.skip_bad,
        )
    if (judged_on := wishes.data or wishes.calibration) is not None:
        dataset = open_dataset(Path(judged_on))
        data = clips.of_split(dataset, config, test=True, skip_bad=wishes.skip_bad)
    elif wishes.pytorch is not None:
        raise PortError(wishes.pytorch, "is compared on real clips", "Give --data DIR")
    for real in (calibration, data):
        if real is not None:
            _refuse_other_skeleton(real, interface, config)
    labels = read_labels(Path(wishes.labels)) if wishes.labels else data.labels if data else None
    if labels is not None and len(labels) != config.num_labels:
        raise PortError(wishes.labels, f"has {len(labels)} labels, the model {config.num_labels}")
    return Request(
        quantization,
        frames,
        checked,
        interface,
        _gate(wishes, quantization, data),
        calibration,
        data,
        labels,
    )


def _refuse_other_skeleton(real: RealClips, interface: Interface, config: SignBartConfig) -> None:
    """See that the file and the model itself can read the clips, all of as many keypoints."""
    try:
        for reader in (interface, of_model(config)):
            reader.fed(real.keypoints[0], config, 1)
    except ValueError as error:
        raise PortError(real.entries[0].path, str(error)) from None


def _frames(wishes: Wishes, file: KerasModel) -> tuple[tuple[int, ...], tuple[int, ...]]:
    longest = file.config.max_position_embeddings
    asked = wishes.frames
    default = longest_clip(file.config)
    lengths = (default,) if asked is None else (asked,) if isinstance(asked, int) else tuple(asked)
    if not lengths:
        raise PortError(None, "no number of frames", "Give --frames 64, or --frames 16,32,64")
    for frames in lengths:
        if not 1 <= frames <= longest:
            raise PortError(
                file.path, f"takes 1 to {longest} frames, not {frames}", "Give another --frames"
            )
    if len(set(lengths)) < len(lengths):
        raise PortError(None, "--frames names a length twice")
    if not wishes.dynamic_frames:
        return tuple(sorted(lengths)), tuple(sorted(lengths))
    if len(lengths) > 1:
        raise PortError(None, "several --frames and --dynamic-frames do not go together")
    return (), tuple(sorted({1, min(17, longest), *lengths, longest}))


def _refuse_uncalibrated(
    quantization: Quantization, wishes: Wishes, frames: tuple[int, ...]
) -> None:
    if wishes.calibration is None:
        raise PortError(
            None,
            f"{quantization.value} needs real clips, to see the ranges of activations",
            "Give --calibration DIR, a dataset folder; dynamic needs none",
        )
    if wishes.dynamic_frames:
        raise PortError(
            None,
            f"{quantization.value} needs a static number of frames",
            "Leave --dynamic-frames out, or give --frames 16,32,64",
        )
    if len(frames) > 1 and 1 in frames:
        raise PortError(
            None,
            f"{quantization.value} cannot have a signature for 1 frame beside others",
            "Its graph is another: leave 1 out of --frames",
        )
    if quantization.spec.integer_io and wishes.preprocessing:
        raise PortError(
            None,
            f"{quantization.value} reads keypoints as integers: too coarse to be prepared in the"
            " graph",
            f"Take int8 with --preprocessing, or {quantization.value} without",
        )


def _interface(wishes: Wishes, file: KerasModel) -> Interface:
    config = file.config
    if not wishes.preprocessing:
        if wishes.skeleton is not None:
            raise PortError(None, "--skeleton is for --preprocessing", "Give both, or neither")
        return replace(of_model(config), probabilities=wishes.softmax)
    smallest = max(GROUPS["right hand"].stop, 1 + max(config.joint_idx))
    skeleton = wishes.skeleton or _skeleton(config, smallest)
    if skeleton < smallest:
        raise PortError(
            file.path, f"needs a skeleton of {smallest} keypoints or more, not {skeleton}"
        )
    return Interface(
        skeleton,
        preprocessing=True,
        count_missing=config.count_missing,
        probabilities=wishes.softmax,
    )


def _skeleton(config: SignBartConfig, smallest: int) -> int:
    """Where face points are read, all of them: their box is that of the whole face."""
    face = GROUPS["face"]
    return max(smallest, face.stop) if smallest > face.start else smallest


def _gate(wishes: Wishes, quantization: Quantization, data: RealClips | None) -> Gate:
    own = quantization.spec.gate
    agreement, drop = wishes.min_agreement, wishes.max_drop
    if data is None and not (agreement is None and drop is None):
        raise PortError(None, "--min-agreement and --max-drop need real clips", "Give --data DIR")
    if agreement is not None and not 0 <= agreement <= 1:
        raise PortError(None, f"--min-agreement {agreement}: it is a share, 0 to 1")
    if drop is not None and not 0 <= drop <= 100:
        raise PortError(None, f"--max-drop {drop}: it is in percentage points, 0 to 100")
    return Gate(
        own.min_agreement if agreement is None else agreement,
        own.max_drop if drop is None else drop,
    )
