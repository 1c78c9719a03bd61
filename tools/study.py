"""How far may a right Keras model be from PyTorch? The errors of many random models, measured.

    python tools/study.py [--models N] [--seed N] [--tflite N]

Every model has its own sizes, heads, joints, labels, length and scale of weights. Each module's
error against float64 is held against PyTorch's own float32 error on the same inputs: of the whole
run, of the module alone, of the whole run in float64 (its errors times 2^29, which makes them
comparable), and for the first `--tflite` models of the float32 .tflite's logits against Keras.
Nothing is judged: the limits of `parity/tolerances.py` are set from these figures.
Writes docs/study.json; `tools/picture.py` draws it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from rich.console import Console
from rich.table import Table

from signbart_port import transfer
from signbart_port.config import SignBartConfig
from signbart_port.config.skeletons import KNOWN
from signbart_port.data.model_inputs import Inputs
from signbart_port.model_files import mappings
from signbart_port.model_files.checkpoint_model import CheckpointModel, open_checkpoint
from signbart_port.model_files.config_resolution import Options
from signbart_port.pairs import signbart_cases as parity_inputs
from signbart_port.pairs.signbart import SIGNBART, case_of
from signbart_port.pairs.signbart_torch_run import torch_run
from signbart_port.parity.compare import Row
from signbart_port.parity.counting import Counting, largest_difference
from signbart_port.parity.perturbation import perturbed
from signbart_port.parity.proof import Recorded, judge
from signbart_port.parity.reference import TorchRun
from signbart_port.parity.taps import LOGITS
from signbart_port.parity.tolerances import ALONE, EPSILON, RUN, STRUCTURE
from signbart_port.system.stderr import silenced_stderr
from signbart_port.training.initial import drawn
from signbart_port.transfer import Direction

OUT = Path(__file__).parents[1] / "docs" / "study.json"
CRITERIA = {
    "run": RUN,
    "alone": ALONE,
    "tflite": RUN,
    "float64": replace(STRUCTURE, epsilon=EPSILON),
}
FLOORS = (0, 1, 2, 4, 8)  # units in the last place of a tap's largest value


def random_config(rng: np.random.Generator) -> SignBartConfig:
    """Draw a SignBART of 1 to 4 layers a stack: sizes, heads, joints, labels, positions at
    random."""
    heads = [int(rng.choice([1, 2, 3, 4, 8, 16])) for _ in range(2)]
    d_model = int(np.lcm.reduce(heads)) * int(rng.integers(1, 1 + 256 // np.lcm.reduce(heads)))
    skeleton = KNOWN[str(rng.choice(["mediapipe-75", "mediapipe-100"]))]
    joints = rng.permutation(skeleton.points)[: int(rng.integers(1, skeleton.points + 1))]
    return SignBartConfig(
        d_model=d_model,
        encoder_layers=int(rng.integers(1, 5)),
        encoder_attention_heads=heads[0],
        encoder_ffn_dim=int(rng.integers(1, 513)),
        decoder_layers=int(rng.integers(1, 5)),
        decoder_attention_heads=heads[1],
        decoder_ffn_dim=int(rng.integers(1, 513)),
        max_position_embeddings=int(rng.integers(1, 129)),
        num_labels=int(rng.integers(1, 301)),
        joint_idx=tuple(int(j) for j in joints),
        skeleton=skeleton.name,
    )


def random_weights(config: SignBartConfig, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw perturbed weights, all but the gains times a factor of the model's own from 0.3 to 3."""
    scale = np.float32(10 ** rng.uniform(-0.5, 0.5))
    seed = int(rng.integers(2**31))
    weights = perturbed(drawn(config, seed), seed)
    for t in mappings.plan_for(config).transfers:
        if not t.keras.endswith("/gamma"):
            weights[t.torch] *= scale
    return weights


def make(folder: Path, number: int, seed: int) -> tuple[CheckpointModel, Inputs]:
    rng = np.random.default_rng([seed, number])
    config = random_config(rng)
    path = folder / f"{number}.safetensors"
    safetensors.numpy.save_file(random_weights(config, rng), path)
    path.with_suffix(".yaml").write_text(config.model_dump_json())
    frames = int(rng.integers(1, min(parity_inputs.FRAMES, config.max_position_embeddings) + 1))
    inputs = parity_inputs.make(config.keypoints, frames, seed=number)
    return open_checkpoint(path, Options(config=str(path.with_suffix(".yaml")))), inputs


