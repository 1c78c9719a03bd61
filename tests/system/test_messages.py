"""What passes between a process and its workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from signbart_port.errors import PortError
from signbart_port.system import messages


@dataclass(frozen=True)
class Message:
    counts: Counter[str]
    place: str | Path | None
    size: float


class Made(Mapping[str, np.ndarray]):
    """Arrays that are made when they are asked for, and counted."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __getitem__(self, name: str) -> np.ndarray:
        self.made.append(name)
        return np.full((2, 3), float(name))

    def __iter__(self) -> Iterator[str]:
        return iter(("1", "2"))

    def __len__(self) -> int:
        return 2


def test_it_arrives_as_it_was(tmp_path: Path) -> None:
    sent = Message(Counter(a=2), Path("x/y"), np.float64(0.1))
    messages.write(tmp_path, "job", sent, arrays := Made())
    plain, read = messages.read(tmp_path, "job")
    assert messages.from_plain(Message, plain) == Message(Counter(a=2), "x/y", 0.1)
    assert arrays.made == ["1", "2"]  # each once
    assert {name: float(read[name][1, 2]) for name in read} == {"1": 1.0, "2": 2.0}


def test_an_array_that_cannot_be_kept_is_the_folder_s_fault(tmp_path: Path) -> None:
    """And so neither PyTorch's nor the checkpoint's, exit code 2."""
    (folder := tmp_path / "worker").mkdir()
    messages.keep(folder / "0.npy", np.arange(3))
    assert np.load(folder / "0.npy").tolist() == [0, 1, 2]
    (folder / "1.npy").mkdir()
    with pytest.raises(PortError, match="cannot hold temporary files: Is a directory") as error:
        messages.keep(folder / "1.npy", np.arange(3))
    assert error.value.path == tmp_path
