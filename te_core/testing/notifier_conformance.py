"""The suite that every notifier must pass: events in, messages at its receiver, and the right error for each failure.

Subclass it; pytest runs every case that the receiver's abilities allow::

    class TestBell(NotifierConformance):
        def make_receiver(self, folder):
            return BellHarness()

If the receiver uses sockets, mark the subclass ``wired_clock`` and serve it on the loop of the case
(`HttpNotifierHarness` does), or ``real_clock`` if the notifier sends from a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pytest
from loguru import logger

from te_core.contracts.notifier import Notifier, NotifierContext
from te_core.errors import AuthError, NoticeRefused, NotReady, TradeEngineError
from te_core.http_session import http_session
from te_core.model.event import Event
from te_core.runtime import guard
from te_core.runtime.notifiers import NOTIFY_TIMEOUT
from te_core.secrets import SHORTEST, secrets_in
from te_core.testing.blocking_calls import blocking_calls
from te_core.testing.endings import PROMPTLY, cancelled, left, running
from te_core.testing.notifier_harness import NotifierAbility, NotifierHarness

if TYPE_CHECKING:
    from aiohttp import ClientSession

ATTEMPTS = 30
"""How often an event is passed on, a second apart, until the receiver works again."""
SAID = 20
"""Characters at the beginning of a text that must arrive, however long it is."""
ODD_TEXTS = (
    "long: " + "x" * 4000,
    "lines:\nfirst\nsecond\r\nthird",
    "signs: <b>&amp; $HOME ${x} {0} {} %s %% \\ ` * _ ~ | [a](b) # @everyone",
    "letters: äß 漢字 \U0001f6d1 \u202eright to left",
    " spaces around ",
)
ERRORS: Mapping[NotifierAbility, type[TradeEngineError]] = {
    NotifierAbility.GO_AWAY: NotReady,
    NotifierAbility.HANG: NotReady,
    NotifierAbility.REFUSE_THE_KEY: AuthError,
    NotifierAbility.REFUSE_THE_MESSAGE: NoticeRefused,
    NotifierAbility.LIMIT_THE_RATE: NotReady,
}
"""The error that a notifier must raise for each failure of its receiver."""


class NotifierRunnerHarness:
    """Calls one notifier as the engine does."""

    def __init__(self, receiver: NotifierHarness, folder: Path) -> None:
        self.receiver = receiver
        self.lines: list[str] = []
        """What was logged meanwhile."""
        self._folder = folder
        self._session: ClientSession | None = None
        self._number = 0

    async def __aenter__(self) -> Self:
        self._sink = logger.add(
            self.lines.append, level="TRACE", format="{message}\n{exception}", diagnose=False
        )
        await self.receiver.open()
        settings = self.receiver.spec.settings
        self.context: NotifierContext[Any] = NotifierContext(
            name="under-test",
            options=settings.model_validate(self.receiver.options()),
            clock=self.receiver.clock,
            log=logger,
            state_dir=self._folder,
            http=self._http,
        )
        self.instance = self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.instance.close()
            await self.receiver.close()
            if self._session is not None:
                await self._session.close()
        finally:
            logger.remove(self._sink)

    def _http(self) -> ClientSession:
        if self._session is None:
            self._session = http_session()
        return self._session

    def connect(self) -> Notifier:
        """Return a further instance."""
        return guard.make(self.receiver.connect, self.context, Notifier)

    def event(self, text: str = "") -> Event:
        """Return an event with that text, or with one that no other has."""
        self._number += 1
        text = text or f"event {self._number}: holds 1, wanted 2"
        return Event(at=self.context.clock.now(), kind="drift", text=text, account="main", symbol="BTCUSDT")

    async def notify(self, event: Event) -> None:
        """Pass an event on, within the engine's time limit."""
        async with asyncio.timeout(NOTIFY_TIMEOUT):
            await guard.call("notify()", partial(self.instance.notify, event))

    async def delivered(self, event: Event) -> str:
        """Pass an event on; return the message that arrived, which must contain the text."""
        number = len(await self.receiver.received())
        await self.notify(event)
        found = list(await self.receiver.received())[number:]
        assert len(found) == 1, f"one event became {len(found)} messages"
        assert event.text.strip()[:SAID] in found[0], f"{event.text[:SAID]!r} is not in {found[0]!r}"
        return found[0]

    async def delivered_later(self, event: Event) -> None:
        """Pass an event on again as long as it is ``NotReady``: a thread may still send an earlier message."""
        for _ in range(ATTEMPTS):
            with suppress(NotReady):
                await self.delivered(event)
                return
            await asyncio.sleep(1)
        await self.delivered(event)

    async def fails(self, ability: NotifierAbility) -> TradeEngineError:
        """Have the receiver fail; return what the notifier raises, which must be the right error."""
        if ability not in self.receiver.abilities:
            pytest.skip(f"the emulator cannot {ability.replace('_', ' ')}")
        expected = ERRORS[ability]
        await self.receiver.fail(ability)
        event = self.event()
        try:
            await self.notify(event)
        except expected as error:
            found: TradeEngineError = error
        except TimeoutError:
            raise AssertionError(f"notify() did not return within {NOTIFY_TIMEOUT:g} s") from None
        except Exception as error:
            raise AssertionError(
                f"notify() raised {type(error).__name__}: {error}, not {expected.__name__}"
            ) from error
        else:
            raise AssertionError(
                f"notify() returned although the message was lost; raise {expected.__name__}"
            )
        await self.receiver.restore()
        await self.delivered_later(self.event() if expected is NoticeRefused else event)
        return found

    def secrets(self) -> Iterator[str]:
        """Yield the secrets that are long enough to be recognised."""
        found = {*secrets_in(self.context.options), *self.receiver.secrets()}
        yield from sorted(secret for secret in found if len(secret) >= SHORTEST)


