"""How far are right models of the installed pairs from PyTorch? Their errors, measured.

    python tools/study_pairs.py [--seeds N] [--pairs NAME[,NAME...]]

Every pair's models are built of its example, given perturbed weights of N seeds, and compared in
memory. Printed is the largest error over its limit of `parity/tolerances.py`, for the outputs of
the whole run, of modules alone, and of the whole run in float64, and how far the last is off,
relative to the largest value. Nothing is judged: 1 is where a right model would be refused. Writes
docs/study_pairs.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import signbart_port
from signbart_port.parity.config_keys import read_config
from signbart_port.parity.load_pair import installed, load_pair
from signbart_port.parity.pair import mapping_path
from signbart_port.parity.workers.torch_perturbed import perturb
from signbart_port.system.stderr import silenced_stderr

OUT = Path(__file__).parents[1] / "docs" / "study_pairs.json"
KINDS = ("run", "alone", "float64", "off")
Worst = tuple[float, str]


def study(name: str, seeds: int) -> dict[str, Any]:
    """Return the worst share of a limit of each kind, over models of so many seeds."""
    pair = load_pair(name).pair
    config = read_config(pair, pair.example, {})
    found: dict[str, Worst] = {kind: (0.0, "") for kind in KINDS}
    refused = outputs = 0
    for seed in range(seeds):
        torch_model = perturb(pair.torch_model(config), seed)
        keras_model = pair.keras_model(config)
        mapping = mapping_path(pair)
        signbart_port.transfer_weights(torch_model, keras_model, mapping=mapping)
        cases = pair.cases(config, seed)
        report = signbart_port.prove(
            torch_model, keras_model, mapping=mapping, cases=cases, pair=pair
        )
        refused += not report.passed
        outputs += len(report.rows)
        shares = {
            "run": [(row.error / row.limit, row.tap) for row in report.rows if row.limit],
            "alone": [(row.error / row.limit, row.tap) for row in report.isolated if row.limit],
            "float64": [(row.error / row.limit, row.tap) for row in report.structure if row.limit],
            "off": [(row.error / row.scale, row.tap) for row in report.structure if row.scale],
        }
        found = {kind: max([worst, *shares[kind]]) for kind, worst in found.items()}
    worst = {kind: {"share": share, "tap": tap} for kind, (share, tap) in found.items()}
    return {"pair": name, "models": seeds, "outputs": outputs, "refused": refused, **worst}


def shown(rows: Iterable[dict[str, Any]]) -> Table:
    """Return the figures as a table."""
    table = Table("pair", "models", "outputs", "refused", *KINDS)
    for row in rows:
        shares = (f"{row[kind]['share']:.2g}" for kind in KINDS)
        counts = (str(row[key]) for key in ("models", "outputs", "refused"))
        table.add_row(row["pair"], *counts, *shares)
    return table


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--pairs", help="names, with commas; default: all that are installed")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    rows = []
    for name in given.pairs.split(",") if given.pairs else installed():
        with silenced_stderr():
            rows.append(study(name, given.seeds))
    Console().print(shown(rows))
    data = {"date": datetime.date.today().isoformat(), "pairs": rows}
    given.out.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
