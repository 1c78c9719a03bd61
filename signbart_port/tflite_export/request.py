"""The options of a .tflite, validated and completed before anything is converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from signbart_port.data import clips
from signbart_port.data.clip_fitting import selection
from signbart_port.data.clip_format import ClipFormat
from signbart_port.data.clips import RealClips
from signbart_port.data.dataset import open_dataset, read_labels
from signbart_port.data.labels import LABELS_OF_MODEL
from signbart_port.data.model_interface import Interface, longest_clip, of_model
from signbart_port.errors import PortError, printable
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.tflite import gislr
from signbart_port.tflite.modes import Gate, Quantization, parse_quantization


@dataclass(frozen=True)
class TFLiteOptions:
    """The options of `to_tflite` as the user gave them; its docstring says what each means."""

    quantization: Quantization | str = Quantization.NONE
    frames: int | Sequence[int] | None = None
    dynamic_frames: bool = False
    preprocessing: bool = False
    skeleton: int | str | None = None
    frame_size: str | Sequence[int] | None = None
    softmax: bool = False
    contract: str | None = None
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
class TFLiteRequest:
    """The same options, validated and completed."""

    quantization: Quantization
    frames: tuple[int, ...]
    """The lengths of clips, one signature each. Empty: the number of frames is set at run time."""
    proof_lengths: tuple[int, ...]
    """The numbers of frames that the file is proven on."""
    interface: Interface
    gate: Gate
    calibration: RealClips | None
    data: RealClips | None
    labels: tuple[str, ...] | None
    contract: str | None = None
    """The name of the interface, if it is not SignBART's own."""
    notes: tuple[str, ...] = ()
    """How the real clips are read, and what in them may surprise."""

    @property
    def longest(self) -> int:
        """The frames of the longest clips that the file is proven on."""
        return max(self.proof_lengths)

    @property
    def skipped(self) -> frozenset[Path]:
        """The samples that cannot be read."""
        read = [clips for clips in (self.calibration, self.data) if clips]
        return frozenset(bad.entry.path for clips in read for bad in clips.bad)


def validate_options(options: TFLiteOptions, file: KerasModel) -> TFLiteRequest:
    """Complete the options for a model. Raises PortError for options that are invalid or exclude
    each other."""
    quantization, config = parse_quantization(options.quantization), file.config
    if options.contract is not None:
        options = _of_contract(options, quantization)
    frames, proof_lengths = _frames(options, file)
    if quantization.calibrated:
        _check_calibrated_mode(quantization, options, frames)
    form = _format(options)
    calibration, data, interface = None, None, _interface(options, file, form)
    if quantization.calibrated and options.calibration is not None:
        calibration = clips.for_calibration(
            Path(options.calibration),
            config,
            count=options.clips,
            seed=options.seed,
            skip_bad=options.skip_bad,
            form=form,
        )
    if (measured_on := options.data or options.calibration) is not None:
        dataset = open_dataset(Path(measured_on))
        data = clips.of_split(dataset, config, test=True, skip_bad=options.skip_bad, form=form)
    elif options.pytorch is not None:
        raise PortError(options.pytorch, "is compared on real clips", "Give --data DIR")
    notes = dict[str, None]()
    for real in (calibration, data):
        if real is not None:
            for reader in (interface, of_model(config)):
                real.check(reader, config)
            notes |= dict.fromkeys(real.notes_for(of_model(config), config))
    if data is not None and not options.labels:
        clips.check_class_names(dataset, config.class_names, file.path)
    labels = read_labels(Path(options.labels)) if options.labels else data.labels if data else None
    labels = config.class_names if labels is None else labels
    if labels is not None and len(labels) != config.num_labels:
        what = f"has {len(labels)} labels, the model {config.num_labels} classes"
        raise PortError(options.labels, what, LABELS_OF_MODEL)
    return TFLiteRequest(
        quantization,
        frames,
        proof_lengths,
        interface,
        _gate(options, quantization, data),
        calibration,
        data,
        labels,
        options.contract,
        tuple(notes),
    )


