"""Each of our own parsers reads what was changed: it accepts or refuses, in bounded time."""

from __future__ import annotations

import io
import json
import resource
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

import soak_by_command
import soak_command
import soak_common
import soak_hang
import soak_mutations as mutations
from signbart_port import config as configs
from signbart_port import transfer
from signbart_port.checkpoint import NameRules
from signbart_port.checkpoint import read as read_checkpoint
from signbart_port.checkpoint.second_reading import views
from signbart_port.config import joints
from signbart_port.data import labels, samples
from signbart_port.errors import PortError
from signbart_port.model_files import h5, keras_file, mappings
from signbart_port.tflite import metadata, model_file
from signbart_port.untrusted import pickle_machine, strict_json, strict_yaml
from signbart_port.untrusted.refusal import Refusal, naming
from soak_common import Trial, run
from soak_mutations import Mutation

_SLOW = 2.0
"""The seconds of processor time within which a small file is read or refused."""
_HANG = 20
"""The same, after which a parser is interrupted."""
_MEMORY = 6 << 30
"""The address space of the fuzzer, in bytes: no small file takes as much."""
_KINDS = {
    ".pth (zip)": "checkpoint",
    ".pth (legacy)": "checkpoint",
    ".safetensors": "checkpoint",
    ".h5": "keras",
    ".keras": "keras",
    ".weights.h5": "keras",
    ".tflite": "tflite",
    "config, YAML": "config",
    "config, JSON": "config",
    "mapping": "mapping",
    "labels, JSON": "labels",
    "labels, text": "labels",
    "clip, .pkl": "clip",
    "clip, .npy": "clip",
    "clip, .npz": "clip",
    "clip, .json": "clip",
}
"""What the commands take the files of a parser for."""
_TINY = {
    "d_model": 4,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 4,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 4,
    "max_position_embeddings": 4,
    "num_labels": 2,
    "joint_idx": [0, 2, 1],
}


@dataclass(frozen=True)
class Parser:
    """A parser, the files that it is fed, and how they are changed."""

    seeds: tuple[bytes, ...]
    change: Mutation
    read: Callable[[Path], object]
    name: str = "input"
    """The name of the file, whose suffix may count."""


def trials(folder: Path) -> dict[str, Trial]:
    """Return a row for each parser."""
    made = parsers(folder)
    home = folder / "read"
    rows = {name: Trial(partial(trial, parser, home / name)) for name, parser in made.items()}
    soak_command.import_verbs()
    np.save(clip := folder / "clip.npy", np.random.default_rng(0).random((20, 75, 2), np.float32))
    files = {"zip.pth": folder / "tiny.pth", "clip.npy": clip}
    files |= {f"model{suffix}": folder / f"tiny{suffix}" for suffix in (".h5", ".tflite")}
    soak_command.write_good(folder / "good", files)
    for name, kind in _KINDS.items():
        change = partial(_changed, made[name])
        rows[f"{name}, by command"] = soak_by_command.row(kind, made[name].name, change, folder)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.RLIM_INFINITY))
    return rows


def _changed(parser: Parser, draw: Random) -> bytes:
    return mutations.repeated(parser.change)(draw.choice(parser.seeds), draw)


def trial(parser: Parser, folder: Path, _: int, draw: Random) -> tuple[str, str]:
    """Change a file and let its parser read it."""
    data = _changed(parser, draw)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / parser.name
    path.write_bytes(data)
    start = time.process_time()
    try:
        with soak_hang.at_most(_HANG):
            parser.read(path)
        word, defect = "read", ""
    except (PortError, Refusal):
        word, defect = "refused", ""
    except soak_hang.Hang:
        word, defect = (
            "a hang",
            f"more than {_HANG} s of processor time, or {soak_common.SECONDS} s",
        )
    except Exception as error:
        word, defect = "an error", f"{type(error).__name__}: {str(error)[:200]}"
    if not defect and (seconds := time.process_time() - start) > _SLOW:
        word, defect = "slow", f"{seconds:.1f} s for {len(data):,} bytes"
    return word, defect


