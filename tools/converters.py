"""Converters of Hugging Face's checkpoints, held under one proof.

    python tools/converters.py [--families BERT,GPT-2] [--environment DIR] [--out FILE.md]

Every row is a tiny model of Hugging Face with random, perturbed weights, saved with
`save_pretrained` to a folder. Three converters read it: the mapping of this program's pair,
keras-hub's `from_preset(folder)`, and ZeroModels' `from_weights`, in an environment of its own that
`--environment` makes with pip where it is not there yet. What each gives is compared with PyTorch
in float32 and float64, module by module where the mapping can name them; and where one is wrong,
PyTorch is run with known mistakes until the difference vanishes: that mistake is the cause.
Nothing is downloaded but by pip. Writes docs/converters.md, and docs/converters.json beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import signbart_port
from converters_families import FAMILIES, Config, Family
from converters_judging import Judged, Outputs, Reference, by_outputs, by_proof, mistakes_of
from converters_page import page, provenance
from signbart_port.parity.config_keys import read_config
from signbart_port.parity.pair import mapping_path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "converters.md"
OURS, HUB, ZERO = "this program", "keras-hub", "ZeroModels"
SEED = 0
_SECONDS = 900


@dataclass(frozen=True)
class Row:
    """A model of a family, and what each converter makes of it."""

    family: str
    variation: str
    changes: Config
    judged: dict[str, Judged]


@dataclass(frozen=True)
class Saved:
    """A model, and the folder that it is saved in."""

    folder: Path
    reference: Reference


def main(arguments: Sequence[str] | None = None) -> None:
    """Hold every converter under the proof, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--families", default=",".join(family.name for family in FAMILIES))
    parser.add_argument("--environment", type=Path, help="a folder for ZeroModels' environment")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    quiet()
    names = options.families.split(",")
    families = [family for family in FAMILIES if family.name in names]
    if len(families) < len(names):
        parser.error(f"the families are {', '.join(family.name for family in FAMILIES)}")
    python = environment(options.environment) if options.environment else None
    stated = provenance(python, SEED)
    rows = [row for family in families for row in rows_of(family, python)]
    text = page([(row.family, row.variation, row.judged) for row in rows], stated)
    options.out.write_text(text)
    data = {"provenance": stated, "rows": [asdict(row) for row in rows]}
    options.out.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    print(text)


def quiet() -> None:
    """Silence what other libraries say while they work."""
    import transformers

    said: Any = transformers.logging
    said.set_verbosity_error()
    said.disable_progress_bar()
    warnings.filterwarnings("ignore", module=r"(keras|transformers|tensorflow)")


def rows_of(family: Family, python: Path | None) -> list[Row]:
    """Return a row for every config of a family."""
    varied = [(name, changes, True) for name, changes in family.variations.items()]
    varied += [(f"{name}, as saved", changes, False) for name, changes in family.as_saved.items()]
    with tempfile.TemporaryDirectory() as temporary:
        saved: dict[str, Saved] = {}
        for number, (name, changes, published) in enumerate(varied):
            reference = Reference.random(family, changes, SEED)
            folder = Path(temporary) / str(number)
            reference.save(folder, published)
            saved[name] = Saved(folder, reference)
        zero = zeromodels(family, saved, python)
        rows = []
        for name, changes, _ in varied:
            found = {OURS: ours(saved[name]), HUB: keras_hub(saved[name]), ZERO: zero[name]}
            rows.append(Row(family.name, name, changes, found))
            for converter, judged in found.items():
                print(f"{family.name}, {name}, {converter}: {judged}", file=sys.stderr)
        return rows


def ours(saved: Saved) -> Judged:
    """Judge the mapping of the pair, or give the words in which the pair refuses the config."""
    reference, pair = saved.reference, saved.reference.family.pair
    try:
        config = read_config(pair, reference.config, {})
    except ValueError as error:
        return Judged("refused", said=str(error))
    model = pair.keras_model(config)
    signbart_port.transfer_weights(reference.model, model, mapping=mapping_path(pair))
    return by_proof(reference, model, [])


def keras_hub(saved: Saved) -> Judged:
    """Judge what keras-hub's own converter makes of a folder."""
    import keras_hub

    reference, family = saved.reference, saved.reference.family
    backbone = getattr(keras_hub.models, family.pair.backbone)
    try:
        model = backbone.from_preset(str(saved.folder))
    except Exception as error:
        return Judged("fails", said=_told(error))
    return by_proof(reference, model, mistakes_of(family, reference.config, model))


def zeromodels(
    family: Family, saved: Mapping[str, Saved], python: Path | None
) -> dict[str, Judged]:
    """Judge what ZeroModels makes of folders, in its own environment."""
    if not family.zeromodels:
        return dict.fromkeys(saved, Judged("none", said="it has no converter of these files"))
    if python is None:
        return dict.fromkeys(saved, Judged("none", said="not run: no --environment"))
    jobs = []
    for one in saved.values():
        folder, inputs = one.folder, one.reference.case.torch
        given = {key: inputs[key].astype(np.int32) for key in inputs.keys() - family.ignored}
        np.savez(folder / "inputs.npz", **given)  # type: ignore[arg-type]  # of names, not options
        jobs.append(
            {
                "class": family.zeromodels,
                "folder": str(folder),
                "inputs": str(folder / "inputs.npz"),
                "outputs": str(folder / "outputs.npz"),
            }
        )
    (list_of_jobs := folder / "jobs.json").write_text(json.dumps(jobs))
    program = Path(__file__).with_name("converters_zeromodels.py")
    subprocess.run(
        [python, program, list_of_jobs],
        check=True,
        timeout=_SECONDS,
        capture_output=True,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )
    found = {}
    for name, one in saved.items():
        if (failed := one.folder / "outputs.txt").exists():
            found[name] = Judged("fails", said=failed.read_text())
            continue
        with np.load(one.folder / "outputs.npz") as arrays:
            got = Outputs(arrays["float32"], arrays["float64"])
        mistakes = mistakes_of(family, one.reference.config)
        found[name] = by_outputs(one.reference, got, mistakes)
    return found


def environment(folder: Path) -> Path:
    """Return the Python of ZeroModels' environment, made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        wanted = ["zeromodels", "tensorflow", "torch", "-c", str(ROOT / "constraints.txt")]
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python


def _told(error: Exception) -> str:
    first = " ".join(str(error).split()).partition(". ")[0]
    return f"{type(error).__name__}: {first}"[:300]


if __name__ == "__main__":
    main()