class NotifierConformance:
    """Cases N01 to N12. Subclasses implement ``make_receiver``."""

    def make_receiver(self, folder: Path) -> NotifierHarness:
        """Return a new receiver; ``folder`` is empty and belongs to the case."""
        raise NotImplementedError

    @pytest.fixture
    def notifier(self, tmp_path: Path) -> NotifierRunnerHarness:
        """Return one notifier with its receiver."""
        return NotifierRunnerHarness(self.make_receiver(tmp_path), tmp_path)

    async def test_n01_an_event_becomes_a_message(self, notifier: NotifierRunnerHarness) -> None:
        """The reader sees the event's text."""
        async with notifier:
            await notifier.delivered(notifier.event())

    async def test_n02_messages_arrive_in_order(self, notifier: NotifierRunnerHarness) -> None:
        """Each event is one message, and has arrived when ``notify()`` returns."""
        async with notifier:
            events = [notifier.event() for _ in range(3)]
            arrived = [await notifier.delivered(event) for event in events]
            assert list(await notifier.receiver.received()) == arrived

    async def test_n03_any_text_arrives(self, notifier: NotifierRunnerHarness) -> None:
        """Texts contain what exchanges answer: signs, line ends, 4,000 characters. What is too long is cut."""
        async with notifier:
            for text in ODD_TEXTS:
                await notifier.delivered(notifier.event(text))

    async def test_n04_an_unreachable_receiver_is_tried_again(self, notifier: NotifierRunnerHarness) -> None:
        """``NotReady``: the engine calls again with the same event."""
        async with notifier:
            await notifier.fails(NotifierAbility.GO_AWAY)

    async def test_n05_an_unanswered_message_is_given_up(self, notifier: NotifierRunnerHarness) -> None:
        """A message has a time limit below the engine's of 60 s, and then is ``NotReady``."""
        async with notifier:
            await notifier.fails(NotifierAbility.HANG)

    async def test_n06_a_refused_key_is_not_an_outage(self, notifier: NotifierRunnerHarness) -> None:
        """``AuthError``: only the operator can help, so the engine tries ever less often."""
        async with notifier:
            await notifier.fails(NotifierAbility.REFUSE_THE_KEY)

    async def test_n07_a_refused_message_holds_up_no_other(self, notifier: NotifierRunnerHarness) -> None:
        """``NoticeRefused``: the engine drops this event and sends the next one."""
        async with notifier:
            await notifier.fails(NotifierAbility.REFUSE_THE_MESSAGE)

    async def test_n08_the_receivers_wait_is_passed_on(self, notifier: NotifierRunnerHarness) -> None:
        """``NotReady(retry_after=…)``: the engine waits as long as the receiver asks it to."""
        async with notifier:
            error = await notifier.fails(NotifierAbility.LIMIT_THE_RATE)
            assert getattr(error, "retry_after", None) == notifier.receiver.wait

    async def test_n09_secrets_stay_secret(self, notifier: NotifierRunnerHarness) -> None:
        """No secret is in an error, its causes, the log or ``status()``, whatever the receiver answers."""
        async with notifier:
            secrets = tuple(notifier.secrets())
            echo = json.dumps({"error": [f"{secret} is wrong" for secret in secrets]}).encode()
            said = []
            for ability in sorted(notifier.receiver.abilities):
                await notifier.receiver.fail(ability, echo)
                with suppress(TimeoutError):
                    try:
                        await notifier.notify(notifier.event())
                    except TradeEngineError as error:
                        said += list(_causes(error))
                await notifier.receiver.restore()
            said += [*notifier.lines, repr(guard.ask("status()", notifier.instance.status))]
            for text in said:
                assert not any(secret in text for secret in secrets), "a secret is in an error or a log line"

    async def test_n10_a_cancelled_call_ends(self, notifier: NotifierRunnerHarness) -> None:
        """``notify()`` ends when it is cancelled, also while a message is unanswered; the next one arrives."""
        async with notifier:
            hangs = NotifierAbility.HANG in notifier.receiver.abilities
            if hangs:
                await notifier.receiver.fail(NotifierAbility.HANG)
            sending = asyncio.ensure_future(notifier.instance.notify(notifier.event()))
            await asyncio.sleep(0.5 if hangs else 0)
            ended = await cancelled(sending)
            assert ended, "notify() continues, or ends in another way, although it was cancelled"
            await notifier.receiver.restore()
            await notifier.delivered_later(notifier.event())

    async def test_n11_what_is_closed_leaves_nothing_running(self, notifier: NotifierRunnerHarness) -> None:
        """An instance that is closed leaves no task and no thread, also if it was never used."""
        async with notifier:
            await notifier.connect().close()
            await notifier.delivered(notifier.event())
            allowed = running()
            for _ in range(3):
                await notifier.instance.close()
                notifier.instance = notifier.connect()
                await notifier.delivered(notifier.event())
            found = await left(len(allowed), within=PROMPTLY)
            assert len(found) <= len(allowed), f"after close(): {found}, before: {allowed}"

    async def test_n12_nothing_blocks_the_event_loop(self, notifier: NotifierRunnerHarness) -> None:
        """What sleeps or connects without ``await`` holds up every account."""
        async with notifier:
            with blocking_calls() as found:
                await notifier.delivered(notifier.event())
            assert not found, f"the event loop was blocked: {found}"


def _causes(error: BaseException | None) -> Iterator[str]:
    """Yield an error and those that led to it, as far as a log shows them."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
