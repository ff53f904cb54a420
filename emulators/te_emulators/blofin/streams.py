"""BloFin's streams: /ws/public with tickers, /ws/private with orders, positions and account after a login."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from te_emulators.blofin import account, market, order_rows, positions
from te_emulators.blofin.signature import LOGIN, sign
from te_emulators.core.account import Account
from te_emulators.core.events import Event, Topic
from te_emulators.core.position import Position
from te_emulators.wire.call import Call
from te_emulators.wire.stream import Stream

if TYPE_CHECKING:  # the server names these streams
    from te_emulators.blofin.server import BlofinServer

IDLE = 30.0
"""Seconds without traffic after which a connection is closed."""
BETWEEN_CONNECTIONS = 1.0
"""An address may open one connection per that many seconds."""
Subscription = tuple[str, str | None]
"""Channel and instrument, None for all."""


class BlofinStream(Stream):
    """The common part of both connections."""

    channels: ClassVar[frozenset[str]]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.blofin = cast("BlofinServer", self.server)
        self.subscribed: dict[Subscription, None] = {}
        self._alive = 0.0

    async def on_open(self) -> None:
        """Accept one connection per second and address; others are closed."""
        now = self.blofin.exchange.clock.monotonic()
        last = self.blofin.connected.get(self.ip, float("-inf"))
        if now - last < BETWEEN_CONNECTIONS:
            self.blofin.exchange.counts.refusals["connections"] += 1
            self.abort()
            return
        self.blofin.connected[self.ip] = now
        self._seen()
        self._start(self._close_when_idle())

    def _seen(self) -> None:
        self._alive = asyncio.get_running_loop().time()

    async def _close_when_idle(self) -> None:
        while (left := self._alive + IDLE - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)
        self.abort()

    def _enqueue(self, text: str) -> None:
        self._seen()
        super()._enqueue(text)

    async def on_text(self, text: str) -> None:
        """Heartbeats are plain text, the rest is JSON."""
        self._seen()
        if text == "ping":
            self.reply("pong")
            return
        try:
            message = json.loads(text)
            op, arguments = message["op"], message["args"]
        except (ValueError, TypeError, KeyError):
            self._refuse("60012", f"Invalid request: {text}")
            return
        for argument in arguments:
            if op == "login":
                await self._login(argument)
            elif op in {"subscribe", "unsubscribe"} and argument.get("channel") in self.channels:
                self._subscribe(op, argument)
            else:
                self._refuse("60012", f"Invalid request: {text}")

    def _refuse(self, code: str, text: str) -> None:
        self.reply({"event": "error", "code": code, "msg": text})

    async def _login(self, argument: dict[str, str]) -> None:
        self._refuse("60012", f"Invalid request: {json.dumps({'op': 'login', 'args': [argument]})}")

    def _subscribe(self, op: str, argument: dict[str, str]) -> None:
        subscription = (argument["channel"], argument.get("instId"))
        self.reply({"event": op, "arg": argument})
        if op == "unsubscribe":
            self.subscribed.pop(subscription, None)
            return
        self.subscribed[subscription] = None
        self.first_push(subscription)

    def first_push(self, subscription: Subscription) -> None:
        """Return the push that follows a subscription."""

    def push_to(self, topic: Topic, channel: str, symbol: str | None, data: Any, **more: str) -> None:
        """Push to every subscription that covers it."""
        for name, wanted in list(self.subscribed):
            if name != channel or (wanted is not None and symbol not in {None, wanted}):
                continue
            arg = {"channel": channel} if wanted is None else {"channel": channel, "instId": wanted}
            self.push(topic, {**more, "arg": arg, "data": data})


class PublicStream(BlofinStream):
    """Tickers of single instruments, all at once and with every change."""

    channels = frozenset({"tickers"})

    def first_push(self, subscription: Subscription) -> None:
        """Return the current ticker."""
        instruments = self.blofin.exchange.market.instruments
        if subscription[1] in instruments:
            self._ticker(str(subscription[1]))

    def on_event(self, event: Event) -> None:
        """Push a changed quote."""
        if event.topic is Topic.TICKER and event.quote is not None:
            self._ticker(event.quote.symbol)

    def _ticker(self, symbol: str) -> None:
        exchange = self.blofin.exchange
        row = market.ticker(exchange, exchange.market.instruments[symbol])
        self.push_to(Topic.TICKER, "tickers", symbol, [row])


class PrivateStream(BlofinStream):
    """Orders, positions and the balance of the account that logged in."""

    channels = frozenset({"orders", "positions", "account"})

    async def on_open(self) -> None:
        """Push at intervals, if configured."""
        await super().on_open()
        if self.blofin.unknowns.push_seconds is not None:
            self._start(self._push_at_intervals(self.blofin.unknowns.push_seconds))

    async def _push_at_intervals(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            for subscription in list(self.subscribed):
                self._push_state(subscription)

    async def _login(self, argument: dict[str, str]) -> None:
        call = Call(kind="login", method="GET", path=LOGIN, ip=self.ip, key_name=argument.get("apiKey"))
        outcome = await self.server.process(call, partial(self._verify, argument), private=False)
        if self.unanswered(outcome):
            return
        if outcome.error is not None:
            self._refuse("60009", "Login failed.")
            return
        self.account, self.key_name = call.owner, call.key_name
        self.reply({"event": "login", "code": "0", "msg": ""})

    def _verify(self, argument: dict[str, str], call: Call) -> None:
        key = self.blofin.known_key(call, call.key_name)
        given = [argument.get(name, "") for name in ("passphrase", "timestamp", "nonce", "sign")]
        passphrase, timestamp, nonce, signature = given
        expected = sign(key.secret, path=LOGIN, timestamp=timestamp, nonce=nonce)
        self.blofin.check(key, passphrase, timestamp, nonce, signature, expected)

    def _subscribe(self, op: str, argument: dict[str, str]) -> None:
        if self.account is None:
            self._refuse("60011", "Please log in")
            return
        super()._subscribe(op, argument)

    def first_push(self, subscription: Subscription) -> None:
        """Return the initial push: positions as documented, never orders, the account optionally."""
        if subscription[0] in self.blofin.unknowns.snapshots:
            self._push_state(subscription)

    def _push_state(self, subscription: Subscription) -> None:
        channel, symbol = subscription
        owner, exchange = self.account, self.blofin.exchange
        if owner is None:
            return
        if channel == "positions":
            rows = [positions.pushed_row(exchange, owner, p) for p in owner.held(symbol)]
            self.push_to(Topic.POSITION, channel, symbol, rows)
        elif channel == "account":
            self.push_to(Topic.WALLET, channel, None, account.balance(exchange, owner, pushed=True))

    def on_event(self, event: Event) -> None:
        """Push an event of the account."""
        if self.account is None or event.account is not self.account:
            return
        if event.order is not None and event.topic is Topic.ORDER:
            if event.order.untriggered or order_rows.failed(event.order):
                return  # of another channel, without subscribers
            rows = [order_rows.pushed_row(event.order)]
            self.push_to(Topic.ORDER, "orders", event.order.request.symbol, rows, action="update")
        elif event.position is not None:
            self._push_position(self.account, event.position)
        elif event.topic is Topic.WALLET:
            data = account.balance(self.blofin.exchange, self.account, pushed=True)
            self.push_to(Topic.WALLET, "account", None, data)

    def _push_position(self, owner: Account, position: Position) -> None:
        exchange = self.blofin.exchange
        if position.size or self.blofin.unknowns.closed_pushed:
            rows = [positions.pushed_row(exchange, owner, position)]
        else:
            rows = [positions.pushed_row(exchange, owner, p) for p in owner.held()]
        self.push_to(Topic.POSITION, "positions", position.symbol, rows)
