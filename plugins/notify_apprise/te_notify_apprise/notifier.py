"""Sends events to each service in turn, in threads that may be abandoned."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from te_core.api import AuthError, Event, NoticeRefused, Notifier, NotifierContext, NotReady, TradeEngineError
from te_notify_apprise.options import AppriseOptions
from te_notify_apprise.sending import Failed, send

_LATER = frozenset({408, 425, 429})
_WRONG_ADDRESS = frozenset({401, 403, 404, 405, 407, 410})


class AppriseNotifier(Notifier):
    """Sends events; one is delivered once any service accepts it, so a failing service never blocks the others."""

    def __init__(self, context: NotifierContext[AppriseOptions]) -> None:
        self._options = context.options
        self._log = context.log
        self._busy: set[int] = set()
        """Services that a thread is still sending to, even if nothing waits for it any more."""

    async def notify(self, event: Event) -> None:
        """Send an event to every service. Raises if none accepts it."""
        title = f"{self._options.title}: {event.headline}"
        errors: list[TradeEngineError] = []
        for number, url in enumerate(self._options.urls, 1):
            work = partial(send, url.get_secret_value(), number, title, event.text, event.kind)
            try:
                await self._send_to(number, work)
            except (NotReady, AuthError, NoticeRefused) as error:
                errors.append(error)
        if len(errors) == len(self._options.urls):
            # Temporary errors take precedence, then errors that the operator must fix.
            raise min(errors, key=lambda one: (NotReady, AuthError, NoticeRefused).index(type(one)))
        for failed in errors:
            self._log.warning("a notice was not accepted: {}", failed)

    async def _send_to(self, number: int, work: Callable[[], Failed | None]) -> None:
        if number in self._busy:
            raise NotReady(f"service {number} is still busy with an earlier notice")
        try:
            async with asyncio.timeout(self._options.timeout.total_seconds()):
                failed = await self._in_thread(number, work)
        except TimeoutError:
            raise NotReady(f"service {number} did not answer within {self._options.timeout}") from None
        if failed is not None:
            raise _error(failed)

    async def _in_thread(self, number: int, work: Callable[[], Failed | None]) -> Failed | None:
        """Run in a daemon thread, which does not delay the end of the engine; a pool's thread would."""
        loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def set_result(failed: Failed | None, error: Exception | None) -> None:
            self._busy.discard(number)
            if future.done():
                return
            if error is None:
                future.set_result(failed)
            else:
                future.set_exception(error)

        def run() -> None:
            failed, raised = None, None
            try:
                failed = work()
            except Exception as error:  # noqa: BLE001 - re-raised where it is awaited
                raised = error
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(set_result, failed, raised)

        self._busy.add(number)
        threading.Thread(target=run, name="apprise", daemon=True).start()
        answer: Failed | None = await future
        return answer


def _error(failed: Failed) -> Exception:
    if failed.status is None:
        return NotReady(f"{failed.service} cannot be reached, or did not accept the notice")
    said = f"{failed.service} answered {failed.status}"
    if failed.status >= 500 or failed.status in _LATER:
        return NotReady(said)
    if 300 <= failed.status < 400:
        return NotReady(f"{said}, a redirect, which is not followed: check urls of this notifier")
    if failed.status in _WRONG_ADDRESS:
        return AuthError(f"{said}: check urls of this notifier in the settings")
    return NoticeRefused(f"{said}: check urls of this notifier in the settings")
