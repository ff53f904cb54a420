"""Warns of an API key that can do too much, or that will soon stop working."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from te_core.clock import Clock
from te_core.contracts.exchange import AccountIdentity, ExchangeAccount
from te_core.errors import TradeEngineError
from te_core.rules.key_expiry import remaining, stage, until_next_read
from te_core.tasks import sleep

WITHDRAWS = "this key may withdraw funds, which the engine never needs: create one without that permission"


class AccountKey:
    """What the exchange reports about the key of one section. Each warning is given once per run of the engine.

    ``expires_at``: when the key expires; None if it does not, or the exchange does not report it.
    """

    def __init__(self, clock: Clock, warn: Callable[[str], None]) -> None:
        self._clock = clock
        self._warn = warn
        self._warned: set[object] = set()
        self.expires_at: datetime | None = None

    def check(self, stated: AccountIdentity | None) -> None:
        """Warn of what is wrong with a key that was just accepted: an end that is past is not believed of it."""
        now = self._clock.now()
        if stated is not None and stated.may_withdraw:
            self._warn_once(WITHDRAWS, WITHDRAWS)
        at = stated.key_expires_at if stated is not None else None
        self.expires_at = at if at is not None and at > now else None
        self._warn_of_expiry(now)

    async def follow(self, account: ExchangeAccount) -> None:
        """Read the key again whenever a warning is due, and give it unless the key was renewed. Run until cancelled."""
        while self.expires_at is not None:
            wait = until_next_read(self.expires_at, self._clock.now())
            await sleep(self._clock, wait.total_seconds(), late=3600)
            try:
                self.check(await account.identity())
            except TradeEngineError:  # reported by the reads of the account; what was known still counts
                self._warn_of_expiry(self._clock.now())

    def _warn_of_expiry(self, now: datetime) -> None:
        at = self.expires_at
        if at is not None and (due := stage(at, now)) is not None:
            text = (
                f"this key expires {remaining(at, now)} ({at.astimezone(UTC):%d %b %Y %H:%M} UTC), and nothing can be "
                "traded then: renew it at the exchange, or replace it by one that is bound to this machine's address"
            )
            self._warn_once((at, due), text)

    def _warn_once(self, what: object, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            self._warn(text)
