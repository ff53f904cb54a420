"""Gate's streams: one connection for prices and the account, whose channels are signed one by one."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, cast

from te_emulators.core.account import Account
from te_emulators.core.events import Event, Topic
from te_emulators.wire.figures import plain
from te_emulators.wire.stream import Stream

if TYPE_CHECKING:  # the server names this stream
    from te_emulators.standins.gate import GateServer

PRIVATE = {"futures.positions", "futures.orders", "futures.balances"}


class GateStream(Stream):
    """Private channels need the user's id before the subscription's payload."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gate = cast("GateServer", self.server)
        self.channels: set[str] = set()
        self.contracts: set[str] = set()

    async def on_text(self, text: str) -> None:
        """Subscriptions only."""
        message = json.loads(text)
        channel, payload = message["channel"], message.get("payload") or []
        answer = {name: message.get(name) for name in ("id", "time", "channel", "event")}
        if channel in PRIVATE:
            owner = self._owner(message)
            if owner is None or not payload or not payload[0]:
                error = {
                    "code": 4,
                    "message": "authentication failed" if owner is None else "missing user id",
                }
                self.reply({**answer, "error": error})
                return
            self.account, self.key_name = owner, message["auth"]["KEY"]
        else:
            self.contracts |= set(payload)
        self.channels.add(channel)
        self.reply({**answer, "error": None, "result": {"status": "success"}})
        if channel == "futures.tickers":
            for symbol in payload:
                self._ticker(symbol)

    def _owner(self, message: dict[str, Any]) -> Account | None:
        """Return whose signature it is: HMAC-SHA512 over channel, event and time."""
        auth = message.get("auth") or {}
        key, owner = self.gate.exchange.keys.get(auth.get("KEY", ""), (None, None))
        if key is None:
            return None
        text = f"channel={message['channel']}&event={message['event']}&time={message['time']}"
        expected = hmac.new(key.secret.encode(), text.encode(), hashlib.sha512).hexdigest()
        return owner if hmac.compare_digest(expected, str(auth.get("SIGN"))) else None

    def _push(self, topic: Topic, channel: str, row: dict[str, object]) -> None:
        if channel in self.channels:
            now = self.gate.exchange.clock.ms()
            self.push(topic, {"channel": channel, "event": "update", "time": now // 1000, "result": [row]})

    def _ticker(self, symbol: str) -> None:
        if symbol in self.contracts:
            row = self.gate.ticker_row(self.gate.exchange.market.instrument(symbol))
            self._push(Topic.TICKER, "futures.tickers", row)

    def on_event(self, event: Event) -> None:
        """A quote changed, or something happened to the account."""
        if event.topic is Topic.TICKER and event.quote is not None:
            self._ticker(event.quote.symbol)
        if self.account is None or event.account is not self.account:
            return
        if event.order is not None and event.topic is Topic.ORDER:
            self._push(Topic.ORDER, "futures.orders", self.gate.order_row(event.order))
        elif event.position is not None:
            self._push(
                Topic.POSITION, "futures.positions", self.gate.position_row(self.account, event.position)
            )
        elif event.topic is Topic.WALLET:
            wallet = plain(self.account.ledger.wallet, 8)
            self._push(Topic.WALLET, "futures.balances", {"balance": wallet, "currency": "USDT"})
