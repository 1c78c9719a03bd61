"""The proof of both implementations of a pair on other configs, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signbart_port.errors import PortError, printable
from signbart_port.parity.config_keys import completed
from signbart_port.parity.pair import Pair
from signbart_port.parity.report import Report
from signbart_port.system.progress import ProgressCallback, no_progress
from signbart_port.verbs._implementations import Implementations, implementations_of
from signbart_port.verbs._pair_models import blaming
from signbart_port.verbs._pair_process import call_with_pair
from signbart_port.verbs.prove_pair import prove

EQUAL, WRONG, REFUSED, FAILED = "equal", "WRONG", "refused", "cannot be compared"


@dataclass(frozen=True)
class Variation:
    """A config, and what came of it."""

    change: Mapping[str, Any]
    """The values that differ from the config that was given; none in the first."""
    report: Report | None = None
    """The comparison; None where it did not come to that."""
    refused: str = ""
    """Why the pair does not take the config: then nothing is wrong."""
    failed: str = ""
    """Why the two could not be compared, though the pair takes the config."""

    @property
    def passed(self) -> bool:
        return bool(self.refused) or (self.report is not None and self.report.passed)

    @property
    def word(self) -> str:
        """The verdict in a word or two."""
        if self.report is None:
            return REFUSED if self.refused else FAILED
        return EQUAL if self.report.passed else WRONG

    @property
    def why(self) -> str:
        """What the verdict rests on: the module to blame, or the words of who refuses."""
        if self.report is None:
            return self.refused or self.failed
        return "" if self.report.passed else self.report.verdict()

    @property
    def name(self) -> str:
        """The change, for a person."""
        changes = (f"{key}: {printable(value, 40)}" for key, value in self.change.items())
        return ", ".join(changes) or "as given"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {
            "change": dict(self.change),
            "passed": self.passed,
            "verdict": self.word.lower(),
            "why": self.why,
            "report": self.report.as_dict() if self.report else None,
        }


@dataclass(frozen=True, repr=False)
class Variations:
    """The result of `vary_pair`."""

    pair: str
    origin: str
    """Where the config comes from that is varied."""
    rows: tuple[Variation, ...]

    @property
    def passed(self) -> bool:
        """Whether both agree on every config that the pair takes."""
        return all(row.passed for row in self.rows)

    def count(self, word: str) -> int:
        """Return the number of configs with this verdict."""
        return sum(row.word == word for row in self.rows)

    def sentence(self) -> str:
        """Return one line: how many configs came to which verdict."""
        counts = ((self.count(word), word) for word in (EQUAL, WRONG, FAILED, REFUSED))
        return f"{len(self.rows)} configs: " + ", ".join(f"{n} {word}" for n, word in counts if n)

    def __repr__(self) -> str:
        return f"<Variations of {self.pair}: {self.sentence()}>"

    def as_dict(self) -> dict[str, Any]:
        """Return all as plain data for JSON."""
        return {
            "pair": self.pair,
            "config_origin": self.origin,
            "passed": self.passed,
            "variations": [row.as_dict() for row in self.rows],
        }


def vary_pair(
    pair: str | Pair | None = None,
    *,
    config: str | Path | None = None,
    checkpoint: str | Path | None = None,
    weights: str | None = None,
    progress: ProgressCallback = no_progress,
) -> Variations:
    """Compare the two models of a pair on its config and on the other ones that its `vary` names.

    Both are built anew for each, with perturbed weights, see `prove_pair`.

    Args:
        pair: The pair: `FILE.py`, `FILE.py:NAME`, the name of an installed one, or an object. None:
            this program's own SignBART, in PyTorch and in Keras.
        config: A YAML or JSON file with the config that is varied; for SignBART also the name of a
            published one. Default: the one that comes with `checkpoint`, or the pair's example.
        checkpoint: A .pth, .pt or .safetensors checkpoint, of which the config alone is used.
        weights: The key that holds the weights of a checkpoint with several.
        progress: Called with the name of each step as it begins.

    Returns:
        A verdict for each config. One that the pair refuses is none that the two must agree on; one
        that it takes, and that cannot be built or run, counts as wrong.

    Raises:
        PortError: A file or the pair cannot be used, it refuses the config itself, or names no
            other.
    """
    options = {"config": config, "checkpoint": checkpoint, "weights": weights}
    return call_with_pair(_vary, pair, **options, progress=progress)


def _vary(
    pair: str | Pair | None,
    config: str | Path | None,
    checkpoint: str | Path | None,
    weights: str | None,
    progress: ProgressCallback,
) -> Variations:
    given = implementations_of(pair, config, checkpoint, weights)
    changes = list(_changes(given))
    if not changes:
        raise PortError(given.name, "names no other configs", "Write the pair's method vary")
    rows = []
    for number, change in enumerate(({}, *changes), 1):

        def step(said: str, at: str = f"{number} of {1 + len(changes)}: ") -> None:
            progress(at + said)

        rows.append(_proven(given, change, step))
    return Variations(given.name, given.origin, tuple(rows))


def _changes(given: Implementations) -> Iterator[Mapping[str, Any]]:
    """Yield the changes that the pair names, without those that change nothing."""
    config, pair = given.config(), given.loaded.pair
    with blaming(given.loaded, "vary"):
        changes: Sequence[Mapping[str, Any]] = [dict(change) for change in pair.vary(config)]
    before = completed(pair.keys, given.plain)
    for change in changes:
        if any(name not in before or before[name] != value for name, value in change.items()):
            yield change


def _proven(
    given: Implementations, change: Mapping[str, Any], progress: ProgressCallback
) -> Variation:
    both = given.changed(change)
    try:
        both.config()
    except PortError as error:
        return Variation(change, refused=error.what)
    try:
        return Variation(change, prove(both, progress))
    except PortError as error:
        return Variation(change, failed=str(error))
