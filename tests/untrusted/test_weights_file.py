"""The one checkpoint in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from signbart_port.errors import PortError
from signbart_port.untrusted.weights_file import weights_file


def saved(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"a": torch.ones(1)}, path)
    return path


def test_a_file_and_what_is_missing_stay_as_they_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pth")
    assert weights_file(path) == path
    assert weights_file(str(tmp_path / "no.pth")) == tmp_path / "no.pth"


def test_of_a_training_run_its_one_checkpoint(tmp_path: Path) -> None:
    path = saved(tmp_path / "best.pth")
    for beside in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        saved(tmp_path / beside)
    for hidden in (".cache/model.pth", "__MACOSX/._best.pth", "._best.pth"):
        saved(tmp_path / hidden)
    for other in ("config.json", "events.out.tfevents", "notes.txt"):
        (tmp_path / other).write_text("text")
    assert weights_file(tmp_path) == path


def test_a_damaged_one_is_not_passed_over(tmp_path: Path) -> None:
    saved(tmp_path / "best.pth")
    (tmp_path / "last.pth").write_bytes(b"")
    with pytest.raises(PortError, match=r"2 checkpoints: best\.pth, last\.pth"):
        weights_file(tmp_path)


def test_of_a_logger_the_checkpoint_below(tmp_path: Path) -> None:
    path = saved(tmp_path / "version_0" / "checkpoints" / "epoch=3.ckpt")
    assert weights_file(tmp_path) == path


def test_of_shards_their_index(tmp_path: Path) -> None:
    for number in (1, 2):
        saved(tmp_path / f"model-{number:05}-of-00002.bin")
    index = tmp_path / "model.bin.index.json"
    index.write_text('{"weight_map": {}}')
    assert weights_file(tmp_path) == index


def test_several_are_refused_by_name(tmp_path: Path) -> None:
    saved(tmp_path / "best.pth")
    saved(tmp_path / "last.pth")
    with pytest.raises(PortError, match=r"2 checkpoints: best\.pth, last\.pth"):
        weights_file(tmp_path)


def test_those_in_folders_below_count_too(tmp_path: Path) -> None:
    """A release with the checkpoints of its training: nothing tells which is meant."""
    saved(tmp_path / "model.pth")
    (tmp_path / "checkpoint-500").mkdir()
    saved(tmp_path / "checkpoint-500" / "model.pth")
    with pytest.raises(PortError, match=r"2 checkpoints: model\.pth, checkpoint-500/model\.pth"):
        weights_file(tmp_path)


def test_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(PortError, match=r"without a checkpoint\. Give the file itself: a \.pth or"):
        weights_file(tmp_path)


def test_a_link_into_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    with pytest.raises(PortError, match="without a checkpoint"):
        weights_file(tmp_path)
