"""Find the config of a checkpoint, and never guess what its tensors cannot tell.

In order: the file or name the user gives, a config stored in the checkpoint, `model.yaml` beside
`model.pth`, and last the published configs whose shapes are the checkpoint's, if those agree.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port.checkpoint import Checkpoint
from signbart_port.checkpoint.names import common_prefix
from signbart_port.config import SignBartConfig, joints
from signbart_port.errors import PortError, printable
from signbart_port.model_files import mappings
from signbart_port.transfer import WeightMapping, sizes_from_shapes


@dataclass(frozen=True)
class Options:
    """What the user says of the config.

    None and False leave it to the files.
    """

    config: str | None = None
    heads: int | None = None
    joints: tuple[int, ...] | None = None
    layout: str | None = None
    sizes_from_checkpoint: bool = False
    weights: str | None = None
    """The key of the weights that are meant, "ema" for averaged ones."""

    def override(self) -> dict[str, Any]:
        """The keys of a config that these options set."""
        override: dict[str, Any] = {}
        if self.heads is not None:
            override |= dict.fromkeys(_HEADS, self.heads)
        if self.joints is not None:
            override["joint_idx"] = self.joints
        if self.layout is not None:
            override["layout"] = self.layout
        return override


@dataclass(frozen=True)
class Resolved:
    """A config, where it comes from, and what a person should know about it."""

    config: SignBartConfig
    origin: str
    notes: tuple[str, ...] = ()


def on_other_names(path: str | Path, mapping: WeightMapping, checkpoint: Checkpoint) -> str:
    """What to do about a checkpoint with names that `mapping` does not know."""
    prefix = common_prefix(checkpoint.tensors)
    strip = f'All names begin with "{printable(prefix, 80)}": see strip_prefixes of a mapping. '
    return f"{strip if prefix else ''}{_command(path, mapping)}"


def _command(path: str | Path, mapping: WeightMapping) -> str:
    command = f"signbart-port plan {shlex.quote(str(path))}"
    if mapping.path == mappings.signbart().path:
        return f"Write a mapping: {command}"
    return f"See the whole plan: {command} --mapping {shlex.quote(str(mapping.path))}"


_HEADS = ("encoder_attention_heads", "decoder_attention_heads")
_SETTLED_BY_SHAPES = "--sizes-from-checkpoint"


def resolve(
    checkpoint: Checkpoint,
    mapping: WeightMapping,
    options: Options,
    fallback: Resolved | None = None,
) -> Resolved:
    """The config of `checkpoint`; `fallback` is used where nothing else settles one.

    Raises PortError naming what is missing or what contradicts the tensors, and the option to give.
    """
    mapping.require(configs.SIZES)
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    sizes = sizes_from_shapes(mapping, shapes)
    if not sizes:
        raise PortError(
            checkpoint.path,
            f"holds no tensor of a SignBART (first: {next(iter(shapes))})",
            f"Is it one under other names? {on_other_names(checkpoint.path, mapping, checkpoint)}",
        )
    if (name := options.config) is not None:
        stated = _stated(lambda override: configs.find(name, override), name, options)
    elif (stored := checkpoint.config) is not None:
        source = f"{checkpoint.path} (stored config)"
        stated = _stated(
            lambda override: configs.parse(stored, source, override),
            "stored in the checkpoint",
            options,
        )
    elif beside := _beside(checkpoint.path):
        stated = _stated(
            lambda override: configs.load(beside, override), f"{beside.name} beside it", options
        )
    else:
        try:
            return _from_shapes(checkpoint, sizes, options)
        except PortError:
            if fallback is None:
                raise
        plain, origin = fallback.config.model_dump(), fallback.origin
        stated = _stated(lambda override: configs.parse(plain, origin, override), origin, options)
    return _agree(checkpoint.path, stated, sizes, options)


def _stated(
    load: Callable[[Mapping[str, Any]], SignBartConfig], origin: str, options: Options
) -> Resolved:
    """A config as stated, with what the command line says instead, which is noted."""
    override = options.override()
    config = load(override)
    try:
        before = load({}) if override else config
    except PortError:  # the command line completes what alone would be refused
        return Resolved(config, origin, (f"completed by the command line: {', '.join(override)}",))
    changed = [key for key in override if getattr(config, key) != getattr(before, key)]
    notes = [f"{key} is the command line's, not the config's" for key in changed]
    return Resolved(config, origin, tuple(notes))


def _beside(path: Path) -> Path | None:
    for suffix in (".yaml", ".yml"):
        beside = path.with_suffix(suffix)
        if beside != path and beside.is_file():
            return beside
    return None


def _agree(path: Path, stated: Resolved, sizes: Mapping[str, int], options: Options) -> Resolved:
    """Hold a stated config against the sizes of the tensors."""
    expected = stated.config.sizes()
    differing = {name: size for name, size in sizes.items() if size != expected[name]}
    said = "; ".join(
        f"{name}: the config says {expected[name]}, the checkpoint {size}"
        for name, size in differing.items()
    )
    if not differing:
        return stated
    if "joints" in differing:
        raise PortError(
            path,
            f"contradicts its config ({stated.origin}): {said}",
            f"Say which {sizes['joints']} joints it was trained on with --joints",
        )
    if not options.sizes_from_checkpoint:
        raise PortError(
            path,
            f"contradicts its config ({stated.origin}): {said}",
            f"Give the config it was trained with, or {_SETTLED_BY_SHAPES} to take the file's word",
        )
    config = configs.parse(
        stated.config.model_dump() | differing, f"{path} (sizes from the checkpoint)"
    )
    return Resolved(config, stated.origin, (*stated.notes, f"sizes from the checkpoint ({said})"))


def _from_shapes(checkpoint: Checkpoint, sizes: Mapping[str, int], options: Options) -> Resolved:
    override = options.override()
    published = {name: configs.named(name) for name in configs.published_names()}
    fitting = {
        name: config
        for name, config in published.items()
        if config.sizes() == sizes
        and all(getattr(config, key) == value for key, value in override.items() if key in _HEADS)
    }
    missing = []
    if options.heads is None:
        missing += _undecided("the number of heads", fitting, _heads)
    if options.joints is None:
        missing += _undecided("the joints", fitting, lambda config: joints.short(config.joint_idx))
    if missing:
        raise PortError(
            checkpoint.path,
            f"its shapes settle all but {' and '.join(missing)}",
            "Give --config FILE|NAME, or what is missing with --heads N and --joints NAME|LIST",
        )
    known = {name: size for name, size in sizes.items() if name != "joints"} | override
    if not fitting:
        config = configs.parse(known, f"{checkpoint.path} (sizes of its tensors)")
        origin = "sizes of the tensors, --heads and --joints"
        note = "the dropouts are unknown and set to 0, which matters for training only"
    else:
        name, nearest = next(iter(fitting.items()))
        config = configs.parse(nearest.model_dump() | known, f"{checkpoint.path} (like {name})")
        origin = f"published config {name}"
        note = f"no config was given; the tensors have exactly the shapes of {', '.join(fitting)}"
        if override:
            note += f"; {', '.join(override)} from the command line"
    return _agree(checkpoint.path, Resolved(config, origin, (note,)), sizes, options)


def _heads(config: SignBartConfig) -> str:
    return " and ".join(dict.fromkeys(str(getattr(config, key)) for key in _HEADS))


def _undecided(
    what: str, fitting: Mapping[str, SignBartConfig], of: Callable[[SignBartConfig], str]
) -> list[str]:
    values: dict[str, list[str]] = {}
    for name, config in fitting.items():
        values.setdefault(of(config), []).append(name)
    if len(values) == 1:
        return []
    said = ", ".join(f"{value} in {' and '.join(names)}" for value, names in values.items())
    return [f"{what} ({said or 'no published config has these shapes'})"]
