"""The log of a training: which epoch is the best, when it ends, and its files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from signbart_port.training import history as histories
from signbart_port.training.history import Epoch, best, of_plain, plain, stops


def an_epoch(number: int, accuracy: float, loss: float = 1.0) -> Epoch:
    return Epoch(
        epoch=number,
        loss=loss * 1.5,
        accuracy=accuracy / 2,
        val_loss=loss,
        val_accuracy=accuracy,
        val_top5=min(1.0, 2 * accuracy),
        learning_rate=2e-5,
        seconds=1 / 3,
        waiting=0.0,
    )


def epochs(*measures: tuple[float, float]) -> tuple[Epoch, ...]:
    return tuple(an_epoch(number, *measure) for number, measure in enumerate(measures, 1))


@pytest.mark.parametrize(
    ("measures", "number"),
    [
        ([(0.5, 1.0)], 1),
        ([(0.5, 1.0), (0.6, 2.0), (0.5, 0.1)], 2),  # by accuracy, whatever the loss
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.95)], 2),  # of equal ones by the loss
        ([(0.5, 1.0), (0.5, 1.0), (0.5, 1.0)], 1),  # of these the first
    ],
)
def test_the_best_epoch(measures: list[tuple[float, float]], number: int) -> None:
    assert best(epochs(*measures)).epoch == number


def test_early_stopping() -> None:
    history = epochs((0.1, 1.0), (0.5, 1.0), (0.4, 1.0), (0.5, 1.0), (0.3, 0.1))
    for patience, ends in ((1, [1, 0, 1, 1, 1]), (2, [0, 0, 0, 1, 1]), (3, [0, 0, 0, 0, 1])):
        stopped = [stops(history[: done + 1], patience) for done in range(5)]
        assert stopped == [bool(end) and done > 0 for done, end in enumerate(ends)]
    assert not any(stops(history, patience) for patience in (4, 100, None))


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    history = epochs((1 / 3, 0.1 + 0.2), (0.5, 1e-30))
    assert of_plain(plain(history)) == history
    path = tmp_path / "log.csv"
    path.write_text("what a killed training wrote\n")
    histories.write_csv(path, history)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    read = [{k: int(v) if k == "epoch" else float(v) for k, v in row.items()} for row in rows]
    assert of_plain(read) == history
    with pytest.raises(TypeError):
        of_plain([{"epoch": 1}])


@pytest.mark.parametrize("count", [1, 3])
def test_curves_are_drawn(tmp_path: Path, count: int) -> None:
    from matplotlib import image

    path = tmp_path / "curves.png"
    histories.draw(path, epochs((0.1, 2.0), (0.9, 0.5), (0.8, 0.6))[:count])
    picture = image.imread(path)
    assert picture.shape[0] > 300 and picture.shape[1] > 1000
    inked = picture[..., :3].min(axis=2) < 0.9
    for third in range(3):  # a plot in each
        width = picture.shape[1] // 3
        assert inked[:, third * width : (third + 1) * width].mean() > 0.003
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def test_all_but_the_number_is_a_measure() -> None:
    epoch = an_epoch(3, 0.5)
    assert epoch.measures() == {k: v for k, v in vars(epoch).items() if k != "epoch"}
