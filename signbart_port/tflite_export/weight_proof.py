"""Every weight of a Keras model among the constants of a .tflite."""

from __future__ import annotations

from collections.abc import Mapping

from signbart_port.config import SignBartConfig
from signbart_port.errors import printable
from signbart_port.model_files import mappings
from signbart_port.parity.report import WeightComparison
from signbart_port.parity.weights import EXACT, difference
from signbart_port.tflite.model_file import TFLiteFile
from signbart_port.tflite_export.converter_rewrites import Float32
from signbart_port.tflite_export.weight_matching import Matching, match


def compare(
    file: TFLiteFile,
    config: SignBartConfig,
    tensors: Mapping[str, Float32],
    found: Matching | None = None,
) -> WeightComparison:
    """Hold a file's constants against the weights of a Keras model of `config`, `tensors` by path.

    `found` is their matching, where it was made before. They are compared as the converter rewrites
    them (see `rewriting`), in the order of dimensions that the file has. Raises PortError for a
    damaged file.
    """
    found = found or match(file, config, tensors)
    plan = mappings.plan_for(config)
    differing = []
    for weight in plan.transfers:
        held = found.held.get(weight.keras)
        if held is not None and held.wrong is not None:
            differing.append(
                difference(weight.keras, held.form.values, held.constant.real, held.wrong)
            )
    unread = 0  # the rows of the tables of positions that no frame of the file reads
    if file.frames is not None:
        tables = [tensor for path, tensor in tensors.items() if path.endswith("/embeddings")]
        unread = sum(table[file.frames :].size for table in tables)
    return WeightComparison(
        rule=file.precision.spec.weight_rule or EXACT,
        tensors=len(plan.transfers),
        values=plan.parameters - unread,
        unread=unread,
        differing=tuple(differing),
        missing=(
            *(f"{path} {tensors[path].shape}" for path in found.missing),
            *(f"a place for {printable(c.name)} {c.values.shape}" for c in found.extra),
        ),
    )