def parsers(folder: Path) -> dict[str, Parser]:
    """Return every parser of files that come from strangers."""
    made = _checkpoints(folder) | _keras_files(folder)
    mapping = mappings.signbart()
    names = NameRules(mapping.unwrap, mapping.strip_prefixes)
    read = partial(read_checkpoint, names=names)
    pickles = tuple(_member(one, "data.pkl") for one in made["zip"])
    rows = {
        "pickle": Parser(pickles, mutations.of_pickle, _pickle),
        "pickle, second reading": Parser(pickles, mutations.of_pickle, _second_reading),
        ".pth (zip)": Parser(made["zip"], _of_checkpoint(), read, "model.pth"),
        ".pth (legacy)": Parser(made["legacy"], _BYTES_OR_PICKLE, read, "model.pth"),
        ".safetensors": Parser(
            made["safetensors"], mutations.of_safetensors, read, "m.safetensors"
        ),
        ".h5": Parser(made["h5"], mutations.of_bytes, h5.read, "model.h5"),
        ".keras": Parser(
            made["keras"],
            mutations.of_members(
                lambda name: mutations.of_text if name.endswith(".json") else mutations.of_bytes
            ),
            keras_file.read_any,
            "model.keras",
        ),
        ".weights.h5": Parser(
            made["weights"], mutations.of_bytes, keras_file.read_any, "model.weights.h5"
        ),
        ".tflite": Parser(made["tflite"], mutations.of_flatbuffer, model_file.read_all, "m.tflite"),
        ".tflite, card": Parser(made["tflite"], mutations.of_flatbuffer, metadata.read, "m.tflite"),
    }
    return rows | _texts() | _clips()


_BYTES_OR_PICKLE = mutations.one_of(mutations.of_bytes, mutations.of_pickle)


def _of_checkpoint() -> Mutation:
    return mutations.of_members(
        lambda name: mutations.of_pickle if name.endswith("data.pkl") else mutations.of_bytes
    )


def _pickle(path: Path) -> object:
    with naming(path):  # the boundary that its callers have
        return pickle_machine.load(io.BytesIO(path.read_bytes()))


def _second_reading(path: Path) -> object:
    # It reads what the first has accepted; of anything else, any exception is its refusal.
    with naming(path):
        pickle_machine.load(io.BytesIO(data := path.read_bytes()))
        return views(data, ["model"])


def _member(data: bytes, name: str) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return next(archive.read(one) for one in archive.namelist() if one.endswith(name))


def _checkpoints(folder: Path) -> dict[str, tuple[bytes, ...]]:
    import torch
    from safetensors.torch import save

    tensors = {
        "a.weight": torch.arange(6.0).reshape(2, 3),
        "a.bias": torch.ones(2, dtype=torch.float64),
        "b": torch.zeros((), dtype=torch.bfloat16),
    }
    container = {
        "model": tensors,
        "config": _TINY,
        "args": Namespace(lr=1e-3, x=[1, (2, {"a": None})]),
        "best": np.float64(0.5),
    }
    files: dict[str, list[bytes]] = {"zip": [], "legacy": []}
    for number, (zipped, protocol) in enumerate(((True, 2), (True, 4), (False, 2))):
        path = folder / f"{number}.pth"
        torch.save(container, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        files["zip" if zipped else "legacy"].append(path.read_bytes())
    stored = {"config": json.dumps(_TINY)}
    weights = save({name: value.contiguous() for name, value in tensors.items()}, stored)
    return {name: tuple(seeds) for name, seeds in files.items()} | {"safetensors": (weights,)}


def _keras_files(folder: Path) -> dict[str, tuple[bytes, ...]]:
    """Return a tiny model in every format of Keras and TFLite, made in processes of their own."""
    import subprocess
    import sys

    path = folder / "tiny.pth"
    code = (
        "import json, sys, torch\n"
        "from pt_reference import SignBart\n"
        "config = json.loads(sys.argv[1])\n"
        "torch.save({'model': SignBart(config).state_dict(), 'config': config}, sys.argv[2])\n"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(_TINY), str(path)], check=True)
    run("convert", path, "--out", folder / "tiny.h5", "-q")
    run("tflite", folder / "tiny.h5", "--frames", "4", "--out", folder / "tiny.tflite", "-q")
    code = (
        "import sys, signbart_port\n"
        "model = signbart_port.load(sys.argv[1] + '.h5')\n"
        "model.save(sys.argv[1] + '.keras')\n"
        "model.save_weights(sys.argv[1] + '.weights.h5')\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder / "tiny")], check=True, capture_output=True
    )
    suffixes = {"h5": ".h5", "keras": ".keras", "weights": ".weights.h5", "tflite": ".tflite"}
    return {name: ((folder / f"tiny{end}").read_bytes(),) for name, end in suffixes.items()}


