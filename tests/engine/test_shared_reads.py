"""Concurrent reads of one account's positions: who shares a request, and who needs the next one."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from te_core.accounts.reader import Positions, SharedRead
from te_core.errors import AuthError
from te_core.model.observation import Observation


class Requests:
    """Requests that take a second each, numbered in the order in which they were sent."""

    def __init__(self) -> None:
        self.under_way = self.sent = 0
        self.error: Exception | None = None
        self.shared = SharedRead(self.send)

    async def send(self) -> Observation[Positions]:
        assert not self.under_way, "one at a time"
        self.sent += 1
        number = self.sent
        self.under_way += 1
        await asyncio.sleep(1)  # virtual
        self.under_way -= 1
        if self.error is not None:
            raise self.error
        return Observation(value={}, asked_at=0.0, arrived_at=1.0, number=number)

    async def number(self, *, after: float = 0.0, batch_window: float = 0.0) -> int:
        """Return which request answers somebody who asks ``after`` seconds."""
        await asyncio.sleep(after)
        found = await self.shared.get(batch_window)
        assert isinstance(found, Observation)
        return found.number


async def test_who_asks_before_it_is_sent_shares_a_request() -> None:
    requests = Requests()
    asked = (requests.number(batch_window=0.5), requests.number(after=0.2), requests.number(after=0.4))
    assert tuple(await asyncio.gather(*asked)) == (1, 1, 1)


async def test_a_request_under_way_serves_nobody_who_asks_later() -> None:
    """Their order may have been sent meanwhile, and it would show the position from before it."""
    requests = Requests()
    asked = (requests.number(), requests.number(after=0.5), requests.number(after=0.9))
    assert tuple(await asyncio.gather(*asked)) == (1, 2, 2)


async def test_a_request_that_nobody_waits_for_any_more_fails_quietly() -> None:
    loop, reported = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: reported.append(context))
    requests = Requests()
    requests.error = AuthError("the key is refused")
    waiting = asyncio.create_task(requests.number())
    await asyncio.sleep(0.5)  # virtual seconds: the request is under way
    waiting.cancel()
    await asyncio.sleep(2)
    del requests, waiting
    gc.collect()
    assert reported == []


async def test_whoever_waits_gets_the_error() -> None:
    requests = Requests()
    requests.error = AuthError("the key is refused")
    with pytest.raises(AuthError):
        await requests.number()
