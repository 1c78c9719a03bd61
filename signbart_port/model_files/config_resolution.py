"""Find the config of a checkpoint, and never guess what its tensors cannot tell.

Sizes are read from shapes. Heads and joints come from a config: the file or name the user gives,
one stored in the checkpoint, or one beside it; or from the user, in words. Where two of them
contradict each other, nothing is chosen.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port.checkpoint import Checkpoint
from signbart_port.checkpoint.names import common_prefix
from signbart_port.config import SignBartConfig
from signbart_port.errors import PortError, first_of, printable
from signbart_port.model_files import config_sources, mappings, stated_config
from signbart_port.model_files.config_agreement import Agreement, check_sizes
from signbart_port.model_files.config_sources import Place, Source
from signbart_port.transfer import WeightMapping, sizes_from_shapes


@dataclass(frozen=True)
class Options:
    """The options of the user on the config.

    None and False leave it to the files.
    """

    config: str | None = None
    """A config file, or a published config by name."""
    heads: int | None = None
    """The attention heads of both stacks."""
    joints: tuple[int, ...] | None = None
    """The keypoints that the model reads, in its order."""
    layout: str | None = None
    """The form of the input: "full" or "selected", see `SignBartConfig.layout`."""
    sizes_from_checkpoint: bool = False
    """Whether the tensors' sizes count where a config contradicts them."""
    override_config: bool = False
    """Whether these options may contradict the config."""
    weights: str | None = None
    """The key of the weights that are meant, "ema" for averaged ones."""
    skeleton: str | None = None
    """The name of the skeleton that `joints` count in, where it is not MediaPipe's."""

    def check_unused(self, path: str | Path) -> None:
        """Raise PortError if any is given, for a whole model in `path`: it would be ignored."""
        if self != Options():
            what = (
                "is a whole model: --config, --heads, --joints, --layout and --weights are for"
                " checkpoints"
            )
            raise PortError(path, what, "Leave them out")

    def check_no_weights(self, path: Path) -> None:
        """Raise PortError if weights are chosen in `path`, which has no choice of them."""
        if self.weights is not None:
            what = "is one model: --weights chooses among those of a checkpoint"
            raise PortError(path, what, "Leave it out")

    def override(self) -> dict[str, Any]:
        """Return the keys of a config that these options set."""
        override: dict[str, Any] = {}
        if self.heads is not None:
            override |= dict.fromkeys(_HEADS, self.heads)
        if self.joints is not None:
            override["joint_idx"] = self.joints
        if self.skeleton is not None:
            override["skeleton"] = self.skeleton
        if self.layout is not None:
            override["layout"] = self.layout
        return override


@dataclass(frozen=True)
class Resolved:
    """A config, where it comes from, and what a person should know about it."""

    config: SignBartConfig
    origin: str
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    """The notes to be said however quiet the program is: a config was overridden, or heads
    and joints were stated."""


def on_other_names(path: str | Path, mapping: WeightMapping, checkpoint: Checkpoint) -> str:
    """Return the remedy for a checkpoint with names that `mapping` does not know."""
    prefix = common_prefix(checkpoint.tensors)
    strip = f'All names begin with "{printable(prefix, 80)}": see strip_prefixes of a mapping. '
    return f"{strip if prefix else ''}{_command(path, mapping)}"


def _command(path: str | Path, mapping: WeightMapping) -> str:
    file = shlex.quote(str(path))
    if mapping.path == mappings.signbart().path:
        return f"Write a mapping: signbart-port plan {file}"
    own = shlex.quote(str(mapping.path))
    return f"See the whole plan: signbart-port plan {file} --mapping {own}"


_HEADS = ("encoder_attention_heads", "decoder_attention_heads")


def resolve(
    checkpoint: Checkpoint,
    mapping: WeightMapping,
    options: Options,
    fallback: Resolved | None = None,
) -> Resolved:
    """Find the config of `checkpoint`; `fallback` is used where nothing else states one.

    Raises PortError naming what is missing, or what contradicts the tensors or another config, and
    the option to give.
    """
    mapping.check_sizes(configs.SIZES)
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    sizes = sizes_from_shapes(mapping, shapes)
    if not sizes:
        raise PortError(
            checkpoint.path,
            f"holds no tensor of a SignBART (first: {next(iter(shapes))})",
            f"Is it one under other names? {on_other_names(checkpoint.path, mapping, checkpoint)}",
        )
    found = find(checkpoint, sizes, options, fallback)
    if found is None:
        return _of_options(checkpoint.path, sizes, options)
    chosen, agreement = found
    config, added = completed(chosen, sizes, options)
    config, adjusted = check_sizes(
        checkpoint.path, chosen, config, sizes, accept=options.sizes_from_checkpoint
    )
    notes = (*chosen.readable.notes, *added, *agreement.notes, *adjusted)
    return Resolved(config, chosen.origin, notes, tuple(agreement.cautions))


