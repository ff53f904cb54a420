"""The newest response of the exchange in this task, and how to await two requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Response:
    """The newest response in this task: HTTP status, headers with lower-case names, text."""

    status: int
    headers: Mapping[str, str]
    text: str


last_response: ContextVar[Response | None] = ContextVar("te_exchange_ccxt_last_answer", default=None)


async def gather_pair(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Await two requests concurrently.

    If one fails, raise its error, with ``last_response`` as if it had been the only request.
    """
    responses: list[Response | None] = []

    async def remembered(request: Awaitable[Any]) -> Any:
        try:
            return await request
        except BaseException:
            responses.append(last_response.get())  # a task has a context of its own
            raise

    tasks = [asyncio.ensure_future(remembered(request)) for request in (first, second)]
    try:
        one, other = await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        last_response.set(responses[0] if responses else None)
        await asyncio.gather(*tasks, return_exceptions=True)
        for request in (first, second):
            if asyncio.iscoroutine(request):
                request.close()  # one that was cancelled before it started would never be awaited
        raise
    return one, other
