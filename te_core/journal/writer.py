"""Group commit: everything appended during one commit shares the next one and its sync to disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from queue import Empty, SimpleQueue

from te_core.errors import JournalError
from te_core.journal.committer import STOPPED, Outcome, Work

LARGEST_COMMIT = 64
"""Appends of one commit. A larger one takes long next to a busy event loop, and an alert that arrives then waits for
it; the sync to disk that each commit costs is small by comparison."""


def resolve(outcomes: Iterable[Outcome]) -> None:
    """Resolve the futures of appends; called on their loop. A cancelled one is skipped, but its entry stays."""
    waiting = iter(outcomes)
    try:
        for done, error in waiting:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
    finally:
        # A callback may raise, which the loop reports; the other futures must be resolved nevertheless.
        if left := list(waiting):
            left[0][0].get_loop().call_soon(resolve, left)


def next_batch(waiting: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """Return what to commit next and what waits: appends with ``first`` lead, and each kind keeps its order.

    Neither kind gets less than half of a commit that it could fill, so a flood of alerts never holds back an order.
    """
    if len(waiting) <= LARGEST_COMMIT:
        return list(waiting), []
    leading = [work for work in waiting if work.first]
    others = [work for work in waiting if not work.first]
    size = max(LARGEST_COMMIT // 2, LARGEST_COMMIT - len(others))
    leading, later = leading[:size], leading[size:]
    room = LARGEST_COMMIT - len(leading)
    return leading + others[:room], later + others[room:]


class ThreadWriter:
    """Commits in its own thread, so that a sync to disk never blocks the event loop."""

    def __init__(self, commit: Callable[[Sequence[Work]], list[Outcome]]) -> None:
        self._commit = commit
        self._queue: SimpleQueue[Sequence[Work] | None] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, works: Sequence[Work]) -> None:
        """Queue appends; each future resolves in turn, and fails with `JournalError` if its entry was not stored."""
        self._queue.put(works)
        if self._stopped:
            self._refuse([])

    def close(self) -> None:
        """Wait until everything submitted is durable."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more, waiting = True, list[Work]()
        while more or waiting:
            taken = [*([] if waiting else [self._queue.get()]), *self._queued()]
            more = more and None not in taken
            waiting += [work for works in taken if works is not None for work in works]
            batch, waiting = next_batch(waiting)
            try:
                outcomes = self._commit(batch)
            except BaseException:
                # A defect rather than a failed write. It ends this thread, but leaves no future pending.
                self._stopped = True
                self._refuse([*batch, *waiting])
                raise
            self._deliver(outcomes)

    def _queued(self) -> Iterator[Sequence[Work] | None]:
        while True:
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def _refuse(self, batch: list[Work]) -> None:
        batch = batch + [work for works in self._queued() if works is not None for work in works]
        self._deliver([(work.done, JournalError(STOPPED)) for work in batch])

    @staticmethod
    def _deliver(outcomes: list[Outcome]) -> None:
        for loop, group in groupby(outcomes, key=lambda outcome: outcome[0].get_loop()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(resolve, list(group))


class InlineWriter:
    """Commits on the event loop, once for all appends of a tick, for the virtual clock, which allows no threads."""

    def __init__(self, commit: Callable[[Sequence[Work]], list[Outcome]]) -> None:
        self._commit = commit
        self._batch: list[Work] = []

    def submit(self, works: Sequence[Work]) -> None:
        """Queue appends."""
        if not self._batch:
            works[0].done.get_loop().call_soon(self.close)
        self._batch.extend(works)

    def close(self) -> None:
        """Commit the queued appends."""
        batch, self._batch = self._batch, []
        if batch:
            resolve(self._commit(batch))
