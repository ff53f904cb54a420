"""Calls to plugins: whatever one raises becomes an ordinary error of that call, and affects nothing else (I21)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from te_core.arithmetic import own_arithmetic
from te_core.errors import (
    NotReady,
    PluginDefect,
    TradeEngineError,
    a_kind,
    defined_at,
    described,
    raised_at,
    record_call,
)
from te_core.secrets import Redact, redacted

if TYPE_CHECKING:
    from loguru import Logger

C = TypeVar("C")
T = TypeVar("T")

CLOSE_TIMEOUT = 10.0
"""Seconds that a plugin's ``close`` may take."""

CANCEL_TIMEOUT = 1.0
"""Seconds that a cancelled call is waited for."""

DEEPEST, LARGEST = 12, 20_000
"""Maximum levels and values of a plugin's ``status`` or ``report``."""

ENDINGS = (SystemExit, KeyboardInterrupt)
"""Exceptions that end the process if core code raises them. Real signals are handled in ``app/process.py`` instead."""


async def call(what: str, work: Callable[[], Awaitable[T]], redact: Redact = str) -> T:
    """Call a plugin's method and await what it returns.

    Raise `PluginDefect` for an exit, for a cancellation that is not the engine's, and for a method that is not async.
    If a plugin swallows the engine's own cancellation, it is raised again: the plugin's result must not be used then.
    Any other error is raised with secrets redacted, which an exchange's answer may contain.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        with own_arithmetic():
            made = work()
            if not hasattr(made, "__await__"):
                raise PluginDefect(f"{what} is not async: define it with async def{defined_at(work)}")
            answer = await made
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling() > before:
            raise
        at = raised_at(error)
        raise PluginDefect(f"{what} raised CancelledError, although nobody cancelled it{at}") from error
    except ENDINGS as error:
        redact_error(error, redact)
        raise PluginDefect(f"{what} raised {type(error).__name__}({error}){raised_at(error)}") from error
    except Exception as error:
        redact_error(error, redact)
        record_call(error, what)
        raise
    return answer


class Apart:
    """Calls a plugin's methods in tasks of their own, and abandons what does not end when it is cancelled.

    A method is not called again while an earlier call is abandoned, so their number is bounded.
    """

    def __init__(self, redact: Redact = str) -> None:
        self._redact = redact
        self._left: dict[str, set[asyncio.Task[Any]]] = {}

    async def call(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Like `call`. Raise `NotReady` if an earlier call was abandoned and still runs."""
        left = self._left.setdefault(what, set())
        if left:
            raise NotReady(f"{what} was cancelled and still runs; it is called again once it has ended")
        running = asyncio.create_task(call(what, work, self._redact))
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            running.add_done_callback(partial(_forget, left))
            running.cancel()
            try:
                await asyncio.wait([running], timeout=CANCEL_TIMEOUT)
            finally:
                if not running.done():
                    left.add(running)
            raise
        if running.cancelled():
            raise PluginDefect(f"{what} cancelled its own task{defined_at(work)}")
        return running.result()


def _forget(left: set[asyncio.Task[Any]], ended: asyncio.Task[Any]) -> None:
    left.discard(ended)
    if not ended.cancelled():
        ended.exception()  # nobody waits for it


