"""Binance's USDⓈ-M futures API: parameters are signed in the query or the form, and unknown ones are refused."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl

from te_emulators.core import errors, margin, settings
from te_emulators.core.account import Account
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionSide
from te_emulators.core.order import Order
from te_emulators.core.position import Position
from te_emulators.standins.standin import StandIn, contracts, get, hedged, open_status, post
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.figures import number, plain

ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
SIGNED = {"timestamp", "recvWindow", "signature"}
ORDER = {"symbol", "side", "type", "quantity", "reduceOnly", "newClientOrderId", "newOrderRespType"}
STATES = ("NEW", "PARTIALLY_FILLED", "FILLED", "EXPIRED")


class BinanceServer(StandIn):
    """The routes that the plugin uses."""

    name = "binance"
    unknown = ("-1102", 400)
    codes: ClassVar[Mapping[type[errors.DomainError], tuple[str, int]]] = {
        errors.BadKey: ("-2015", 401),
        errors.BadSignature: ("-1022", 400),
        errors.BadTimestamp: ("-1021", 400),
        errors.MissingCredentials: ("-2014", 401),
        errors.PermissionRefused: ("-2015", 401),
        errors.RateLimited: ("-1003", 429),
        errors.UnknownSymbol: ("-1121", 400),
        errors.NotTradable: ("-4141", 400),
        errors.InsufficientMargin: ("-2019", 400),
        errors.BelowMinimum: ("-4003", 400),
        errors.BelowNotional: ("-4164", 400),
        errors.WrongStep: ("-1111", 400),
        errors.AboveMaximum: ("-4005", 400),
        errors.ReduceOnlyRejected: ("-2022", 400),
        errors.PositionModeMismatch: ("-4061", 400),
        errors.MarginModeNotModified: ("-4046", 400),
        errors.PositionExists: ("-4048", 400),
        errors.OrderNotFound: ("-2013", 400),
        errors.LeverageTooHigh: ("-4028", 400),
        errors.LeverageTooLow: ("-4028", 400),
    }
    texts: ClassVar[Mapping[str, str]] = {
        "-1111": "Precision is over the maximum defined for this asset.",
        "-2015": "Invalid API-key, IP, or permissions for action",
        "-2019": "Margin is insufficient.",
        "-2022": "ReduceOnly Order is rejected.",
        "-4005": "Quantity greater than max quantity.",
        "-4046": "No need to change margin type.",
        "-4061": "Order's position side does not match user's setting.",
    }

    def contracts(self) -> Iterable[Instrument]:
        """Sizes are in base coin."""
        return contracts(lambda base: f"{base}USDT", {})

    def routes(self) -> Sequence[Route]:
        """All of them."""
        return [
            get("/fapi/v1/time", "time", lambda _: {"serverTime": self.exchange.clock.ms()}, private=False),
            get(
                "/fapi/v1/exchangeInfo",
                "instruments",
                lambda call: {"symbols": self.instruments(call)},
                private=False,
            ),
            get("/fapi/v1/ticker/24hr", "tickers", self.tickers, private=False),
            get(
                "/fapi/v1/positionSide/dual",
                "account",
                lambda call: {"dualSidePosition": hedged(call.account)},
            ),
            get("/fapi/v1/leverageBracket", "other", lambda _: self.brackets()),
            get("/fapi/v3/account", "balance", self.balance),
            get("/fapi/v2/positionRisk", "positions", self.positions),
            post("/fapi/v1/leverage", "leverage", self.leverage),
            post("/fapi/v1/marginType", "settings", self.margin_type),
            post("/fapi/v1/order", "order", self.order),
            get("/fapi/v1/openOrders", "lookup", lambda call: self.listed(call, only_open=True)),
            get("/fapi/v1/allOrders", "lookup", lambda call: self.listed(call, only_open=False)),
        ]

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("X-MBX-APIKEY")

    def authenticate(self, call: Call) -> None:
        """Hex HMAC-SHA256 over all parameters before the signature."""
        key = self.known_key(call, call.key_name)
        text, _, signature = (call.query or call.body.decode()).rpartition("&signature=")
        time = dict(parse_qsl(text)).get("timestamp", "0")
        if abs(self.exchange.clock.ms() - int(time)) > 10_000:
            raise errors.BadTimestamp("Timestamp for this request is outside of the recvWindow.")
        expected = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            raise errors.BadSignature("Signature for this request is not valid.")

    def asked(self, call: Call, known: set[str]) -> dict[str, str]:
        """The parameters of a form; raises for one that the route does not know."""
        found = dict(parse_qsl(call.body.decode()))
        if strange := found.keys() - known - SIGNED:
            raise errors.BadParameter(f"Not all sent parameters were read: {sorted(strange)}")
        return found

    def success(self, call: Call, data: object) -> Reply:
        """Answers have no envelope."""
        return json_reply(data)

    def refusal(self, code: str, text: str, status: int) -> Reply:
        """A number and a message."""
        return json_reply({"code": int(code), "msg": text}, status=status)

    # --- rows ------------------------------------------------------------------------------------------------------

    def contract_row(self, found: Instrument) -> dict[str, object]:
        """A contract."""
        size = {"minQty": plain(found.min_size), "stepSize": plain(found.size_step)}
        return {
            "symbol": found.symbol,
            "pair": found.symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "status": "TRADING" if found.tradable else "SETTLING",
            "baseAsset": found.base,
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "orderTypes": ["LIMIT", "MARKET"],
            "timeInForce": ["GTC", "IOC"],
            "pricePrecision": 5,
            "quantityPrecision": 3,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.00001",
                    "maxPrice": "9999999",
                    "tickSize": plain(found.tick),
                },
                {"filterType": "LOT_SIZE", **size, "maxQty": plain(found.max_limit_size)},
                {"filterType": "MARKET_LOT_SIZE", **size, "maxQty": plain(found.max_market_size)},
                {"filterType": "MIN_NOTIONAL", "notional": plain(found.min_notional or Decimal(0))},
            ],
        }

    def ticker_row(self, found: Instrument) -> dict[str, object]:
        """A 24-hour ticker."""
        quote = self.exchange.market.quotes[found.symbol]
        return {"symbol": found.symbol, "lastPrice": plain(quote.last), "closeTime": self.exchange.clock.ms()}

    def brackets(self) -> list[dict[str, object]]:
        """Maintenance margin by value."""
        rate = {"bracket": 1, "notionalFloor": 0, "notionalCap": 10**9, "maintMarginRatio": 0.005}
        return [{"symbol": name, "brackets": [rate]} for name in self.exchange.market.instruments]

    def positions(self, call: Call) -> list[dict[str, object]]:
        """One of every contract, flat ones included."""
        account = call.account
        held = {position.symbol: position for position in account.held()}
        rows: list[dict[str, object]] = []
        for found in self.exchange.market.instruments.values():
            position = held.get(found.symbol)
            rows.append(
                self.position_row(account, position)
                if position is not None
                else {
                    "symbol": found.symbol,
                    "positionAmt": "0",
                    "entryPrice": "0.0",
                    "leverage": plain(account.leverage(found.symbol)),
                    "marginType": account.margin_mode(found.symbol).value,
                    "positionSide": "BOTH",
                    "notional": "0",
                }
            )
        return rows

    def position_row(self, account: Account, position: Position) -> dict[str, object]:
        """A position."""
        mark, isolated = (
            self.exchange.market.mark(position.symbol),
            position.margin_mode is MarginMode.ISOLATED,
        )
        return {
            "symbol": position.symbol,
            "positionAmt": plain(position.size),
            "entryPrice": plain(position.entry_price),
            "markPrice": plain(mark),
            "unRealizedProfit": plain(position.unrealised(mark)),
            "liquidationPrice": plain(position.liquidation_price() or Decimal(0), 8),
            "leverage": plain(position.leverage),
            "marginType": position.margin_mode.value,
            "isolatedMargin": plain(position.margin, 8) if isolated else "0",
            "isolatedWallet": plain(position.margin, 8) if isolated else "0",
            "positionSide": "BOTH" if position.side is PositionSide.NET else position.side.value.upper(),
            "notional": plain(position.size * mark),
            "updateTime": position.updated_ms,
        }

    def order_row(self, order: Order) -> dict[str, object]:
        """An order; a market order with an unfilled rest has EXPIRED."""
        return {
            "symbol": order.request.symbol,
            "orderId": int(order.order_id),
            "clientOrderId": order.request.client_id or f"web_{order.order_id}",
            "side": order.request.side.value.upper(),
            "positionSide": "BOTH",
            "type": "MARKET",
            "origQty": plain(order.size),
            "executedQty": plain(order.filled),
            "avgPrice": plain(order.average or Decimal(0), 5),
            "cumQuote": plain(order.value, 5),
            "reduceOnly": order.request.reduce_only,
            "status": open_status(order, STATES),
            "time": order.created_ms,
            "updateTime": order.updated_ms,
        }

    # --- requests --------------------------------------------------------------------------------------------------

    def balance(self, call: Call) -> dict[str, object]:
        """``marginBalance`` is with unrealised profit."""
        market = self.exchange.market
        row = {
            "asset": "USDT",
            "walletBalance": plain(call.account.ledger.wallet, 8),
            "marginBalance": plain(margin.equity(call.account, market), 8),
            "initialMargin": plain(margin.position_margin(call.account, market), 8),
            "availableBalance": plain(max(margin.available(call.account, market), Decimal(0)), 8),
            "updateTime": self.exchange.clock.ms(),
        }
        return {"assets": [row], "positions": []}

    def leverage(self, call: Call) -> dict[str, object]:
        """Of a contract, in any margin mode."""
        asked = self.asked(call, {"symbol", "leverage"})
        symbol = self.exchange.market.instrument(asked.get("symbol", "")).symbol
        lever = number(asked.get("leverage"), "leverage")
        try:
            settings.set_leverage(self.exchange, call.account, symbol, lever)
        except errors.LeverageNotModified:
            return {"symbol": symbol, "leverage": int(lever)}  # the response is the same if nothing changes
        return {"symbol": symbol, "leverage": int(lever)}

    def margin_type(self, call: Call) -> dict[str, object]:
        """Refused if nothing would change, or while a position is open."""
        asked = self.asked(call, {"symbol", "marginType"})
        mode = {"CROSSED": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}[asked.get("marginType", "")]
        settings.set_margin_mode(call.account, mode, self.exchange.market.instrument(asked["symbol"]).symbol)
        return {"code": 200, "msg": "success"}

    def order(self, call: Call) -> dict[str, object]:
        """A market order, answered once it is finished."""
        asked = self.asked(call, ORDER)
        client_id = asked.get("newClientOrderId")
        if asked.get("type") != "MARKET":
            raise errors.BadParameter("only market orders are served here")
        if client_id is not None and not ID.fullmatch(client_id):
            raise errors.BadClientOrderId("Client order id is not valid.")
        sign = {"BUY": 1, "SELL": -1}[asked.get("side", "")]
        order = self.place(
            call,
            symbol=asked.get("symbol", ""),
            size=sign * number(asked.get("quantity"), "quantity"),
            reduce_only=asked.get("reduceOnly", "").lower() == "true",
            client_id=client_id,
        )
        return self.order_row(order)

    def listed(self, call: Call, *, only_open: bool) -> list[dict[str, object]]:
        """Orders of a contract."""
        wanted = call.parameters.get("symbol")
        return self.orders(
            call, lambda order: order.request.symbol == wanted and (order.status.open or not only_open)
        )
