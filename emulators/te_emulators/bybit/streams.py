"""Bybit's WebSocket connections: public tickers, private topics, orders."""

from __future__ import annotations

import hmac
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from te_emulators.bybit import messages, orders
from te_emulators.bybit.codes import code_of
from te_emulators.bybit.market import ticker
from te_emulators.bybit.signature import sign_stream
from te_emulators.core import errors
from te_emulators.core.events import Event, Topic
from te_emulators.core.faults import FaultKind
from te_emulators.core.limits import Standing
from te_emulators.wire.call import Call, Outcome, to_json
from te_emulators.wire.stream import Stream

if TYPE_CHECKING:  # the server creates these connections
    from te_emulators.bybit.server import BybitServer

PRIVATE_TOPICS = {
    "position": Topic.POSITION,
    "order": Topic.ORDER,
    "execution": Topic.EXECUTION,
    "wallet": Topic.WALLET,
}


class BybitStream(Stream):
    """Ping, authentication and subscription, which all three connections share."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.bybit = cast("BybitServer", self.server)
        self.exchange = self.server.exchange
        self.conn_id = f"cejreaspqfm9se7usbrg-{id(self):x}"
        self.topics: dict[str, str] = {}
        """Subscribed topics, as the client wrote them, by name without category."""

    async def on_text(self, text: str) -> None:
        """Handle a message of the client."""
        try:
            message = json.loads(text, parse_float=Decimal)
            op = message["op"]
        except (ValueError, KeyError, TypeError):
            self.reply({"success": False, "ret_msg": "Invalid request", "conn_id": self.conn_id, "op": ""})
            return
        match op:
            case "ping":
                self.reply(self.pong(message))
            case "auth":
                await self._authenticate(message)
            case "subscribe" | "unsubscribe":
                self._subscribe(message)
            case _:
                await self.on_request(message)

    async def on_request(self, message: dict[str, Any]) -> None:
        """Refuse any other operation."""
        self.reply(self._refusal(message, f"Unknown op: {message['op']}"))

    def on_event(self, event: Event) -> None:
        """Public and private connections push; the trade connection does not."""

    def pong(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the pong of private and trade connections."""
        moment = str(self.exchange.clock.ms())
        answer = {"op": "pong", "args": [moment], "conn_id": self.conn_id}
        return {"req_id": message["req_id"], **answer} if "req_id" in message else answer

    def knows(self, topic: str) -> bool:
        """Return whether this connection has such a topic."""
        raise NotImplementedError

    def on_subscribed(self, topic: str) -> None:
        """After the acknowledgement."""

    async def _authenticate(self, message: dict[str, Any]) -> None:
        arguments = [str(part) for part in message.get("args") or ()]
        name = arguments[0] if arguments else None
        call = Call(kind="login", method="WS", path="auth", ip=self.ip, key_name=name, limited=False)

        def verify(call: Call) -> None:
            if len(arguments) != 3:
                raise errors.BadParameter("Params Error")
            _, expires, signature = arguments
            key = self.server.known_key(call, call.key_name)
            if not expires.isdigit() or int(expires) <= self.exchange.clock.ms():
                raise errors.BadTimestamp("Request has expired.")
            if not hmac.compare_digest(sign_stream(key.secret, expires=expires), signature):
                raise errors.BadSignature

        outcome = await self.server.process(call, verify, private=False)
        if self.unanswered(outcome):
            return
        if outcome.error is None:
            self.account, self.key_name = call.owner, name
        self.reply(self._auth_answer(message, outcome.error))

    def _auth_answer(self, message: dict[str, Any], error: errors.DomainError | None) -> dict[str, Any]:
        request = {"req_id": message["req_id"]} if "req_id" in message else {}
        if error is None:
            return {"success": True, "ret_msg": "", "op": "auth", "conn_id": self.conn_id, **request}
        code, text = code_of(error)
        return {
            "op": "auth",
            "success": False,
            "retCode": code,
            "retMsg": text,
            "ret_msg": text,
            "connId": self.conn_id,
            **request,
        }

    def _subscribe(self, message: dict[str, Any]) -> None:
        topics = [str(topic) for topic in message.get("args") or ()]
        wrong = [topic for topic in topics if not self.knows(topic)]
        if wrong or not topics:
            self.reply(self._refusal(message, f"Invalid topic: {', '.join(wrong)}"))
            return
        for topic in topics:
            if message["op"] == "subscribe":
                self.topics[topic.removesuffix(".linear")] = topic
            else:
                self.topics.pop(topic.removesuffix(".linear"), None)
        self.reply(
            {
                "success": True,
                "ret_msg": "",
                "conn_id": self.conn_id,
                "req_id": message.get("req_id", ""),
                "op": message["op"],
            }
        )
        if message["op"] == "subscribe":
            for topic in topics:
                self.on_subscribed(topic)

    def _refusal(self, message: dict[str, Any], text: str) -> dict[str, Any]:
        return {
            "success": False,
            "ret_msg": text,
            "conn_id": self.conn_id,
            "req_id": message.get("req_id", ""),
            "op": message["op"],
        }