def measure(models: int, tflite: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield a row per tap and mode: kind of module, error, PyTorch's own error, scale of the
    tap."""
    with tempfile.TemporaryDirectory() as name, silenced_stderr():
        folder = Path(name)
        for number in range(models):
            source, inputs = make(folder, number, seed)
            with torch_run(source, inputs, truth=True) as run:
                yield from _compare(run, source, inputs, emit=number < tflite, folder=folder)


def _compare(
    run: TorchRun, source: CheckpointModel, inputs: Inputs, *, emit: bool, folder: Path
) -> Iterator[dict[str, Any]]:
    from signbart_port.keras_model import SignBart
    from signbart_port.keras_model.weights import assign
    from signbart_port.parity import keras_run

    def build(dtype: str) -> SignBart:
        model = SignBart(source.resolved.config, dtype=dtype)
        tensors = source.checkpoint.tensors
        assign(model, transfer.apply(source.plan, Direction.TORCH_TO_KERAS, tensors))
        return model

    model, case = build("float32"), case_of(inputs)
    layouts = SIGNBART.taps(source.resolved.config)
    report = judge(
        SIGNBART,
        case,
        ("", ""),
        run,
        run.record.taps,
        lambda record: keras_run.run(SIGNBART, model, case.keras, layouts, record),
        isolation=keras_run.isolation(model, layouts, run),
        in_float64=lambda record: keras_run.run(
            SIGNBART, build("float64"), case.keras, layouts, record, "float64"
        ),
    )
    structure = [
        replace(row, error=row.error * EPSILON / STRUCTURE.epsilon) for row in report.structure
    ]
    for mode, rows in (("run", report.rows), ("alone", report.isolated), ("float64", structure)):
        yield from (_row(mode, kind(row.tap), row) for row in rows)
    if emit:
        yield _row("tflite", "logits", _tflite_row(model, build("float64"), inputs, folder))


def _tflite_row(model: Any, double: Any, inputs: Inputs, folder: Path) -> Row:
    from signbart_port.data.model_interface import Interface
    from signbart_port.inference.logits import run
    from signbart_port.model_files import h5
    from signbart_port.tflite import model_file
    from signbart_port.tflite.modes import Quantization
    from signbart_port.tflite_export.conversion import Conversion, running

    keras, path = folder / "model.h5", folder / "model.tflite"
    model.save(keras)
    frames, interface = inputs.attention_mask.shape[1], Interface(model.config.keypoints)
    conversion = Conversion((frames,), Quantization.NONE, interface)
    with running(h5.read(keras), conversion, path) as work:
        work.answer()
    feed = (inputs.keypoints, inputs.attention_mask)
    truth = np.asarray(double(*feed, training=False))
    float32 = np.asarray(model(*feed, training=False))
    noise = largest_difference(LOGITS, float32, truth, Counting.whole())
    recorded = Recorded({LOGITS: truth}, {LOGITS: noise})
    logits = run(model_file.read(path), inputs).outputs
    case = case_of(inputs)
    report = judge(
        SIGNBART, case, ("", ""), recorded, [LOGITS], lambda record: record(LOGITS, logits)
    )
    return report.logits


def kind(tap: str) -> str:
    """Return the kind of module that a tap belongs to."""
    name = tap.partition("[")[0].partition(":")[0].rpartition(".")[2]
    if name.isdigit():
        return "layer"
    if "norm" in name:
        return "LayerNorm"
    if name.endswith(("_proj", "proj_x1", "proj_y1", "fc1", "fc2", "projection")):
        return "linear"
    return {
        "self_attn": "attention",
        "encoder_attn": "attention",
        "activation_fn": "GELU",
        "activation_dropout": "GELU",
        "dropout": "dropout",
        "embed_positions": "positions",
        "classification_head": "linear",
        "encoder": "stack",
        "decoder": "stack",
        "last_frame": "stack",
    }.get(name, name)


def _row(mode: str, kind: str, row: Row) -> dict[str, Any]:
    if not row.elements or not np.isfinite(row.error):
        raise SystemExit(f"{row.tap}: nothing to measure ({row})")
    return {
        "mode": mode,
        "kind": kind,
        "error": row.error,
        "noise": row.noise,
        "scale": row.scale,
    }


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum up by mode and kind: how many, and the spread of error / PyTorch's error; and by mode,
    for each floor, the factor that no model would have exceeded."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"{row['mode']} {row['kind']}", []).append(row)
    kinds = {}
    for name, some in sorted(groups.items()):
        ratios = [r["error"] / r["noise"] for r in some if r["noise"] > 0]
        counted, edges = np.histogram(np.log2(np.maximum(ratios, 2**-6)), np.arange(-6, 6.25, 0.25))
        kinds[name] = {
            "outputs": len(some),
            "without_noise": len(some) - len(ratios),
            "quantiles": {str(q): float(np.quantile(ratios, q)) for q in (0.5, 0.99, 0.999, 1.0)}
            if ratios
            else {},
            "log2_histogram": {"edges": edges.tolist(), "counts": counted.tolist()},
        }
    needed = {
        mode: {
            str(floor): max(_factor(r, floor) for r in rows if r["mode"] == mode)
            for floor in FLOORS
        }
        for mode in dict.fromkeys(r["mode"] for r in rows)
    }
    return {
        "criterion": {mode: asdict(criterion) for mode, criterion in CRITERIA.items()},
        "kinds": kinds,
        "needed_factor_by_floor_ulp": needed,
        "strain": _strain(row for row in rows if row["mode"] != "float64"),
        "strain_float64": _strain(row for row in rows if row["mode"] == "float64"),
    }


def _strain(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Sum up error over limit, of every output: how near a right model comes to being refused."""
    shares = [
        row["error"] / limit
        for row in rows
        if (limit := CRITERIA[row["mode"]].limit(row["noise"], row["scale"])) > 0
    ]
    counted, edges = np.histogram(np.log10(np.maximum(shares, 1e-3)), np.linspace(-3, 1, 49))
    return {
        "outputs": len(shares),
        "largest": max(shares),
        "log10_histogram": {"edges": edges.tolist(), "counts": counted.tolist()},
    }


def _factor(row: dict[str, Any], floor: int) -> float:
    over = row["error"] - floor * EPSILON * row["scale"]
    if over <= 0:
        return 0.0
    return over / row["noise"] if row["noise"] else np.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=240)
    parser.add_argument("--tflite", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--raw", type=Path, help="keep every row here, as JSON lines")
    parser.add_argument("--again", action="store_true", help="sum up the rows of --raw again")
    arguments = parser.parse_args()
    if arguments.again:
        rows = [json.loads(line) for line in arguments.raw.read_text().splitlines()]
    else:
        rows = list(measure(arguments.models, arguments.tflite, arguments.seed))
        if arguments.raw:
            arguments.raw.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    data = {"models": arguments.models, "seed": arguments.seed} | summarize(rows)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(data, indent=1) + "\n")
    show(data)


def show(data: dict[str, Any]) -> None:
    table = Table(
        "mode and kind",
        "outputs",
        "median",
        "99 %",
        "99.9 %",
        "largest",
        title=f"error / PyTorch's own error, {data['models']} random models",
    )
    for name, figures in data["kinds"].items():
        table.add_row(
            name,
            str(figures["outputs"]),
            *(f"{value:.2f}" for value in figures["quantiles"].values()),
        )
    console = Console(soft_wrap=True)
    console.print(table)
    for name, of in (("float32", "strain"), ("float64", "strain_float64")):
        console.print(f"largest error / limit in {name}: {data[of]['largest']:.4f}")
    for mode, needed in data["needed_factor_by_floor_ulp"].items():
        said = ", ".join(f"{factor:.2f} with a floor of {f} ulp" for f, factor in needed.items())
        console.print(f"{mode}: no model needs a factor above {said}")


if __name__ == "__main__":
    main()
