"""Tells each service of an event, one after the other, in threads that may be left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from te_core.api import AuthError, Event, NoticeRefused, Notifier, NotifierContext, NotReady
from te_notify_apprise.options import AppriseOptions
from te_notify_apprise.sending import Failed, send

_LATER = frozenset({408, 425, 429})
_WRONG_ADDRESS = frozenset({401, 403, 404, 405, 407, 410})


class AppriseNotifier(Notifier):
    """A service that has taken an event is not told again when another one has to be."""

    def __init__(self, context: NotifierContext[AppriseOptions]) -> None:
        self._options = context.options
        self._log = context.log
        self._event: Event | None = None
        self._done: set[int] = set()
        """The services, by their place, that are done with that event."""
        self._busy = False
        """Whether a thread is still telling a service, be it that nobody waits for it any more."""

    async def notify(self, event: Event) -> None:
        """Tell the services that have not been told yet."""
        if event is not self._event:
            self._event, self._done = event, set()
        errors: list[Exception] = []
        for index, url in enumerate(self._options.urls):
            if index in self._done:
                continue
            title = f"{self._options.title}: {event.headline}"
            try:
                await self._tell(
                    partial(send, url.get_secret_value(), index + 1, title, event.text, event.kind)
                )
            except NoticeRefused as error:
                errors.append(error)
            except (NotReady, AuthError) as error:
                errors.append(error)
                continue
            self._done.add(index)
        if errors:
            raise self._worst(errors)

    def _worst(self, errors: list[Exception]) -> Exception:
        """Return what decides whether the event is tried again; the others are logged."""
        order = (NotReady, AuthError, NoticeRefused)
        errors.sort(key=lambda error: order.index(type(error)))
        for error in errors[1:]:
            self._log.warning("{}", error)
        return errors[0]

    async def _tell(self, work: Callable[[], Failed | None]) -> None:
        if self._busy:
            raise NotReady("a service still keeps the last notice waiting")
        try:
            async with asyncio.timeout(self._options.timeout.total_seconds()):
                failed = await self._in_thread(work)
        except TimeoutError:
            raise NotReady(f"a service did not answer within {self._options.timeout}") from None
        if failed is not None:
            raise _error(failed)

    async def _in_thread(self, work: Callable[[], Failed | None]) -> Failed | None:
        """Do it in a thread that nothing waits for when the engine ends; a pool's would be waited for."""
        loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def settle(failed: Failed | None, error: Exception | None) -> None:
            self._busy = False
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
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                raised = error
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, failed, raised)

        self._busy = True
        threading.Thread(target=run, name="apprise", daemon=True).start()
        answer: Failed | None = await future
        return answer


def _error(failed: Failed) -> Exception:
    if failed.status is None:
        return NotReady(f"{failed.service} cannot be reached, or did not take it")
    said = f"{failed.service} answered {failed.status}"
    if failed.status >= 500 or failed.status in _LATER:
        return NotReady(said)
    if 300 <= failed.status < 400:
        return NotReady(f"{said}, a redirect, which is not followed: check urls of this notifier")
    if failed.status in _WRONG_ADDRESS:
        return AuthError(f"{said}: check urls of this notifier in the settings")
    return NoticeRefused(f"{said}: check urls of this notifier in the settings")