class PublicStream(BybitStream):
    """Tickers: a snapshot at subscription, then changes."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._sent: dict[str, dict[str, str]] = {}

    def knows(self, topic: str) -> bool:
        """Return whether this connection has such a topic."""
        kind, _, symbol = topic.partition(".")
        return kind == "tickers" and symbol in self.exchange.market.instruments

    def pong(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a ping."""
        return {
            "success": True,
            "ret_msg": "pong",
            "conn_id": self.conn_id,
            "req_id": message.get("req_id", ""),
            "op": "ping",
        }

    def on_subscribed(self, topic: str) -> None:
        """Push the snapshot of a new subscription."""
        self._push(topic.partition(".")[2], "snapshot")

    def on_event(self, event: Event) -> None:
        """Push what an event changes."""
        if event.quote is not None and f"tickers.{event.quote.symbol}" in self.topics:
            self._push(event.quote.symbol, "delta")

    def _push(self, symbol: str, kind: str) -> None:
        market = self.exchange.market
        quote = market.quotes[symbol]
        row = ticker(market.instruments[symbol], quote, market.facts[symbol])
        before = self._sent.get(symbol, {}) if kind == "delta" else {}
        self._sent[symbol] = row
        changed = {name: value for name, value in row.items() if before.get(name) != value}
        self.push(
            Topic.TICKER,
            {
                "topic": f"tickers.{symbol}",
                "type": kind,
                "data": {"symbol": symbol, **changed},
                "cs": 24987956059 + quote.sequence,
                "ts": self.exchange.clock.ms(),
            },
        )


class PrivateStream(BybitStream):
    """Orders, executions, positions and the wallet of the account logged in; no snapshots."""

    def knows(self, topic: str) -> bool:
        """Return whether this connection has such a topic."""
        return self.account is not None and topic.removesuffix(".linear") in PRIVATE_TOPICS

    def on_event(self, event: Event) -> None:
        """Push what an event changes."""
        topic = self.topics.get(event.topic.value)
        if topic is None or event.account is not self.account or event.account is None:
            return
        self.push(event.topic, messages.message(topic, event, [self._row(event)]))

    def _row(self, event: Event) -> dict[str, Any]:
        assert event.account is not None
        if event.position is not None:
            return messages.position_row(self.exchange, event.account, event.position)
        if event.execution is not None and event.order is not None:
            return messages.execution_row(self.exchange, event, event.order, event.execution)
        if event.order is not None:
            return messages.order_row(event.order)
        return messages.wallet_row(self.exchange, event.account)


class TradeStream(BybitStream):
    """Orders as requests; the response is the same acknowledgement as over HTTP."""

    def knows(self, topic: str) -> bool:
        """Return whether this connection has such a topic."""
        return False

    def _auth_answer(self, message: dict[str, Any], error: errors.DomainError | None) -> dict[str, Any]:
        code, text = (0, "OK") if error is None else code_of(error)
        return {"retCode": code, "retMsg": text, "op": "auth", "connId": self.conn_id}

    async def on_request(self, message: dict[str, Any]) -> None:
        """Handle an operation other than a subscription or a ping."""
        handlers = {"order.create": orders.place, "order.cancel": orders.cancel}
        handler = handlers.get(message["op"])
        if handler is None or self.account is None:
            error: errors.DomainError = errors.BadParameter(f"Unknown op: {message['op']}")
            error = error if self.account else errors.MissingCredentials("Not authenticated")
            self.reply(self._answer(message, Outcome(error=error)))
            return
        header = message.get("header") or {}
        arguments = (message.get("args") or [{}])[0]
        call = Call(
            kind="order" if message["op"] == "order.create" else "cancel",
            method="WS",
            path=message["op"],
            ip=self.ip,
            key_name=self.key_name,
            key=self.exchange.keys[str(self.key_name)][0],
            owner=self.account,
        )

        def carry_out(call: Call) -> object:
            window = str(header.get("X-BAPI-RECV-WINDOW", "5000"))
            self.bybit.check_time(str(header.get("X-BAPI-TIMESTAMP", "")), window)
            return handler(self.bybit, call, arguments)

        outcome = await self.server.process(call, carry_out, permission="trade")
        if self.unanswered(outcome):
            return
        text = to_json(self._answer(message, outcome))
        if outcome.fault is not None and outcome.fault.kind in {FaultKind.HTML, FaultKind.TRUNCATED}:
            text = text[: len(text) // 2]
        self.reply(text)
        if outcome.doubled:
            self.reply(text)

    def _answer(self, message: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
        code, text = (0, "OK") if outcome.error is None else code_of(outcome.error)
        if outcome.fault is not None:
            spoilt = {FaultKind.RATE_LIMITED: errors.RateLimited, FaultKind.MAINTENANCE: errors.Maintenance}
            code, text = code_of(spoilt.get(outcome.fault.kind, errors.Busy)())
        return {
            "reqId": message.get("reqId", ""),
            "retCode": code,
            "retMsg": text,
            "op": message["op"],
            "data": outcome.data if code == 0 else {},
            "retExtInfo": {},
            "header": self._header(outcome.standings),
            "connId": self.conn_id,
        }

    def _header(self, standings: list[Standing]) -> dict[str, str]:
        call = Call(kind="order", method="WS", path="")
        return {**self.server.limit_headers(call, standings), "Timenow": str(self.exchange.clock.ms())}
