"""MEXC's WebSocket: public tickers, and after a login everything about the account without a subscription."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, Any, cast

from te_emulators.core import errors
from te_emulators.core.events import Event, Topic
from te_emulators.core.modes import PositionMode
from te_emulators.mexc.market import ticker
from te_emulators.mexc.rows import deal, pushed_asset, pushed_order, pushed_position
from te_emulators.mexc.signature import sign
from te_emulators.wire.call import Call
from te_emulators.wire.stream import Stream

if TYPE_CHECKING:  # the server creates connections
    from te_emulators.mexc.server import MexcServer

TICKERS = "tickers"
"""Subscription to all contracts, next to those to single symbols."""
TICK = 1.0
"""Seconds between two pushes of subscribed tickers."""
LONGEST_SILENCE = 60.0
"""Seconds without a ping after which a connection is closed."""
PERSONAL = frozenset({"order", "order.deal", "position", "asset"})


class MexcStream(Stream):
    """``/edge``."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._mexc = cast("MexcServer", self.server)
        self._subscribed: dict[str, None] = {}
        self._personal = PERSONAL
        self._pinged = 0.0

    async def on_open(self) -> None:
        """Start the recurring pushes."""
        self._pinged = asyncio.get_running_loop().time()
        self._start(self._recur())

    async def _recur(self) -> None:
        while asyncio.get_running_loop().time() - self._pinged < LONGEST_SILENCE:
            await asyncio.sleep(TICK)
            for name in list(self._subscribed):
                self._push_ticker(name)
        self.disconnect()

    async def on_text(self, text: str) -> None:
        """Ping, login, filter, subscribe, unsubscribe."""
        try:
            message = json.loads(text)
            method, param = str(message["method"]), message.get("param") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            self._answer("rs.error", "Invalid request")
            return
        if method == "ping":
            self._pinged = asyncio.get_running_loop().time()
            self._answer("pong", self._now)
        elif method == "login":
            await self._login(param)
        elif method == "personal.filter":
            names = {str(found.get("filter")) for found in param.get("filters") or ()}
            self._personal = PERSONAL & names if names else PERSONAL
            self._answer("rs.personal.filter", "success")
        else:
            self._subscribe(method, param)

    def _subscribe(self, method: str, param: dict[str, Any]) -> None:
        verb, _, topic = method.partition(".")
        name = TICKERS if topic == TICKERS else str(param.get("symbol"))
        known = name == TICKERS or name in self._mexc.exchange.market.instruments
        if verb not in {"sub", "unsub"} or topic not in {"ticker", TICKERS} or not known:
            self._answer("rs.error", f"no channel {method} {name}")
            return
        self._answer(f"rs.{method}", "success")
        if verb == "sub":
            self._subscribed[name] = None
            self._push_ticker(name)
        else:
            self._subscribed.pop(name, None)

    async def _login(self, param: dict[str, Any]) -> None:
        self.key_name = str(param.get("apiKey"))
        timestamp = str(param.get("reqTime"))

        def login(call: Call) -> None:
            key = self._mexc.known_key(call, self.key_name)
            self._mexc.check_time(timestamp, "")
            expected = sign(key.secret, key=key.key, timestamp=timestamp)
            if not hmac.compare_digest(expected, str(param.get("signature"))):
                raise errors.BadSignature

        call = Call(
            kind="login", method="WS", path="login", ip=self.ip, key_name=self.key_name, limited=False
        )
        outcome = await self._mexc.process(call, login, private=False)
        if self.unanswered(outcome):
            return
        if outcome.error is not None:
            self._answer("rs.error", outcome.error.text)
            return
        self.account = call.owner
        self._answer("rs.login", "success")

    def on_event(self, event: Event) -> None:
        """Push subscribed data, and everything about the account after its login."""
        if event.quote is not None:
            if event.quote.symbol in self._subscribed:
                self._push_ticker(event.quote.symbol)
            elif TICKERS in self._subscribed:
                self._push_ticker(TICKERS)
        elif self.account is not None and event.account is self.account:
            name, data = self._personal_data(event)
            if name in self._personal:
                self.push(event.topic, self._message(f"push.personal.{name}", data))

    def _personal_data(self, event: Event) -> tuple[str, dict[str, Any]]:
        account, episodes = self.account, self._mexc.episodes
        assert account is not None
        if event.topic is Topic.EXECUTION and event.order and event.execution:
            mode: PositionMode = account.position_mode(event.order.request.symbol)
            return "order.deal", deal(event.order, event.execution, mode)
        if event.order:
            return "order", pushed_order(event.order, episodes.of_order(event.order.order_id))
        if event.position:
            return "position", pushed_position(event.position, episodes.of(account.name, event.position))
        return "asset", pushed_asset(self._mexc.exchange, account)

    def _push_ticker(self, name: str) -> None:
        market, now = self._mexc.exchange.market, self._now
        if name != TICKERS:
            row = ticker(market.instruments[name], market.quotes[name], now)
            self.push(Topic.TICKER, self._message("push.ticker", row) | {"symbol": name})
            return
        rows = [ticker(i, market.quotes[i.symbol], now) for i in market.instruments.values()]
        for row in rows:
            del row["bid1"], row["ask1"], row["holdVol"], row["riseFallValue"]
        self.push(Topic.TICKER, self._message("push.tickers", rows))

    @property
    def _now(self) -> int:
        return self._mexc.exchange.clock.ms()

    def _message(self, channel: str, data: object) -> dict[str, Any]:
        return {"channel": channel, "data": data, "ts": self._now}

    def _answer(self, channel: str, data: object) -> None:
        answer = {"channel": channel, "data": data}
        self.reply(answer if channel == "pong" else {**answer, "ts": str(self._now)})