def find(
    checkpoint: Checkpoint,
    sizes: Mapping[str, int],
    options: Options,
    fallback: Resolved | None = None,
) -> tuple[Source, Agreement] | None:
    """Choose the config of `checkpoint`, and hold it against everything else that is stated.

    Returns None where there is none. Raises PortError where it contradicts the options, or another
    config of this model.
    """
    there = [*config_sources.stored(checkpoint), *config_sources.beside(checkpoint.path)]
    if options.config is not None:
        chosen: Source | None = config_sources.given(options.config)
    else:
        chosen = _chosen(there)
    if chosen is None and fallback is not None:
        chosen = config_sources.of_config(fallback.config, fallback.origin)
    if chosen is None:
        return None
    agreement = Agreement(checkpoint.path, chosen, sizes)
    agreement.check_others(there, override=options.override_config)
    agreement.check_options(options.override(), override=options.override_config)
    return chosen, agreement


def check_own(path: Path, config: SignBartConfig, options: Options) -> None:
    """Raise PortError where options contradict the config that a file of Keras holds: they are not
    for it, and would be without effect."""
    own = config_sources.of_config(config, "stored in it")
    given = None if options.config is None else config_sources.given(options.config)
    Agreement(path, own, config.sizes()).check_own(options.override(), given)


def _chosen(sources: list[Source]) -> Source | None:
    """Return the first config that states heads and joints, else the first; one that cannot be
    read is not passed over."""
    for source in sources:
        if source.error or source.decides:
            return source
    return sources[0] if sources else None


def completed(
    chosen: Source, sizes: Mapping[str, int], options: Options
) -> tuple[SignBartConfig, tuple[str, ...]]:
    """Return the config with what the user says besides, and notes on what else was added.

    Raises PortError where it is not one.
    """
    adapted, override = chosen.readable, options.override()
    # `transformers` leaves out the number of labels where it is its default.
    missing = {*chosen.unread, *(("num_labels",) if adapted.hub else ())} - adapted.data.keys()
    known = {name: size for name, size in sizes.items() if name in missing}
    notes = tuple(f"{name} {size}, from the tensors" for name, size in known.items())
    if lost := [key for key in chosen.unread if key in _REMEDIES and key not in override]:
        raise PortError(
            chosen.named,
            f"has no plain data under {first_of(lost, len(lost))}: left unread",
            f"Say it with {' '.join(dict.fromkeys(_REMEDIES[key] for key in lost))}, or with"
            " --config FILE",
        )
    said = override | known
    return configs.parse(adapted.data, chosen.named, said, passed_over=adapted.passed_over), notes


_REMEDIES = {
    "encoder_attention_heads": "--heads N",
    "decoder_attention_heads": "--heads N",
    "joint_idx": "--joints NAME|LIST",
}


def _of_options(path: Path, sizes: Mapping[str, int], options: Options) -> Resolved:
    """The config of a checkpoint that comes with none: its sizes, and what the user says."""
    missing = [
        what
        for what, said in (("number of heads", options.heads), ("joints", options.joints))
        if said is None
    ]
    if missing:
        raise PortError(
            path,
            f"its shapes settle all but the {' and the '.join(missing)}, and no config is in it"
            " or beside it",
            f"Give --config FILE|NAME{_candidates(path, sizes, options)}, or what is missing with"
            " --heads N and --joints NAME|LIST",
        )
    if options.heads and sizes["d_model"] % options.heads:
        what = f"--heads {options.heads} does not divide its d_model of {sizes['d_model']}"
        raise PortError(path, what, "Give the number that the model was trained with")
    known = {name: size for name, size in sizes.items() if name != "joints"} | options.override()
    config = configs.parse(known, f"{path} (sizes of its tensors)")
    dropouts = "the dropouts are unknown and set to 0, which matters for training only"
    origin, said = stated_config.ORIGIN, stated_config.CAUTION
    source = Source(Place.OTHER, origin, origin, None)  # it states nothing
    config, _ = check_sizes(path, source, config, sizes, accept=False)
    return Resolved(config, origin, (said, dropouts), (said,))


def _candidates(path: Path, sizes: Mapping[str, int], options: Options) -> str:
    """Name the configs that the shapes allow: those in the folder, and the published ones."""
    override = options.override()
    near = [
        shlex.quote(Path(source.named).name)
        for source in config_sources.in_folder(path)
        if not source.differing(sizes)
    ]
    published = [
        name
        for name in configs.published_names()
        if (config := configs.named(name)).sizes() == sizes
        and all(getattr(config, key) == value for key, value in override.items() if key in _HEADS)
    ]
    named = " or ".join(f"--config {name}" for name in (*near[:3], *published))
    return f" ({named} if it is that model)" if named else ""
