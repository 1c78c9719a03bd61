"""Prefetching: batches made in a thread before they are needed, with the time spent waiting for
them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
_AHEAD = 4


class Prefetcher(Generic[Item]):
    """An iterator over `items` that makes a few of them while its caller is busy.

    A context manager: leaving it ends the thread, whether or not all items were taken. `waited`
    counts the seconds that the caller waited. What `items` raises is raised here.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self.waited = 0.0
        self._made: queue.Queue[_Item[Item] | BaseException | None] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._make, args=(items,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        start = time.perf_counter()
        made = self._made.get()
        self.waited += time.perf_counter() - start
        if isinstance(made, _Item):
            return made.value
        self._made.put(made)  # a second call ends in the same way
        if made is None:
            raise StopIteration
        raise made

    def __enter__(self) -> Prefetcher[Item]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, whether or not all items were taken; there are no more items then."""
        self._left.set()
        while self._thread.is_alive() or not self._made.empty():  # it may be waiting for room
            try:
                self._made.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)
        self._made.put(None)

    def _make(self, items: Iterable[Item]) -> None:
        end: BaseException | None = None
        try:
            for item in items:
                self._made.put(_Item(item))
                if self._left.is_set():
                    return
        except BaseException as error:  # raised in the caller's thread
            end = error
        self._made.put(end)


@dataclass(frozen=True)
class _Item(Generic[Item]):
    value: Item