def _texts() -> dict[str, Parser]:
    package = Path(configs.__file__).parent / "published"
    yamls = tuple(path.read_bytes() for path in sorted(package.glob("*.yaml"))[:4])
    mapping_files = tuple(mappings.find(name).path.read_bytes() for name in mappings.names())
    as_json = json.dumps({"model": _TINY, "training": {"epochs": 3}}).encode()
    names = json.dumps({"hello": 0, "wörld": 1, "two words": 2}).encode()
    listed = json.dumps(["a", "b", "سلام"]).encode()
    joint_lists = (b"11-16,33-74", b"pose_hands", b"0,2,4", b"upper-65")
    text = mutations.one_of(mutations.of_text, mutations.of_text, mutations.of_bytes)
    return {
        "YAML": Parser(yamls, text, strict_yaml.load, "any.yaml"),
        "JSON": Parser((as_json,), text, strict_json.load, "any.json"),
        "config, YAML": Parser(yamls, text, configs.load, "config.yaml"),
        "config, JSON": Parser((as_json, json.dumps(_TINY).encode()), text, configs.load, "c.json"),
        "mapping": Parser(mapping_files, text, transfer.load, "mapping.yaml"),
        "labels, JSON": Parser((names, listed), text, labels.read_labels, "label2id.json"),
        "labels, text": Parser((b"a\nb\nc d\n",), text, labels.read_labels, "labels.txt"),
        "joints": Parser(joint_lists, text, _joints),
    }


def _joints(path: Path) -> object:
    try:
        return joints.parse(path.read_bytes().decode("utf-8", "replace"))
    except ValueError as error:
        raise Refusal(str(error)) from None


def _clips() -> dict[str, Parser]:
    import pickle

    clip = np.random.default_rng(0).random((3, 5, 2), np.float32)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, clip)
    np.savez(npz, keypoints=clip, label=np.array("a"))
    pickles = tuple(
        pickle.dumps(sample, protocol)
        for protocol in (2, 4, 5)
        for sample in (
            {"keypoints": clip, "class": "a"},
            {"keypoints": clip.tolist(), "class": 1},
            {"keypoints": np.array([one for one in clip], object), "label": "b"},
        )
    )
    as_json = json.dumps({"keypoints": clip.tolist(), "class": "a"}).encode()
    of_npz = mutations.of_members(lambda _: mutations.of_bytes)
    return {
        "clip, .pkl": Parser(pickles, mutations.of_pickle, samples.read, "clip.pkl"),
        "clip, .npy": Parser((npy.getvalue(),), mutations.of_bytes, samples.read, "clip.npy"),
        "clip, .npz": Parser((npz.getvalue(),), of_npz, samples.read, "clip.npz"),
        "clip, .json": Parser((as_json,), mutations.of_text, samples.read, "clip.json"),
    }