def _of_contract(options: TFLiteOptions, quantization: Quantization) -> TFLiteOptions:
    """Complete the options with those that a contract implies. Raises PortError for others."""
    if options.contract != gislr.NAME:
        what = f"--contract {printable(options.contract, 40)}: there is none of that name"
        raise PortError(None, what, f"Available: {gislr.NAME}")
    if quantization.calibrated:
        raise PortError(
            None,
            f"{quantization.value} needs a static number of frames, and a file of --contract"
            f" {gislr.NAME} takes clips of any",
            "Take none, float16 or dynamic",
        )
    if options.frames is not None:
        what = f"--frames is of no use: a file of --contract {gislr.NAME} takes clips of any length"
        raise PortError(None, what, "Leave one out")
    if options.skeleton not in (None, gislr.SKELETON.name):
        what = f"--contract {gislr.NAME} has the skeleton {gislr.SKELETON.name}"
        raise PortError(None, what, f"Leave --skeleton {options.skeleton} out")
    return replace(options, dynamic_frames=True, preprocessing=True, skeleton=gislr.SKELETON.name)


def _frames(options: TFLiteOptions, file: KerasModel) -> tuple[tuple[int, ...], tuple[int, ...]]:
    longest = file.config.max_position_embeddings
    given = options.frames
    default = longest_clip(file.config)
    lengths = (default,) if given is None else (given,) if isinstance(given, int) else tuple(given)
    if not lengths:
        raise PortError(None, "no number of frames", "Give --frames 64, or --frames 16,32,64")
    for frames in lengths:
        if not 1 <= frames <= longest:
            raise PortError(
                file.path, f"takes 1 to {longest} frames, not {frames}", "Give another --frames"
            )
    if len(set(lengths)) < len(lengths):
        raise PortError(None, "--frames names a length twice")
    if not options.dynamic_frames:
        return tuple(sorted(lengths)), tuple(sorted(lengths))
    if len(lengths) > 1:
        raise PortError(None, "several --frames and --dynamic-frames do not go together")
    if options.contract:  # and longer clips, of which frames are left out
        return (), tuple(sorted({1, min(17, default), default, default + 1, 3 * default}))
    return (), tuple(sorted({1, min(17, longest), *lengths, longest}))


def _check_calibrated_mode(
    quantization: Quantization, options: TFLiteOptions, frames: tuple[int, ...]
) -> None:
    if options.calibration is None:
        raise PortError(
            None,
            f"{quantization.value} needs real clips, to see the ranges of activations",
            "Give --calibration DIR, a dataset folder; dynamic needs none",
        )
    if options.dynamic_frames:
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
    if quantization.spec.integer_io and options.preprocessing:
        raise PortError(
            None,
            f"{quantization.value} reads keypoints as integers: too coarse to be prepared in the"
            " graph",
            f"Take int8 with --preprocessing, or {quantization.value} without",
        )


def _format(options: TFLiteOptions) -> ClipFormat:
    """Return the format of raw clips: of those that are read here, and of those that the file takes
    where it prepares them. Raises PortError where there are none."""
    read = options.data is not None or options.calibration is not None
    if options.skeleton is not None and not (read or options.preprocessing):
        raise PortError(
            None,
            "--skeleton is that of raw clips, and there are none",
            "Give --preprocessing, --data or --calibration with it, or leave it out",
        )
    if options.frame_size is not None and not read:
        raise PortError(None, "--frame-size is for --data and --calibration")
    name = None if options.skeleton is None else str(options.skeleton)
    return ClipFormat.parse(name, options.frame_size)


def _interface(options: TFLiteOptions, file: KerasModel, form: ClipFormat) -> Interface:
    interface = replace(of_model(file.config), probabilities=options.softmax)
    if not options.preprocessing:
        return interface
    skeleton = interface.skeleton
    takes = form.stated or skeleton
    if (way := selection(form, skeleton, file.config.joint_idx)) is not None:
        try:
            way.check()
        except ValueError as error:
            raise PortError(file.path, str(error)) from None
    return replace(
        interface,
        preprocessing=True,
        keypoints=takes.points,
        takes=None if takes == skeleton else takes,
        sampled_to=longest_clip(file.config) if options.contract else None,
    )


def _gate(options: TFLiteOptions, quantization: Quantization, data: RealClips | None) -> Gate:
    own = quantization.spec.gate
    agreement, drop = options.min_agreement, options.max_drop
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
