"""Turns for work that keeps the event loop busy, so that many orders at once never keep alerts waiting.

A task that waits for an answer costs nothing; a thousand that go on at the same moment keep everything else from the
loop until the last of them has run. Those that are about to compute take turns instead: a few per iteration of the
loop, which looks at its sockets and timers in between.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque

PER_ITERATION = 1
"""Turns in one iteration of the loop. A turn lasts a millisecond or a few; an iteration itself costs a twentieth."""

Waiting = deque["asyncio.Future[None]"]


class Turns:
    """Hands out turns: in the order of asking within an account, by rotation between accounts.

    What has begun goes first. Otherwise a crowd would begin everything before it ends anything, and what was decided
    would be too old by the time it may be sent.

    A turn is not held and needs no release: it ends when the task waits again. So whoever is cancelled, waiting or
    not, keeps nobody from theirs. Nobody waits while there is room in the present iteration.
    """

    def __init__(self, per_iteration: int = PER_ITERATION) -> None:
        self._per_iteration = per_iteration
        self._granted = 0
        self._counting = False
        self._begun: OrderedDict[str, Waiting] = OrderedDict()
        self._new: OrderedDict[str, Waiting] = OrderedDict()

    async def next(self, account: str, *, begun: bool = False) -> None:
        """Wait for a turn. Call it before a piece of work that computes, and again before the next.

        ``begun``: the work goes on with something that had a turn before.
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
        """Let the longest waiting task of the next account go on, unless it was cancelled meanwhile."""
        queue = self._begun or self._new
        account, waiting = queue.popitem(last=False)
        turn = waiting.popleft()
        if waiting:
            queue[account] = waiting
        if turn.done():
            return False
        turn.set_result(None)
        return True
