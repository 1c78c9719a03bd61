"""The import of a package in a process of its own, which shows whether it starts."""

from __future__ import annotations

from importlib import import_module

from signbart_port.system import serving
from signbart_port.system.serving import Arrays, Result
from signbart_port.verbs._starts import ImportJob


def _run(job: ImportJob, _arrays: Arrays) -> Result:
    import_module(job.module)
    return None, {}


if __name__ == "__main__":
    serving.serve(ImportJob, _run, framework=None, memory=None)
