"""The address of a model on a hub: `hf://OWNER/NAME[/FILE][@REVISION]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from signbart_port.errors import PortError

_SCHEME = re.compile(r"hf:/{1,2}(?!/)")  # a Path keeps one of the two slashes
_FORM = "An address is hf://OWNER/NAME, hf://OWNER/NAME/FILE, or either with @REVISION at its end"
_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"(?!.*(\.\.|//))[A-Za-z0-9_][\w./+-]{0,199}", re.ASCII)
_OTHER_REPOSITORIES = ("buckets", "datasets", "kernels", "spaces")
_LONGEST_NAME = 200
DEFAULT_REVISION = "main"


@dataclass(frozen=True)
class Address:
    """A model on a hub, as the user names it."""

    owner: str
    name: str
    file: str | None = None
    """The weights, by their path in the repository; None: the only ones at its top."""
    revision: str = DEFAULT_REVISION
    """A branch, a tag or a commit."""

    @property
    def repository(self) -> str:
        return f"{self.owner}/{self.name}"

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        revision = f"@{self.revision}" if self.revision != DEFAULT_REVISION else ""
        return f"hf://{self.repository}{file}{revision}"

    def with_file(self, file: str) -> Address:
        """Return the address of another file of the same revision."""
        return Address(self.owner, self.name, file, self.revision)


def is_address(path: str | Path) -> bool:
    """Return whether a path is the address of a model on a hub, and no local path."""
    return _SCHEME.match(str(path)) is not None


def parse(path: str | Path) -> Address:
    """Read an address. Raises PortError for one that has no such form."""
    text = _SCHEME.sub("", str(path), count=1)
    named = f"hf://{text}"
    where, at, revision = text.partition("@")
    owner, _, rest = where.partition("/")
    name, slash, file = rest.partition("/")
    if not is_repository(f"{owner}/{name}"):
        raise PortError(named, "names no repository of a hub", _FORM)
    if owner in _OTHER_REPOSITORIES:
        raise PortError(named, f"is an address of {owner}, and no model's", _FORM)
    if at and not _REVISION.fullmatch(revision):
        raise PortError(named, "names no revision after its @", _FORM)
    if slash and not is_safe(file):
        raise PortError(named, "names a file that no repository may have", _FORM)
    return Address(owner, name, file or None, revision or DEFAULT_REVISION)


def is_repository(text: str) -> bool:
    """Return whether a text is `OWNER/NAME`."""
    owner, _, name = text.partition("/")
    return all(_NAME.fullmatch(part) for part in (owner, name))


def is_safe(file: str) -> bool:
    """Return whether a path in a repository is one below it, on this machine too, that a terminal
    can show."""
    parts = file.split("/")
    return (
        all(part not in ("", ".", "..") and len(part) <= _LONGEST_NAME for part in parts)
        and file.isprintable()
        and "\\" not in file
    )


def shown(path: str | Path) -> str:
    """Return a path as the user wrote it: a Path keeps one slash of an address."""
    return str(parse(path)) if is_address(path) else str(path)


def named_for_outputs(path: Path, local: Path | None = None) -> Path:
    """Return the path that the outputs of a model are named after: of an address, a file of the
    current folder with the name of its file or of its repository; else its `local` file, or the
    path as it is."""
    if not is_address(path):
        return local or path
    address = parse(path)
    return Path(PurePosixPath(address.file).name if address.file else f"{address.name}.safetensors")
