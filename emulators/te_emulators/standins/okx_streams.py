"""OKX's streams: /public with tickers; /private with positions, orders and account after a login."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from te_emulators.core import errors
from te_emulators.core.events import Event, Topic
from te_emulators.wire.call import Call
from te_emulators.wire.stream import Stream

if TYPE_CHECKING:  # the server names these streams
    from te_emulators.standins.okx import OkxServer

LOGIN = "/users/self/verify"
PRIVATE = {"positions", "orders", "account"}


class OkxStream(Stream):
    """Both connections: subscriptions are stored as requested, and repeated in pushes."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.okx = cast("OkxServer", self.server)
        self.subscribed: list[dict[str, str]] = []

    async def on_text(self, text: str) -> None:
        """Heartbeats are plain text, the rest is JSON."""
        if text == "ping":
            self.reply("pong")
            return
        message = json.loads(text)
        for argument in message["args"]:
            if message["op"] == "login":
                await self._login(argument)
            elif message["op"] == "subscribe":
                self._subscribe(argument)

    async def _login(self, argument: dict[str, str]) -> None:
        call = Call(kind="login", method="GET", path=LOGIN, ip=self.ip, key_name=argument.get("apiKey"))
        outcome = await self.server.process(call, partial(self._verify, argument), private=False)
        if self.unanswered(outcome):
            return
        if outcome.error is not None:
            self.reply({"event": "error", "code": "60009", "msg": "Login failed."})
            return
        self.account, self.key_name = call.owner, call.key_name
        self.reply({"event": "login", "code": "0", "msg": ""})

    def _verify(self, argument: dict[str, str], call: Call) -> None:
        key = self.okx.known_key(call, call.key_name)
        text = f"{argument.get('timestamp')}GET{LOGIN}".encode()
        expected = base64.b64encode(hmac.new(key.secret.encode(), text, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(expected, argument.get("sign", "")):
            raise errors.BadSignature("Invalid sign")

    def _subscribe(self, argument: dict[str, str]) -> None:
        if argument["channel"] in PRIVATE and self.account is None:
            self.reply({"event": "error", "code": "60011", "msg": "Please log in"})
            return
        self.reply({"event": "subscribe", "arg": argument})
        self.subscribed.append(argument)
        self._first_push(argument)

    def _first_push(self, argument: dict[str, str]) -> None:
        """Initial pushes: positions, account and tickers; orders only when they change."""
        channel = argument["channel"]
        if channel == "tickers" and argument.get("instId") in self.okx.exchange.market.instruments:
            self._ticker(argument["instId"])
        elif channel == "positions" and self.account is not None:
            rows = [self.okx.position_row(self.account, held) for held in self.account.held()]
            self._push(Topic.POSITION, channel, rows)
        elif channel == "account":
            self._wallet()

    def _push(self, topic: Topic, channel: str, rows: list[dict[str, object]], symbol: str = "") -> None:
        for argument in self.subscribed:
            if argument["channel"] == channel and argument.get("instId", symbol) == symbol:
                self.push(topic, {"arg": argument, "data": rows})

    def _ticker(self, symbol: str) -> None:
        row = self.okx.ticker_row(self.okx.exchange.market.instruments[symbol])
        self._push(Topic.TICKER, "tickers", [row], symbol)

    def _wallet(self) -> None:
        if self.account is not None:
            self._push(Topic.WALLET, "account", self.okx.wallet(self.account))

    def on_event(self, event: Event) -> None:
        """A quote changed, or something happened to the account."""
        if event.topic is Topic.TICKER and event.quote is not None:
            self._ticker(event.quote.symbol)
        if self.account is None or event.account is not self.account:
            return
        if event.order is not None and event.topic is Topic.ORDER:
            self._push(Topic.ORDER, "orders", [self.okx.order_row(event.order)])
        elif event.position is not None:
            self._push(Topic.POSITION, "positions", [self.okx.position_row(self.account, event.position)])
        elif event.topic is Topic.WALLET:
            self._wallet()
