"""Notifiers that are wrong in the ways that plugins are: each is a right one, but for its mistake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from pydantic import BaseModel, SecretStr

from te_core.api import (
    AuthError,
    Event,
    NoticeRefused,
    Notifier,
    NotifierContext,
    NotifierSpec,
    NotReady,
)
from te_core.testing.notifier_harness import NotifierAbility, NotifierHarness

LIMIT = 10.0


class Options(BaseModel):
    key: SecretStr = SecretStr("key-0123456789")


class Answer(Exception):
    """What the receiver answers, as a client library raises it."""


class Receiver(NotifierHarness):
    """Shows messages of at most 200 characters."""

    abilities = frozenset(NotifierAbility)

    def __init__(self, kind: type[Bell]) -> None:
        self.spec = NotifierSpec(name="bell", settings=Options, factory=self._made)
        self.kind = kind
        self.messages: list[str] = []
        self.failing: NotifierAbility | None = None
        self.body = ""

    def _made(self, context: NotifierContext[Options]) -> Notifier:
        return self.kind(context, self.show)

    async def received(self) -> Sequence[str]:
        return tuple(self.messages)

    async def fail(self, ability: NotifierAbility, body: bytes = b"") -> None:
        self.failing, self.body = ability, body.decode()

    async def restore(self) -> None:
        self.failing = None

    async def show(self, message: str) -> None:
        await asyncio.sleep(0.1)
        if self.failing is NotifierAbility.HANG:
            await asyncio.Event().wait()
        if self.failing is NotifierAbility.GO_AWAY:
            raise ConnectionError("nobody is there")
        if self.failing is not None:
            raise Answer(self.failing, self.body)
        if len(message) > 200:
            raise Answer(NotifierAbility.REFUSE_THE_MESSAGE, "too long")
        self.messages.append(message)


class Bell(Notifier):
    """Without a mistake."""

    def __init__(self, context: NotifierContext[Options], show: Callable[[str], Awaitable[None]]) -> None:
        self.context = context
        self.show = show

    async def notify(self, event: Event) -> None:
        await self.sent(self.message(event))

    def message(self, event: Event) -> str:
        return f"{event.headline}: {event.text}"[:200]

    async def sent(self, message: str) -> None:
        try:
            async with asyncio.timeout(LIMIT):
                await self.show(message)
        except Answer as answer:
            self.refused(*answer.args)
        except (OSError, TimeoutError) as error:
            raise NotReady(f"cannot be reached: {type(error).__name__}") from None

    def refused(self, why: NotifierAbility, said: str) -> None:
        if why is NotifierAbility.REFUSE_THE_KEY:
            raise AuthError("the key is refused") from None
        if why is NotifierAbility.LIMIT_THE_RATE:
            raise NotReady("too many messages", retry_after=7) from None
        raise NoticeRefused("the message is refused") from None


class ShowsTheHeadlineOnly(Bell):
    def message(self, event: Event) -> str:
        return event.headline


class KeepsMessagesForLater(Bell):
    """One message for every two events."""

    kept = ""

    async def notify(self, event: Event) -> None:
        self.kept, before = self.message(event), self.kept
        if before:
            await self.sent(f"{before}\n{self.kept}")
            self.kept = ""


class SendsTwice(Bell):
    """It waits for no answer before it sends again."""

    number = 0

    async def notify(self, event: Event) -> None:
        self.number += 1
        for _ in range(2 if self.number == 3 else 1):
            await super().notify(event)


class CutsNothing(Bell):
    def message(self, event: Event) -> str:
        return f"{event.headline}: {event.text}"


class FillsInWhatLooksLikeAField(Bell):
    def message(self, event: Event) -> str:
        return f"{event.headline}: {event.text}".format(0, x=1, HOME="")[:200]


class LosesWhatCannotBeSent(Bell):
    async def sent(self, message: str) -> None:
        try:
            await super().sent(message)
        except NotReady as error:
            if "ConnectionError" not in str(error):
                raise


class LetsTheClientsErrorsPass(Bell):
    async def sent(self, message: str) -> None:
        try:
            async with asyncio.timeout(LIMIT):
                await self.show(message)
        except Answer as answer:
            self.refused(*answer.args)
        except TimeoutError as error:
            raise NotReady(f"cannot be reached: {type(error).__name__}") from None


class HasNoTimeLimit(Bell):
    async def sent(self, message: str) -> None:
        try:
            await self.show(message)
        except Answer as answer:
            self.refused(*answer.args)
        except OSError as error:
            raise NotReady(f"cannot be reached: {type(error).__name__}") from None


class TriesABadKeyAgain(Bell):
    def refused(self, why: NotifierAbility, said: str) -> None:
        if why is NotifierAbility.REFUSE_THE_KEY:
            raise NotReady("it does not work") from None
        super().refused(why, said)


class TriesABadMessageAgain(Bell):
    def refused(self, why: NotifierAbility, said: str) -> None:
        if why is NotifierAbility.REFUSE_THE_MESSAGE:
            raise NotReady("it does not work") from None
        super().refused(why, said)


class IgnoresTheWait(Bell):
    def refused(self, why: NotifierAbility, said: str) -> None:
        if why is NotifierAbility.LIMIT_THE_RATE:
            raise NotReady("too many messages") from None
        super().refused(why, said)


class QuotesTheReceiver(Bell):
    def refused(self, why: NotifierAbility, said: str) -> None:
        if why is NotifierAbility.REFUSE_THE_MESSAGE:
            raise NoticeRefused(f"the message is refused: {said}") from None
        super().refused(why, said)


class NamesItsCause(Bell):
    """The cause is logged with the error."""

    def refused(self, why: NotifierAbility, said: str) -> None:
        try:
            super().refused(why, said)
        except NotReady as error:
            raise error from ValueError(said)


class MistakesItsCancellation(Bell):
    async def sent(self, message: str) -> None:
        try:
            await super().sent(message)
        except asyncio.CancelledError:
            raise NotReady("interrupted") from None


class LeavesATask(Bell):
    async def notify(self, event: Event) -> None:
        self.task = asyncio.ensure_future(asyncio.sleep(100_000))
        await super().notify(event)


class SleepsOnTheLoop(Bell):
    async def notify(self, event: Event) -> None:
        with suppress(OSError):
            time.sleep(0)
        await super().notify(event)
