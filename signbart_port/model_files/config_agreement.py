"""Hold the config that was found for a checkpoint against the others, the options, the tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port.config import SignBartConfig, joints, model_skeleton
from signbart_port.errors import PortError, printable
from signbart_port.model_files.config_sources import DECISIVE, Place, Source

OVERRIDE = "--override-config"
_OPTIONS = {
    "encoder_attention_heads": "--heads",
    "decoder_attention_heads": "--heads",
    "joint_idx": "--joints",
    "skeleton": "--joints",
    "layout": "--layout",
}
Contradiction = Mapping[str, tuple[Any, Any]]
"""The values of two configs, by the keys in which they differ."""


class Agreement:
    """The comparison of the chosen config with everything else that is stated.

    What does not agree is refused, or is among the `notes` once it is settled; the `cautions` are
    those to be said however quiet the program is.
    """

    def __init__(self, path: Path, chosen: Source, sizes: Mapping[str, int]) -> None:
        self._path, self._chosen, self._sizes = path, chosen, sizes
        self._stated = chosen.stated()
        self.notes: list[str] = []
        self.cautions: list[str] = []

    def check_others(self, others: Sequence[Source], *, override: bool) -> None:
        """Raise PortError where another config of this model says otherwise.

        One that the user gives needs `override` against a stored one. Of others the nearer one is
        taken, and of two that are equally near neither.
        """
        given = self._chosen.place is Place.GIVEN
        for other in others:
            if other is self._chosen:
                continue
            if other.error:
                self.notes.append(f"not used: {other.origin}, which cannot be read")
                continue
            contradiction = _contradiction(self._stated, other.stated())
            if not contradiction:
                continue
            not_used = f"not used: {other.origin}, which has {_shown(contradiction, 1)}"
            if other.differing(self._sizes):
                self.notes.append(f"not used: {other.origin}, which is another model's")
            elif given and other.place is not Place.STORED:
                self.notes.append(not_used)
            elif given and override:
                self._override(contradiction, other)
            elif not given and other.place is not self._chosen.place:
                self._caution(not_used)
            else:
                self._refuse(contradiction, other)

    def check_options(self, options: Mapping[str, Any], *, override: bool) -> None:
        """Raise PortError where an option says otherwise than the config, unless `override`."""
        contradiction = self._with_options(options)
        if contradiction and override:
            self._override(contradiction, self._chosen)
        elif contradiction:
            named, verb = _named(contradiction)
            what = f"{named} {verb} its config ({self._chosen.origin}): "
            remedy = f"Leave {named} out, or add {OVERRIDE} if it is meant"
            raise PortError(self._path, what + _against(contradiction), remedy)
        elif added := [key for key in options if key not in self._stated]:
            self.notes.append(f"completed by the options: {', '.join(added)}")

    def check_own(self, options: Mapping[str, Any], given: Source | None) -> None:
        """Raise PortError where options say otherwise than a config that nothing can override: that
        of a model.h5."""
        contradiction, (named, verb) = self._with_options(options), ("--config", "contradicts")
        if contradiction:
            named, verb = _named(contradiction)
        elif given is not None and not given.differing(self._sizes):
            contradiction = _contradiction(given.stated(), self._stated)
        if contradiction:
            what = f"{named} {verb} the config in it: {_against(contradiction)}"
            raise PortError(self._path, what, f"Leave {named} out: the file holds its config")

    def _with_options(self, options: Mapping[str, Any]) -> Contradiction:
        return {
            key: (value, self._stated[key])
            for key, value in options.items()
            if key in self._stated and value != self._stated[key]
        }

    def _override(self, contradiction: Contradiction, of: Source) -> None:
        self._caution(
            f"{OVERRIDE}: {_shown(contradiction, 0)}, not {_shown(contradiction, 1)} ({of.origin})"
        )

    def _caution(self, said: str) -> None:
        self.notes.append(said)
        self.cautions.append(said)

    def _refuse(self, contradiction: Contradiction, other: Source) -> None:
        remedy = f"Say which is right with --config FILE {OVERRIDE}"
        if self._chosen.place is Place.GIVEN:
            remedy = f"Leave --config out, or add {OVERRIDE} if it is meant"
        raise PortError(
            self._path,
            f"two configs contradict each other: {_shown(contradiction, 0)}"
            f" ({self._chosen.origin}), {_shown(contradiction, 1)} ({other.origin})",
            remedy,
        )


def check_sizes(
    path: Path, source: Source, config: SignBartConfig, sizes: Mapping[str, int], *, accept: bool
) -> tuple[SignBartConfig, tuple[str, ...]]:
    """Hold a config against the sizes of the tensors; with `accept`, sizes other than the number
    of joints are taken from these.

    Returns the config, and a note on what was taken. Raises PortError naming both numbers.
    """
    expected = config.sizes()
    differing = {name: size for name, size in sizes.items() if size != expected[name]}
    if not differing:
        return config, ()
    said = "; ".join(
        f"{name}: the config says {expected[name]}, the checkpoint {size}"
        for name, size in differing.items()
    )
    contradicts = f"contradicts its config ({source.origin}): {said}"
    if "joints" in differing:
        also = f" and {OVERRIDE}" if "joint_idx" in source.stated() else ""
        which = f"Say which {sizes['joints']} joints it was trained on with --joints{also}"
        raise PortError(path, contradicts, which)
    rows = expected["max_position_embeddings"]
    if differing.get("max_position_embeddings") == rows - _OFFSET:
        raise PortError(
            path,
            f"{contradicts}. Its tables of positions have {rows} rows, as many as"
            f" max_position_embeddings: no offset of {_OFFSET}, which a SignBART's have",
            f"If its positions do begin at row {_OFFSET}, say max_position_embeddings:"
            f" {rows - _OFFSET} in the config",
        )
    if not accept:
        raise PortError(
            path,
            contradicts,
            "Give the config it was trained with, or --sizes-from-checkpoint to take the file's"
            " word",
        )
    plain = config.model_dump() | differing
    taken = configs.parse(plain, f"{path} (sizes from the checkpoint)")
    return taken, (f"sizes from the checkpoint ({said})",)


_OFFSET = 2  # of BART: the rows of its tables of positions that come before that of position 0


def _contradiction(one: Mapping[str, Any], other: Mapping[str, Any]) -> Contradiction:
    """Return the keys with different values in both; what one of them leaves out has its default,
    if there is one."""
    found = {}
    implied = _implied(one), _implied(other)
    for key in DECISIVE:
        if key in one or key in other:
            pair = (one.get(key, implied[0].get(key)), other.get(key, implied[1].get(key)))
            if None not in pair and pair[0] != pair[1]:
                found[key] = pair
    return found


def _implied(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a config means of the keys that it leaves out."""
    implied: dict[str, Any] = {"layout": SignBartConfig.model_fields["layout"].default}
    if {"skeleton", "joint_idx"} & stated.keys():
        try:
            skeleton = model_skeleton.of_model(stated.get("skeleton"), stated.get("joint_idx", ()))
        except ValueError:
            return implied
        implied |= {
            "skeleton": model_skeleton.plain(skeleton),
            "count_missing": skeleton.count_missing,
        }
    return implied


def _shown(contradiction: Contradiction, side: int) -> str:
    """Name the values of one side, the heads of both stacks together."""
    values = {key: _value(pair[side]) for key, pair in contradiction.items()}
    heads = {key: value for key, value in values.items() if key.endswith("_heads")}
    if len(heads) == 2 and len(set(heads.values())) == 1:
        values = {"heads": next(iter(heads.values()))} | {
            key: value for key, value in values.items() if key not in heads
        }
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _against(contradiction: Contradiction) -> str:
    return f"{_shown(contradiction, 0)} against {_shown(contradiction, 1)}"


def _named(contradiction: Contradiction) -> tuple[str, str]:
    """Return the names of the options that contradict, and the verb that follows them."""
    options = list(dict.fromkeys(_OPTIONS[key] for key in contradiction))
    return " and ".join(options), "contradict" + "s" * (len(options) == 1)


def _value(value: Any) -> str:
    if isinstance(value, tuple) and all(type(joint) is int for joint in value):
        return joints.short(value)
    return printable(value, 40)
