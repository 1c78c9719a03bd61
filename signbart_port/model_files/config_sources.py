"""Where the config of a checkpoint may lie: in it, beside it, or where the user says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from signbart_port import config as configs
from signbart_port.checkpoint import Checkpoint
from signbart_port.config import Adapted, SignBartConfig, joints, model_skeleton, sections
from signbart_port.config.spelling import meant
from signbart_port.errors import PortError, printable
from signbart_port.untrusted.model_kind import stem_of

SUFFIXES = (".yaml", ".yml", ".json")
DECISIVE = (
    "encoder_attention_heads",
    "decoder_attention_heads",
    "joint_idx",
    "skeleton",
    "layout",
    "count_missing",
)
"""The keys on which a model's answers depend, and of which no tensor tells."""
_FOLDERS_CONFIG = "config"
_MOST_FILES = 200
_TEXT_OF_A_CONFIG = 3  # keys: fewer may stand in any text


class Place(Enum):
    """Where a config lies, the nearest to the weights first."""

    GIVEN = "given"
    STORED = "stored"
    BESIDE = "beside, with the name of the checkpoint"
    FOLDER = "that of the folder"
    OTHER = "of another file"


@dataclass(frozen=True)
class Source:
    """A config as it is stated somewhere."""

    place: Place
    origin: str
    """Where, for a person."""
    named: str | Path
    """What a message about it begins with."""
    adapted: Adapted | None
    error: PortError | None = None
    """Why it cannot be read."""
    unread: tuple[str, ...] = ()
    """Its keys whose values are no plain data."""

    @classmethod
    def read(
        cls,
        place: Place,
        origin: str,
        named: str | Path,
        load: Callable[[], Adapted],
        unread: tuple[str, ...] = (),
    ) -> Source:
        """Read it, and keep what is wrong with it: it may not be needed."""
        try:
            return cls(place, origin, named, load(), unread=unread)
        except PortError as error:
            return cls(place, origin, named, None, error, unread)

    @property
    def readable(self) -> Adapted:
        """The config in SignBART's keys. Raises PortError where it cannot be read."""
        if self.adapted is None:
            raise self.error or AssertionError(self.origin)
        return self.adapted

    def stated(self) -> dict[str, Any]:
        """Return what it states of the `DECISIVE` keys."""
        data = self.adapted.data if self.adapted else {}
        stated = {key: data[key] for key in DECISIVE if data.get(key) is not None}
        if isinstance(named := data.get("keypoint_config"), str):
            stated.setdefault("joint_idx", named)
        if "joint_idx" in stated:
            try:
                stated["joint_idx"] = joints.listed(stated["joint_idx"])
            except ValueError:
                del stated["joint_idx"]  # nothing that could be compared
        return stated

    @property
    def decides(self) -> bool:
        """Whether it states the heads of both stacks, and the joints."""
        return set(DECISIVE[:3]) <= self.stated().keys()

    def differing(self, sizes: Mapping[str, int]) -> dict[str, Any]:
        """Return the sizes that it states otherwise."""
        data = dict(self.adapted.data) if self.adapted else {}
        if (picked := self.stated().get("joint_idx")) is not None:
            data["joints"] = len(picked)
        return {name: data[name] for name, n in sizes.items() if data.get(name, n) != n}


def of_config(config: SignBartConfig, origin: str) -> Source:
    """Return the config of another file as a source."""
    data = config.model_dump() | {"skeleton": model_skeleton.plain(config.whole_skeleton)}
    return Source(Place.OTHER, origin, origin, Adapted(data, (), hub=False))


def given(file_or_name: str) -> Source:
    """Return the config that the user names."""
    return Source(Place.GIVEN, file_or_name, file_or_name, configs.open_config(file_or_name))


def stored(checkpoint: Checkpoint) -> list[Source]:
    """Return the configs in a checkpoint: what is under `config` first."""
    # By name: a .safetensors has no order of its own.
    entries = sorted(checkpoint.beside.items(), key=lambda entry: (entry[0] != "config", entry[0]))
    return [
        source
        for key, value in entries
        if (source := _entry(checkpoint.path, key, value, checkpoint.unread.get(key, ())))
    ]


def _entry(path: Path, key: str, value: Any, unread: tuple[str, ...]) -> Source | None:
    """Return what is stored under a key as a source; None where it is no config."""
    shown = printable(key, 40)
    origin = "stored in the checkpoint" + (f" under {shown}" if key != "config" else "")
    named = f"{path} (stored {shown})"
    if isinstance(value, str):
        text = value.encode(errors="replace").decode()  # may spell half a character
        if sum(name in text for name in sections.REQUIRED) < _TEXT_OF_A_CONFIG:
            return None
        return Source.read(
            Place.STORED,
            f"{origin}, as text",
            named,
            lambda: configs.adapt(configs.read_text_of(Path(named), text), named, stored=True),
        )
    if not isinstance(value, Mapping) or not _is_config(value, key):
        return None
    return Source.read(
        Place.STORED, origin, named, lambda: configs.adapt(value, named, stored=True), unread
    )


def _is_config(data: Mapping[str, Any], key: str) -> bool:
    """Return whether data states a SignBART, or is meant to under a key that says so."""
    if sections.anywhere(data):
        return True
    return key == "config" and any(meant(str(name), sections.REQUIRED) for name in data)


def beside(path: Path) -> list[Source]:
    """Return the configs beside a file: the one with its name first, then that of its folder."""
    return [
        source
        for stem in dict.fromkeys((stem_of(path), _FOLDERS_CONFIG))
        for suffix in SUFFIXES
        if (source := _file(path, path.with_name(f"{stem}{suffix}")))
    ]


def _file(path: Path, file: Path) -> Source | None:
    """Return a file as a source; None where it is not there, or the folder's and no config."""
    if file == path or not file.is_file():
        return None
    content: dict[str, Any] = {}

    def load() -> Adapted:
        content.update(configs.read_file(file))
        return configs.adapt(content, file)

    place = Place.BESIDE if file.stem == stem_of(path) else Place.FOLDER
    source = Source.read(place, f"{file.name} beside it", file, load)
    is_config = not content or _is_config(content, _FOLDERS_CONFIG)
    # A .yaml of the checkpoint's name is meant to be its config; a .json often holds its metrics.
    meant_to_be = place is Place.BESIDE and file.suffix != ".json"
    return source if is_config or meant_to_be else None


def in_folder(path: Path) -> Iterator[Source]:
    """Yield the other configs in a file's folder, whatever their names."""
    usual = {source.named for source in beside(path)}
    for file in sorted(path.parent.iterdir())[:_MOST_FILES]:
        if file.suffix.lower() in SUFFIXES and file not in usual:
            source = _file(path, file)
            if source and source.adapted and source.decides:
                yield source
