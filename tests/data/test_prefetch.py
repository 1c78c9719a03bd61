"""Batches that are made ahead, in a thread."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from signbart_port.data.prefetch import Prefetcher


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_every_item_comes_in_its_order(count: int) -> None:
    with Prefetcher(range(count)) as items:
        assert list(items) == list(range(count))
        assert list(items) == []  # asked again, it is over again


def test_items_are_made_while_the_user_is_busy_but_not_without_end() -> None:
    made: list[int] = []
    enough = threading.Event()

    def endless() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            if number == 4:
                enough.set()
            yield number

    with Prefetcher(endless()) as items:
        assert enough.wait(30)  # four that are ready, one in the hand, and none was taken
        assert made == [0, 1, 2, 3, 4]
        assert [next(items) for _ in range(3)] == [0, 1, 2]


class Odd(BaseException):
    """Not an Exception, as KeyboardInterrupt is none."""


@pytest.mark.parametrize("error", [ValueError("a clip"), Odd()])
@pytest.mark.parametrize("after", [0, 2, 7])
def test_what_the_items_raise_is_raised_to_their_user(error: BaseException, after: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(after)
        raise error

    with Prefetcher(failing()) as items:
        assert [next(items) for _ in range(after)] == list(range(after))
        for _ in range(2):
            with pytest.raises(type(error)) as raised:
                next(items)
            assert raised.value is error


@pytest.mark.parametrize("taken", [0, 1, 9])
def test_leaving_early_ends_the_thread(taken: int) -> None:
    with Prefetcher(itertools.count()) as items:
        assert list(itertools.islice(items, taken)) == list(range(taken))
        thread = items._thread
        assert thread.is_alive()
    assert not thread.is_alive()


def test_one_that_is_closed_ends_for_a_user_who_waits() -> None:
    """As TensorFlow keeps an iterator, in a thread of its own, for longer than a training."""
    closing, taken = threading.Event(), list[int]()

    def endless() -> Iterator[int]:
        closing.wait(30)
        yield from itertools.count()

    items = Prefetcher(endless())
    user = threading.Thread(target=lambda: taken.extend(items))
    user.start()
    closing.set()
    for _ in range(2):
        items.close()
    user.join(30)
    assert not user.is_alive() and taken == list(range(len(taken)))
    assert list(items) == []


def test_an_error_of_the_user_ends_the_thread_and_passes() -> None:
    with pytest.raises(KeyError), Prefetcher(itertools.count()) as items:
        next(items)
        raise KeyError


def test_it_counts_how_long_its_user_stood_still() -> None:
    made = threading.Event()

    def slow() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.05)
            yield number

    def ready() -> Iterator[int]:
        yield from range(3)
        made.set()

    with Prefetcher(ready()) as at_hand:
        assert made.wait(30)
        assert list(at_hand) == [0, 1, 2]
    with Prefetcher(slow()) as awaited:
        waited = [awaited.waited]
        for _ in awaited:
            waited.append(awaited.waited)
    assert waited == sorted(set(waited))  # with every item that was not there yet
    assert at_hand.waited < awaited.waited
