"""The provenance of a Keras file that was made of a checkpoint."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from signbart_port.checkpoint import Checkpoint
from signbart_port.hub.fetch import origin_of
from signbart_port.parity.report import Report
from signbart_port.system import packages
from signbart_port.system.version import __version__

NOT_PROVEN = "nothing was compared with PyTorch (--no-verify)"


def provenance(
    checkpoint: Checkpoint,
    notes: Sequence[str],
    models: Mapping[str, Any],
    report: Report | None,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return the provenance as plain data: the source with `notes` on it, what is said of the
    `models`, the proof, the versions of what took part: these and the libraries of Keras' side."""
    origin = origin_of(checkpoint.path)
    return {
        "schema": 1,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "source": {
            "name": checkpoint.path.name,
            "sha256": checkpoint.sha256,
            "container": checkpoint.container,
            "notes": [note for note in notes if note != str(origin)],
            **({"hub": origin.as_dict()} if origin else {}),
        },
        **models,
        "proof": report.summary() if report else NOT_PROVEN,
        "versions": {
            "signbart-port": __version__,
            **versions,
            **packages.versions_of_models(),
            **{name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
        },
    }
