"""The card of an exported model: its options, and the result of its proof."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from signbart_port.metrics.accuracy import Accuracy
from signbart_port.model_files import stated_config
from signbart_port.model_files.h5_model import KerasModel
from signbart_port.parity.report import Report
from signbart_port.system.version import __version__
from signbart_port.tflite.card import Card
from signbart_port.tflite_export.request import TFLiteRequest


def card_of(
    file: KerasModel, request: TFLiteRequest, reports: Sequence[Report], accuracy: Accuracy | None
) -> Card:
    """Build the card of an exported model: one proof report per clip length. It names no clips:
    they are not the file's to show."""
    config, interface = file.config, request.interface
    figures = accuracy.as_dict() if accuracy else None
    if figures:
        del figures["worst"]
    return Card(
        labels=request.labels,
        joint_idx=tuple(config.joint_idx),
        keypoints=interface.keypoints,
        groups=dict(interface.skeleton.groups),
        frames=tuple(sorted(request.frames)),
        longest=interface.sampled_to or max(request.frames, default=config.max_position_embeddings),
        preprocessing=interface.preprocessing,
        count_missing=config.count_missing,
        layout=config.layout,
        output=interface.output,
        quantization=request.quantization.value,
        source=_source(file),
        proof={"passed": all(r.passed for r in reports), "from_pytorch": file.proven}
        | {"lengths": tuple(_figures(report) for report in reports)},
        accuracy=figures,
        version=__version__,
        skeleton=config.skeleton,
        takes=interface.takes.name if interface.selection(config) and interface.takes else None,
        contract=request.contract,
        unproven=stated_config.caution_of(file.provenance),
    )


def _source(file: KerasModel) -> dict[str, str]:
    source = {file.path.name: file.sha256}
    checkpoint = (file.provenance or {}).get("source")
    if isinstance(checkpoint, dict) and {"name", "sha256"} <= checkpoint.keys():
        source |= {str(checkpoint["name"]): str(checkpoint["sha256"])}
    return source


def _figures(report: Report) -> dict[str, Any]:
    row = report.logits
    return {
        "frames": report.frames,
        "error": row.error,
        "keras_error": row.noise,
        "limit": row.limit,
        "same_class": report.agreement,
    }
