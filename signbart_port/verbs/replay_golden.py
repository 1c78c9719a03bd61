"""Golden vectors replayed in Python: whether a .tflite still makes the same of the same clips."""

from __future__ import annotations

from pathlib import Path

from signbart_port.errors import PortError, printable
from signbart_port.inference.logits import Inference
from signbart_port.tflite import golden, golden_record
from signbart_port.tflite.golden import Replayed
from signbart_port.tflite.golden_record import Record
from signbart_port.untrusted.model_kind import ModelKind
from signbart_port.untrusted.refusal import naming


def replay_golden(path: str | Path, model: str | Path | None = None) -> Replayed:
    """Run the clips of golden vectors through their .tflite again, and compare.

    Args:
        path: A file of golden vectors.
        model: The .tflite. Default: the file beside `path` that has its name.

    Returns:
        The largest differences of every clip from its record.

    Raises:
        PortError: A file cannot be used, or the golden vectors are those of another model.
    """
    path = Path(path)
    record = golden_record.read(path)
    file = _beside(path, record) if model is None else Path(model)
    golden.check_model(path, record, file)
    form = golden.format_of(path, record)
    with naming(path), Inference(file, ModelKind.TFLITE) as inference:
        names = [Path(f"{path}, {clip.clip}") for clip in record.clips]
        inference.send(golden.raw_clips(record), names, form=form)
        outputs = inference.outputs()
        return golden.compared(path, record, outputs.inputs, list(outputs.scores))


def _beside(path: Path, record: Record) -> Path:
    name = record.model.name
    file = path.parent / Path(name).name  # a bare name: the record may be a stranger's
    if Path(name).name != name or not file.is_file():
        what = f"its model, {printable(name, 60)}, is not beside it"
        raise PortError(path, what, "Give the model as well")
    return file
