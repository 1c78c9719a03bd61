"""The model card of a release: the README.md that a hub shows beside a .safetensors.

Labels and names of files are a stranger's: they stand in blocks of code, each on a line that
something else begins, so that none is taken for markup or ends its block.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

import yaml

from signbart_port.errors import PortError, printable

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LONGEST = 10_000
_TAGS = ("sign-language", "signbart", "pytorch", "keras", "tflite")


@dataclass(frozen=True)
class ModelCard:
    """What a model card says."""

    title: str
    file: str
    """The name of the .safetensors."""
    sizes: Mapping[str, object]
    """The config of the model, and what follows from it."""
    labels: Sequence[str] | None
    """The names of the classes; None where the file has none."""
    proof: Sequence[str]
    """What was compared, and with which result."""
    provenance: Mapping[str, object]
    """The files that it was made of, by their roles."""
    license: str | None = None
    """Its identifier, as the user states it."""
    base_model: str | None = None
    """The repository that its weights come from."""

    def text(self) -> str:
        """Return the card as Markdown with its YAML header."""
        header: dict[str, Any] = {"license": self.license} if self.license else {}
        header |= {"base_model": self.base_model} if self.base_model else {}
        header |= {"library_name": "signbart-port", "tags": [*_TAGS]}
        dumped = yaml.safe_dump(header, sort_keys=False)
        title = _PUNCTUATION.sub(r"\\\1", printable(self.title))
        parts = [
            f"---\n{dumped}---\n",
            f"# {title}\n",
            "A SignBART ([arXiv 2506.21592](https://arxiv.org/abs/2506.21592)): it names the sign"
            " that a clip of keypoints shows.\n",
            "## Model\n",
            _block(_pairs(self.sizes)),
            "## Classes\n",
            self._classes(),
            "## Proof\n",
            _block(f"- {line}" for line in self.proof),
            "This says that the files compute the same, not how well: `signbart-port evaluate`"
            " measures that on clips of one's own.\n",
            "## Provenance\n",
            _block(_pairs(self.provenance)),
            self._loading(),
        ]
        return "\n".join(parts)

    def _loading(self) -> str:
        template = resources.files(__package__).joinpath("loading.md").read_text("utf-8")
        argument = printable(shlex.quote(self.file))
        return Template(template).substitute(literal=ascii(self.file), argument=argument)

    def _classes(self) -> str:
        if self.labels is None:
            return "The file names none.\n"
        return _block(f"{number} {label}" for number, label in enumerate(self.labels))


def check_license(license: str | None) -> None:
    """Raise PortError for what is no identifier of a license."""
    if license is not None and not _LICENSE.fullmatch(license):
        what = f"--license {printable(license, 60)}: is no identifier of a license"
        raise PortError(None, what, "Such as apache-2.0, cc-by-4.0 or other")


def _pairs(facts: Mapping[str, object]) -> Iterable[str]:
    return (f"{key}: {value}" for key, value in facts.items())


def _block(lines: Iterable[str]) -> str:
    return "\n".join(["```text", *(printable(line, _LONGEST) for line in lines), "```", ""])
