"""The Keras model of any pair to a .tflite, proven against it before it is written."""

from __future__ import annotations

from pathlib import Path

from signbart_port.hub.fetch import fetched
from signbart_port.parity.pair import Pair
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.tflite.modes import Quantization, parse_quantization
from signbart_port.verbs._pair_tflite_files import PairEmitted, PairTFLiteRequest
from signbart_port.verbs._pair_tflite_process import tflite_files
from signbart_port.verbs._tflite_files import outputs

__all__ = ["PairEmitted", "to_tflite_pair"]


def to_tflite_pair(
    path: str | Path,
    pair: str | Pair,
    out: str | Path | None = None,
    *,
    quantization: Quantization | str = Quantization.NONE,
    config: str | Path | None = None,
    weights: str | None = None,
    max_error: float | None = None,
    not_proven: bool = False,
    force: bool = False,
    progress: ProgressCallback = no_progress,
) -> PairEmitted:
    """Write the Keras model of a pair as a .tflite, and prove that the two compute the same.

    The file has builtin operators only, and the signatures that `Pair.tflite` returns; where it
    returns none, one for an example of the first case. The float32 file is compared with Keras on
    every case. Of a file with rounded weights every constant is compared with the float32 file's,
    and the graph must be the same; of one with integer activations also their ranges, with those of
    the signatures' calibration cases.

    Args:
        path: A .keras, .weights.h5 or .h5 of the pair; or a checkpoint, which is converted first.
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object.
        out: The .tflite to write. Default: the model's name with .tflite.
        quantization: "none": float32. "float16": half the size. "dynamic": int8 weights. "int8",
            "int8_full" and "int16x8" compute with integers and need `Signature.calibration`; with
            "int8_full", inputs and outputs are integers too.
        config: A YAML or JSON file with the config of the models. Default: what the file has in its
            provenance, or the checkpoint.
        weights: The key that holds the weights of a checkpoint with several.
        max_error: The largest error of an output of a file with rounded weights on the pair's
            cases, as a share of its spread. Default: any is written, and said.
        not_proven: Whether to write a file with rounded weights also where its graph is not that of
            the float32 file: then nothing but its outputs was measured.
        force: Whether to replace an existing `out`.
        progress: Called with the name of each step as it begins.

    Returns:
        Where the file was written, its signatures, the reports of its proof.

    Raises:
        PortError: The input or the pair cannot be used.
        ProofError: The file is not equal to Keras; nothing is written.
    """
    mode = parse_quantization(quantization)
    (to,) = outputs(path, out, [mode])
    source = fetched(Path(path), progress)
    request = PairTFLiteRequest(
        source, config, weights, (mode,), max_error, not_proven=not_proven, force=force
    )
    with tflite_files(pair, request) as emit:
        return emit(mode, to, progress)
