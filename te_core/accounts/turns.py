"""Turns for work that occupies the event loop, so that many simultaneous orders never delay alerts.

A task that waits for a response costs nothing; a thousand that continue at the same moment block everything else on the
loop until the last of them has run. Tasks that are about to compute take turns instead: a few per iteration of the
loop, which polls its sockets and timers in between.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

PER_ITERATION = 1
"""Turns per iteration of the loop. A turn takes one to a few milliseconds; an iteration itself a twentieth of one."""

Waiting = deque["asyncio.Future[None]"]


class Turns:
    """Grants turns: first come, first served within an account, round-robin between accounts.

    Work that has begun goes first. Otherwise many tasks would all begin before any of them ends, and decisions would be
    too old by the time they may be sent.

    A turn needs no release: it ends when the task waits again. So a cancelled task, waiting or not, never blocks
    another. No task waits while there is room in the current iteration.
    """

    def __init__(self, per_iteration: int = PER_ITERATION) -> None:
        self._per_iteration = per_iteration
        self._granted = 0
        self._counting = False
        self._begun: OrderedDict[str, Waiting] = OrderedDict()
        self._new: OrderedDict[str, Waiting] = OrderedDict()

    async def next(self, account: str, *, begun: bool = False) -> None:
        """Wait for a turn. Call it before each piece of CPU-bound work.

        ``begun``: the work continues something that had a turn before.
        """
        self._count_this_iteration()
        if self._granted < self._per_iteration and not self._waiting:
            self._granted += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._begun if begun else self._new
        queue.setdefault(account, deque()).append(turn)
        await turn

    @property
    def _waiting(self) -> bool:
        return bool(self._begun or self._new)

    def _count_this_iteration(self) -> None:
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._begin_iteration)

    def _begin_iteration(self) -> None:
        self._granted, self._counting = 0, False
        while self._waiting and self._granted < self._per_iteration:
            self._granted += self._grant_turn()
        if self._waiting:
            self._count_this_iteration()

    def _grant_turn(self) -> bool:
        """Resume the longest waiting task of the next account; returns False if it was cancelled meanwhile."""
        queue = self._begun or self._new
        account, waiting = queue.popitem(last=False)
        turn = waiting.popleft()
        if waiting:
            queue[account] = waiting
        if turn.done():
            return False
        turn.set_result(None)
        return True
