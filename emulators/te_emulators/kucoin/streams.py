"""KuCoin's WebSocket: a token opens the connection, topics are subscribed by name."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from te_emulators.core.events import Event, Topic
from te_emulators.core.market import Quote
from te_emulators.core.order import Execution, Order, OrderStatus
from te_emulators.core.position import Position
from te_emulators.kucoin import positions
from te_emulators.kucoin.market import best_prices, ticker
from te_emulators.kucoin.wallet import wallet_change
from te_emulators.wire.figures import plain
from te_emulators.wire.stream import Stream

if TYPE_CHECKING:  # the server opens these connections
    from te_emulators.kucoin.server import KucoinServer

ORDERS, POSITION, POSITIONS = "/contractMarket/tradeOrders", "/contract/position", "/contract/positionAll"
WALLET, TICKER, BEST = "/contractAccount/wallet", "/contractMarket/ticker", "/contractMarket/tickerV2"
MARK = "/contract/instrument"
PRIVATE = {ORDERS, POSITION, POSITIONS, WALLET, "/contractMarket/advancedOrders", "/contract/marginMode"}
PUBLIC = {TICKER, BEST, MARK}


class KucoinStream(Stream):
    """Public or private by its token."""

    server: KucoinServer

    async def on_open(self) -> None:
        """Send the greeting, or refuse a wrong token and disconnect."""
        self.topics: set[str] = set()
        token = self.query.get("token", "")
        if token not in self.server.tokens:
            self._refuse(self.query.get("connectId", ""), 401, "token is invalid")
            self.disconnect()
            return
        self.key_name = self.server.tokens[token]
        if self.key_name is not None:
            self.account = self.server.exchange.keys[self.key_name][1]
        self.reply({"id": self.query.get("connectId", ""), "type": "welcome"})

    async def on_text(self, text: str) -> None:
        """Ping, subscribe, unsubscribe."""
        try:
            message = dict(json.loads(text))
        except ValueError:
            self._refuse("", 400, "the message is not a JSON object")
            return
        answer_id = str(message.get("id", ""))
        match message.get("type"):
            case "ping":
                self.reply(
                    {"id": answer_id, "type": "pong", "timestamp": self.server.exchange.clock.ns() // 1000}
                )
            case "subscribe" | "unsubscribe" as change:
                self._change(
                    answer_id, change, str(message.get("topic", "")), message.get("response") is True
                )
            case _:
                self._refuse(answer_id, 415, "type is not supported")

    def _change(self, answer_id: str, change: str, topic: str, answered: bool) -> None:
        name, _, symbols = topic.partition(":")
        known = self.server.exchange.market.instruments
        wanted = [symbol for symbol in symbols.split(",") if symbol]
        if name not in PRIVATE | PUBLIC or any(symbol not in known for symbol in wanted) or len(wanted) > 100:
            self._refuse(answer_id, 404, f"topic {topic} is not found")
            return
        if name in PRIVATE and self.account is None:
            self._refuse(answer_id, 403, f"topic {topic} is private")
            return
        topics = {f"{name}:{symbol}" for symbol in wanted} or {name}
        self.topics = self.topics | topics if change == "subscribe" else self.topics - topics
        if answered:
            self.reply({"id": answer_id, "type": "ack"})
        if change == "subscribe" and name in PUBLIC:
            for symbol in wanted:  # the real market never pauses for long
                self._on_quote(self.server.exchange.market.quotes[symbol])

    def _refuse(self, answer_id: str, code: int, text: str) -> None:
        self.reply({"id": answer_id, "type": "error", "code": code, "data": text})

    # --- data ---------------------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Push what is subscribed."""
        if event.quote is not None:
            self._on_quote(event.quote)
        if self.account is None or event.account is not self.account:
            return
        if event.execution is not None and event.order is not None:
            self._on_order(event.order, event.at_ms, event.execution)
        elif event.order is not None:
            self._on_order(event.order, event.at_ms)
        elif event.position is not None:
            self._on_position(event.position)
        elif event.topic is Topic.WALLET:
            change = wallet_change(self.server.exchange, self.account, event.sequence)
            self._data(Topic.WALLET, WALLET, "walletBalance.change", change)

    def _on_quote(self, quote: Quote) -> None:
        now = self.server.exchange.clock.ns()
        self._data(Topic.TICKER, f"{TICKER}:{quote.symbol}", "ticker", ticker(quote, now))
        self._data(Topic.TICKER, f"{BEST}:{quote.symbol}", "tickerV2", best_prices(quote, now))
        figures = {
            "markPrice": quote.mark,
            "indexPrice": quote.index,
            "granularity": 1000,
            "timestamp": now // 10**6,
        }
        self._data(Topic.TICKER, f"{MARK}:{quote.symbol}", "mark.index.price", figures)

    def _on_position(self, position: Position) -> None:
        topic = f"{POSITION}:{position.symbol}"
        if POSITIONS in self.topics and not self.server.topics_by_symbol:
            topic = POSITIONS
        changed = {**positions.row(self.server.exchange, position), "changeReason": "positionChange"}
        if topic in self.topics or POSITIONS in self.topics:
            self._send(Topic.POSITION, topic, "position.change", changed)

    def _on_order(self, order: Order, at_ms: int, execution: Execution | None = None) -> None:
        kind = order_message(order, execution)
        if kind is None:
            return
        symbol = order.request.symbol
        topic = f"{ORDERS}:{symbol}" if self.server.topics_by_symbol else ORDERS
        if ORDERS not in self.topics and f"{ORDERS}:{symbol}" not in self.topics:
            return
        if (
            kind in {"match", "canceled"}
            and self.server.announces_open
            and order.order_id not in self.server.announced
        ):
            self._order(topic, {**order_data(order, "open", at_ms), "filledSize": "0"})
        self.server.announced.add(order.order_id)
        data = order_data(order, kind, at_ms)
        self._order(topic, data | match_data(execution) if execution is not None else data)

    def _order(self, topic: str, data: dict[str, Any]) -> None:
        self._send(
            Topic.EXECUTION if data["type"] == "match" else Topic.ORDER, topic, "symbolOrderChange", data
        )

    def _data(self, kind: Topic, topic: str, subject: str, data: dict[str, Any]) -> None:
        if topic in self.topics:
            self._send(kind, topic, subject, data)

    def _send(self, kind: Topic, topic: str, subject: str, data: dict[str, Any]) -> None:
        private = {} if topic.partition(":")[0] in PUBLIC else {"channelType": "private"}
        self.push(kind, {"topic": topic, "type": "message", "subject": subject, **private, "data": data})


