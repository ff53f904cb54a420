"""Gate's futures API (v4): sizes are whole contracts, signed; client order ids start with ``t-``."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

from te_emulators.core import errors, margin, settings
from te_emulators.core.account import Account
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionSide
from te_emulators.core.order import Order, OrderStatus
from te_emulators.core.position import Position
from te_emulators.standins.gate_streams import GateStream
from te_emulators.standins.standin import StandIn, contracts, get, hedged, post
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.figures import number, plain
from te_emulators.wire.stream import Stream

TEXT = re.compile(r"t-[0-9A-Za-z_.-]{1,28}")
"""The exchange's rule: 28 bytes after ``t-``."""
BASE = "/api/v4/futures/usdt"
USER_ID = 1000001


class GateServer(StandIn):
    """The routes that the plugin uses."""

    name = "gate"
    unknown = ("INVALID_PARAM_VALUE", 400)
    codes: ClassVar[Mapping[type[errors.DomainError], tuple[str, int]]] = {
        errors.BadKey: ("INVALID_KEY", 401),
        errors.BadSignature: ("INVALID_SIGNATURE", 401),
        errors.BadTimestamp: ("REQUEST_EXPIRED", 403),
        errors.MissingCredentials: ("MISSING_REQUIRED_HEADER", 400),
        errors.PermissionRefused: ("FORBIDDEN", 403),
        errors.RateLimited: ("TOO_MANY_REQUESTS", 429),
        errors.UnknownSymbol: ("CONTRACT_NOT_FOUND", 400),
        errors.NotTradable: ("CONTRACT_IN_DELISTING", 400),
        errors.InsufficientMargin: ("INSUFFICIENT_AVAILABLE", 400),
        errors.BelowMinimum: ("SIZE_TOO_SMALL", 400),
        errors.BelowNotional: ("SIZE_TOO_SMALL", 400),
        errors.AboveMaximum: ("SIZE_TOO_LARGE", 400),
        errors.ReduceOnlyRejected: ("POSITION_EMPTY", 400),
        errors.OrderNotFound: ("ORDER_NOT_FOUND", 404),
        errors.LeverageTooHigh: ("LEVERAGE_TOO_HIGH", 400),
        errors.LeverageTooLow: ("LEVERAGE_TOO_LOW", 400),
        errors.UnknownRoute: ("NOT_FOUND", 404),
    }

    def contracts(self) -> Iterable[Instrument]:
        """Contracts of a thousandth of a coin and so on: sizes are whole numbers."""
        return contracts(
            lambda base: f"{base}_USDT", {"BTC": "0.001", "ETH": "0.01", "SOL": "1", "DOGE": "10"}
        )

    def routes(self) -> Sequence[Route]:
        """All of them."""
        return [
            get(
                "/api/v4/spot/time",
                "time",
                lambda _: {"server_time": self.exchange.clock.ms()},
                private=False,
            ),
            get(f"{BASE}/contracts", "instruments", self.instruments, private=False),
            get("/api/v4/futures/btc/contracts", "instruments", lambda _: [], private=False),
            get(f"{BASE}/tickers", "tickers", self.tickers, private=False),
            get("/api/v4/account/detail", "other", lambda _: {"user_id": USER_ID, "key": {"mode": 1}}),
            get(f"{BASE}/accounts", "balance", self.balance),
            get(f"{BASE}/positions", "positions", self.positions),
            post(f"{BASE}/positions/{{contract}}/leverage", "leverage", self.leverage),
            post(f"{BASE}/orders", "order", self.order),
            get(f"{BASE}/orders", "lookup", self.listed),
            get(f"{BASE}/orders/{{order_id}}", "lookup", self.found),
        ]

    def streams(self) -> Mapping[str, type[Stream]]:
        """One connection for everything."""
        return {"/v4/ws/usdt": GateStream}

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("KEY")

    def authenticate(self, call: Call) -> None:
        """HMAC-SHA512 over method, path, query, the body's digest and the time in seconds, one a line."""
        key = self.known_key(call, call.key_name)
        time = call.headers.get("Timestamp", "")
        if abs(self.exchange.clock.ms() / 1000 - int(time or 0)) > 60:
            raise errors.BadTimestamp("request expired")
        digest = hashlib.sha512(call.body).hexdigest()
        text = "\n".join((call.method, call.path, call.query, digest, time))
        expected = hmac.new(key.secret.encode(), text.encode(), hashlib.sha512).hexdigest()
        if not hmac.compare_digest(expected, call.headers.get("SIGN", "")):
            raise errors.BadSignature("Signature mismatch")

    def success(self, call: Call, data: object) -> Reply:
        """Answers have no envelope."""
        return json_reply(data, status=201 if call.kind == "order" else 200)

    def refusal(self, code: str, text: str, status: int) -> Reply:
        """A label and a message."""
        return json_reply({"label": code, "message": text}, status=status)

    # --- rows ------------------------------------------------------------------------------------------------------

    def contract_row(self, found: Instrument) -> dict[str, object]:
        """A contract."""
        return {
            "name": found.symbol,
            "type": "direct",
            "quanto_multiplier": plain(found.contract_size),
            "leverage_min": "1",
            "leverage_max": plain(found.max_leverage),
            "mark_price": plain(self.exchange.market.mark(found.symbol)),
            "order_price_round": plain(found.tick),
            "order_price_deviate": "0.5",
            "order_size_min": int(found.min_size),
            "order_size_max": int(found.max_limit_size),
            "market_order_size_max": plain(found.max_market_size),
            "enable_decimal": False,
            "status": "trading" if found.tradable else "delisting",
        }

    def ticker_row(self, found: Instrument) -> dict[str, object]:
        """A price."""
        quote = self.exchange.market.quotes[found.symbol]
        return {
            "contract": found.symbol,
            "last": plain(quote.last),
            "mark_price": plain(quote.mark),
            "lowest_ask": plain(quote.ask),
            "highest_bid": plain(quote.bid),
        }

    def positions(self, call: Call) -> list[dict[str, object]]:
        """One for every contract, including flat ones: they show the position mode."""
        account, market = call.account, self.exchange.market
        return [
            self._row(account, found, account.position(found.symbol)) for found in market.instruments.values()
        ]

    def position_row(self, account: Account, position: Position) -> dict[str, object]:
        """A position."""
        return self._row(account, position.instrument, position)

    def _row(self, account: Account, found: Instrument, position: Position | None) -> dict[str, object]:
        held = position is not None and bool(position.size)
        mode = position.margin_mode if held and position else account.margin_mode(found.symbol)
        leverage = plain(account.leverage(found.symbol, PositionSide.NET, mode))
        cross = mode is MarginMode.CROSS
        mark = self.exchange.market.mark(found.symbol)
        return {
            "contract": found.symbol,
            "size": int(position.size) if held and position else 0,
            "leverage": "0" if cross else leverage,
            "cross_leverage_limit": leverage if cross else "0",
            "entry_price": plain(position.entry_price) if held and position else "0",
            "mark_price": plain(mark),
            "liq_price": plain(
                (position.liquidation_price() if held and position else None) or Decimal(0), 8
            ),
            "unrealised_pnl": plain(position.unrealised(mark) if held and position else Decimal(0)),
            "margin": plain(position.margin if held and position else Decimal(0), 8),
            "value": plain(position.value(mark) if held and position else Decimal(0)),
            "mode": "dual_long" if hedged(account) else "single",
        }

    def balance(self, call: Call) -> dict[str, object]:
        """``total`` is without unrealised profit."""
        market = self.exchange.market
        return {
            "currency": "USDT",
            "total": plain(call.account.ledger.wallet, 8),
            "available": plain(max(margin.available(call.account, market), Decimal(0)), 8),
            "unrealised_pnl": plain(margin.unrealised(call.account, market), 8),
            "in_dual_mode": hedged(call.account),
        }

    def order_row(self, order: Order) -> dict[str, object]:
        """``finish_as`` states how a finished one ended: a market order's rest is cancelled as ``ioc``."""
        sign = order.request.side.sign
        ends = {OrderStatus.FILLED: "filled", OrderStatus.CANCELLED: "ioc", OrderStatus.REJECTED: "ioc"}
        ended = {} if order.status.open else {"finish_as": ends[order.status]}
        return {
            "id": int(order.order_id),
            "contract": order.request.symbol,
            "size": int(order.size) * sign,
            "left": int(order.remaining) * sign,
            "price": "0",
            "fill_price": plain(order.average or Decimal(0)),
            "tif": "ioc",
            "text": f"t-{order.request.client_id}" if order.request.client_id else "api",
            "is_reduce_only": order.request.reduce_only,
            "status": "open" if order.status.open else "finished",
            "create_time": order.created_ms / 1000,
            **ended,
        }

    # --- requests --------------------------------------------------------------------------------------------------

    def leverage(self, call: Call) -> dict[str, object]:
        """In the query: ``leverage`` 0 is cross margin, whose leverage is ``cross_leverage_limit``."""
        asked = call.parameters
        symbol = self.exchange.market.instrument(call.path_values["contract"]).symbol
        leverage = number(asked.get("leverage"), "leverage")
        mode = MarginMode.ISOLATED if leverage else MarginMode.CROSS
        held = call.account.held(symbol)
        if held and held[0].margin_mode is not mode:
            raise errors.PositionExists("position holding")
        call.account.margin_modes[symbol] = mode
        wanted = leverage or number(asked.get("cross_leverage_limit"), "cross_leverage_limit")
        with contextlib.suppress(errors.LeverageNotModified):
            settings.set_leverage(self.exchange, call.account, symbol, wanted, margin_mode=mode)
        return self._row(call.account, self.exchange.market.instrument(symbol), call.account.position(symbol))

    def order(self, call: Call) -> dict[str, object]:
        """A market order has the price 0 and is ``ioc``."""
        asked = call.json
        if asked.get("price") != "0" or asked.get("tif") != "ioc":
            raise errors.BadParameter("only market orders are served here")
        text = str(asked.get("text") or "")
        if text and not TEXT.fullmatch(text):
            raise errors.BadClientOrderId("text: t- and at most 28 bytes of 0-9 A-Z a-z _ - .")
        order = self.place(
            call,
            symbol=str(asked.get("contract")),
            size=number(asked.get("size"), "size"),
            reduce_only=asked.get("reduce_only") is True,
            client_id=text.removeprefix("t-") or None,
        )
        return self.order_row(order)

    def listed(self, call: Call) -> list[dict[str, object]]:
        """Open or finished orders of a contract."""
        asked = call.parameters
        wanted = asked.get("status") == "open"
        return self.orders(
            call, lambda order: order.request.symbol == asked.get("contract") and order.status.open is wanted
        )

    def found(self, call: Call) -> dict[str, object]:
        """One order by its id, or by its text."""
        wanted = call.path_values["order_id"]
        rows = self.orders(
            call, lambda order: wanted in (order.order_id, f"t-{order.request.client_id or ''}")
        )
        if not rows:
            raise errors.OrderNotFound("Order not found")
        return rows[0]
