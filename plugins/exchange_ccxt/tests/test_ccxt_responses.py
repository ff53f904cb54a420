"""Two concurrent requests end together, whatever happens to one of them or to the caller."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from te_exchange_ccxt.responses import Response, gather_pair, last_response


async def test_the_response_of_the_request_that_failed_is_the_last_one() -> None:
    async def failing() -> None:
        last_response.set(Response(503, {}, "down"))
        raise ConnectionError

    async def fine() -> None:
        last_response.set(Response(200, {}, "{}"))

    with pytest.raises(ConnectionError):
        await gather_pair(fine(), failing())
    assert last_response.get() == Response(503, {}, "down")


async def test_requests_cancelled_before_they_start_are_closed() -> None:
    async def request() -> None:
        raise AssertionError("it must not start")

    pair = request(), request()
    task = asyncio.ensure_future(gather_pair(*pair))
    await asyncio.sleep(0)  # the pair is about to start
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [inspect.getcoroutinestate(one) for one in pair] == [inspect.CORO_CLOSED] * 2