def redact_error(error: BaseException, redact: Redact) -> None:
    """Redact every text in an error and in its causes."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        with suppress(Exception):  # a plugin's own class may forbid it; output is redacted once more
            each.args = tuple(redacted(part, redact) if _may_hold_text(part) else part for part in each.args)
            for name, part in {**vars(each), "strerror": getattr(each, "strerror", None)}.items():
                if isinstance(part, str) and (shown := redact(part)) != part:
                    setattr(each, name, shown)
        waiting += [each.__cause__, each.__context__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _may_hold_text(value: object) -> bool:
    return isinstance(value, str | Mapping | list | tuple)


def make(factory: Callable[[C], T], context: C, kind: type[T] | None = None) -> T:
    """Create an instance. Raise `PluginDefect` if it is not of the type that the contract requires."""
    try:
        with own_arithmetic():
            made: T = factory(context)
    except (asyncio.CancelledError, *ENDINGS) as error:
        raise PluginDefect(f"its factory raised {type(error).__name__}({error}){raised_at(error)}") from error
    except Exception as error:
        record_call(error, "its factory")
        raise
    if kind is not None and not isinstance(made, kind):
        at = defined_at(factory)
        raise PluginDefect(f"its factory returned {a_kind(made)} instead of {kind.__name__}{at}")
    return made


def attempt(question: Callable[[], T]) -> T | None:
    """Return a plugin's answer to an optional query; None if it fails."""
    try:
        with own_arithmetic():
            return question()
    except GeneratorExit:
        raise
    except BaseException:  # noqa: BLE001 - a plugin's defect ends here: it reappears where an answer is needed
        return None


async def within(seconds: float, what: str, work: Callable[[], Awaitable[T]]) -> T:
    """Await a guarded call with a timeout. Raise `NotReady` for any failure but a `TradeEngineError`."""
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except TimeoutError:
        raise NotReady(f"{what}: no answer within {seconds:g} s") from None
    except TradeEngineError:
        raise
    except Exception as error:
        raise NotReady(f"defect of the plugin: {described(error)}") from error


async def close(what: str, closing: Callable[[], Awaitable[None]], log: Logger) -> None:
    """Release an instance. Errors and timeouts are logged; only the engine's own cancellation is raised."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await Apart().call(what, closing)
    except TimeoutError:
        log.warning("{} did not return within {:g} s; its resources may leak", what, CLOSE_TIMEOUT)
    except Exception as error:  # noqa: BLE001 - a plugin's defect ends here: the instance is stopped all the same
        found = described(error)
        said = found if found.startswith(what) else f"{what} failed: {found}"
        log.warning("{}; its resources may leak", said)


def ask(what: str, question: Callable[[], Mapping[str, Any]], redact: Redact = str) -> dict[str, Any]:
    """Return a plugin's answer as JSON values, or ``{"error": reason}`` if it fails or is unusable."""
    try:
        with own_arithmetic():
            found: dict[str, Any] = redacted(_checked(question(), question), redact)
            return found
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin's defect ends here: the others are still asked
        return {"error": redact(f"{what} failed: {described(error)}")}


def _checked(answer: object, question: object) -> dict[str, Any]:
    if not isinstance(answer, Mapping):
        raise PluginDefect(f"it returned {_kind(answer)} instead of a mapping{defined_at(question)}")
    if problem := next(_problems(answer), None):
        raise PluginDefect(f"it returned what is not JSON: {problem}{defined_at(question)}")
    return dict(answer)


def _problems(answer: Mapping[Any, Any]) -> Iterator[str]:
    """Yield what is not a JSON value; stop at a structure that is too large to be shown."""
    waiting: list[tuple[str, object, int]] = [("", answer, 0)]
    seen = 0
    while waiting:
        where, value, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST or seen > LARGEST:
            yield f"more than {DEEPEST} levels or {LARGEST} values"
            return
        match value:
            case Mapping():
                yield from (
                    f"a key of {where or 'the whole'} is {_kind(key)}" for key in value if not _is_text(key)
                )
                waiting += [(f"{where}.{key}".lstrip("."), item, depth + 1) for key, item in value.items()]
            case list() | tuple():
                waiting += [(f"{where}[{index}]", item, depth + 1) for index, item in enumerate(value)]
            case _ if not _is_plain(value):
                yield f"{where} is {_kind(value)}"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_plain(value: object) -> bool:
    if isinstance(value, float | Decimal):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def _kind(value: object) -> str:
    return str(value) if isinstance(value, float | Decimal) else a_kind(value)