def order_message(order: Order, execution: Execution | None) -> str | None:
    """Return the message's type; a partial fill has no message besides its match."""
    if execution is not None:
        return "match"
    return {
        OrderStatus.NEW: "open",
        OrderStatus.FILLED: "filled",
        OrderStatus.CANCELLED: "canceled",
        OrderStatus.REJECTED: "canceled",
    }.get(order.status)


def order_data(order: Order, kind: str, at_ms: int) -> dict[str, Any]:
    """Return the fields of all order messages."""
    request = order.request
    remaining = order.remaining if order.status.open else Decimal(0)
    return {
        "symbol": request.symbol,
        "orderType": request.type.value,
        "side": request.side.value,
        "canceledSize": plain(order.remaining if kind == "canceled" else Decimal(0)),
        "orderId": order.order_id,
        "positionSide": "BOTH",
        "marginMode": order.margin_mode.value.upper(),
        "type": kind,
        "orderTime": order.created_ms * 1_000_000,
        "size": plain(order.size),
        "filledSize": plain(order.filled),
        "price": plain(request.price or Decimal(0)),
        "remainSize": plain(remaining),
        "clientOid": request.client_id or "",
        "tradeType": "liquid" if order.liquidation else "trade",
        "status": {"open": "open", "match": "match"}.get(kind, "done"),
        "ts": at_ms * 1_000_000,
    }


def match_data(execution: Execution) -> dict[str, Any]:
    """Return the additional fields of a match."""
    return {
        "liquidity": "maker" if execution.maker else "taker",
        "feeType": "makerFee" if execution.maker else "takerFee",
        "matchPrice": plain(execution.price),
        "matchSize": plain(execution.size),
        "tradeId": execution.execution_id,
    }
