"""A verb of a pair, in a process of its own: the only one that runs the pair's file beside those of
PyTorch and of the converter."""

from __future__ import annotations

import os
from importlib import import_module
from typing import get_type_hints

from signbart_port.errors import ProofError
from signbart_port.system import serving, warm_workers
from signbart_port.system.messages import from_plain
from signbart_port.system.serving import Arrays, Result
from signbart_port.verbs._pair_process import VerbJob, VerbResult


def _run(job: VerbJob, _arrays: Arrays) -> Result:
    function = getattr(import_module(job.module), job.function)
    hints = get_type_hints(function)
    given = {name: from_plain(hints[name], plain) for name, plain in job.arguments.items()}
    if "progress" in hints:
        given["progress"] = serving.step
    try:
        return VerbResult(function(**given)), {}
    except ProofError as error:
        return VerbResult(unequal=str(error), report=error.report), {}
    finally:
        warm_workers.end_all()  # their folders are in this one's, which is emptied after the job


if __name__ == "__main__":
    # For this process and its own workers: oneDNN's allocator keeps what is freed, of large models
    # as much again as half of their weights. It computes the same with the system's.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    serving.serve(VerbJob, _run, framework=None, memory=None)
