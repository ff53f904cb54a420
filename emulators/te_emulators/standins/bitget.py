"""Bitget's API (v2) for a classic futures account: sizes are in base coin."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import ClassVar

from te_emulators.core import errors, margin, settings
from te_emulators.core.account import Account
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionSide
from te_emulators.core.order import Order
from te_emulators.core.position import Position
from te_emulators.standins.standin import StandIn, contracts, get, hedged, open_status, post
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.figures import number, plain

ID = re.compile(r"[0-9A-Za-z_.#:/-]{1,50}")
MODES = {"crossed": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
STATES = ("live", "partially_filled", "filled", "canceled")


class BitgetServer(StandIn):
    """The routes that the plugin uses."""

    name = "bitget"
    unknown = ("40034", 400)
    codes: ClassVar[Mapping[type[errors.DomainError], tuple[str, int]]] = {
        errors.BadKey: ("40006", 400),
        errors.BadPassphrase: ("40012", 400),
        errors.BadSignature: ("40009", 400),
        errors.BadTimestamp: ("40008", 400),
        errors.MissingCredentials: ("40006", 400),
        errors.PermissionRefused: ("40014", 400),
        errors.RateLimited: ("429", 429),
        errors.InsufficientMargin: ("40762", 400),
        errors.BelowMinimum: ("45111", 400),
        errors.BelowNotional: ("45110", 400),
        errors.AboveMaximum: ("45112", 400),
        errors.ReduceOnlyRejected: ("22002", 400),
        errors.PositionModeMismatch: ("40774", 400),
        errors.OrderNotFound: ("40109", 400),
        errors.LeverageTooHigh: ("40797", 400),
    }
    texts: ClassVar[Mapping[str, str]] = {
        "40762": "The order amount exceeds the balance",
        "40774": "The order type for unilateral position must also be the unilateral position type.",
        "22002": "No position to close",
    }

    def contracts(self) -> Iterable[Instrument]:
        """Sizes are in base coin."""
        return contracts(lambda base: f"{base}USDT", {})

    def routes(self) -> Sequence[Route]:
        """All of them."""
        account, order = "/api/v2/mix/account", "/api/v2/mix/order"
        return [
            get(
                "/api/v2/public/time",
                "time",
                lambda _: {"serverTime": str(self.exchange.clock.ms())},
                private=False,
            ),
            get("/api/v2/mix/market/contracts", "instruments", self.listed_contracts, private=False),
            get("/api/v2/mix/market/tickers", "tickers", self.tickers, private=False),
            get(f"{account}/accounts", "balance", self.balance),
            get(f"{account}/account", "account", self.account),
            get("/api/v2/mix/position/all-position", "positions", self.positions),
            post(f"{account}/set-leverage", "leverage", self.leverage),
            post(f"{account}/set-margin-mode", "settings", self.margin_mode),
            post(f"{order}/place-order", "order", self.order),
            get(f"{order}/detail", "lookup", self.detail),
            get(f"{order}/orders-pending", "lookup", lambda call: self.found(call, pending=True)),
            get(f"{order}/orders-history", "lookup", lambda call: self.found(call, pending=False)),
        ]

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("ACCESS-KEY")

    def authenticate(self, call: Call) -> None:
        """HMAC-SHA256 in base64 over time (milliseconds), method, path with query, and body."""
        key = self.known_key(call, call.key_name)
        time = call.headers.get("ACCESS-TIMESTAMP", "")
        if abs(self.exchange.clock.ms() - int(time or 0)) > 30_000:
            raise errors.BadTimestamp("Request timestamp expired")
        if call.headers.get("ACCESS-PASSPHRASE") != key.passphrase:
            raise errors.BadPassphrase("apikey/password is incorrect")
        path = f"{call.path}?{call.query}" if call.query else call.path
        text = f"{time}{call.method}{path}".encode() + call.body
        expected = base64.b64encode(hmac.new(key.secret.encode(), text, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(expected, call.headers.get("ACCESS-SIGN", "")):
            raise errors.BadSignature("sign signature error")

    def success(self, call: Call, data: object) -> Reply:
        """The envelope."""
        now = self.exchange.clock.ms()
        return json_reply({"code": "00000", "msg": "success", "requestTime": now, "data": data})

    def refusal(self, code: str, text: str, status: int) -> Reply:
        """A code and a message."""
        return json_reply({"code": code, "msg": text, "requestTime": 0, "data": None}, status=status)

    # --- rows ------------------------------------------------------------------------------------------------------

    def listed_contracts(self, call: Call) -> list[dict[str, object]]:
        """Of one kind; only those that settle in USDT are here."""
        return self.instruments(call) if call.parameters.get("productType") == "USDT-FUTURES" else []

    def contract_row(self, found: Instrument) -> dict[str, object]:
        """A contract."""
        tick = -int(found.tick.as_tuple().exponent)
        return {
            "symbol": found.symbol,
            "baseCoin": found.base,
            "quoteCoin": "USDT",
            "supportMarginCoins": ["USDT"],
            "symbolType": "perpetual",
            "symbolStatus": "normal" if found.tradable else "maintain",
            "minTradeNum": plain(found.min_size),
            "minTradeUSDT": plain(found.min_notional or Decimal(0)),
            "sizeMultiplier": plain(found.size_step),
            "volumePlace": str(max(-int(found.size_step.as_tuple().exponent), 0)),
            "pricePlace": str(tick),
            "priceEndStep": "1",
            "minLever": "1",
            "maxLever": plain(found.max_leverage),
            "maxOrderQty": plain(found.max_limit_size),
            "maxMarketOrderQty": plain(found.max_market_size),
        }

    def ticker_row(self, found: Instrument) -> dict[str, object]:
        """A price."""
        quote = self.exchange.market.quotes[found.symbol]
        return {
            "symbol": found.symbol,
            "lastPr": plain(quote.last),
            "markPrice": plain(quote.mark),
            "askPr": plain(quote.ask),
            "bidPr": plain(quote.bid),
            "ts": str(self.exchange.clock.ms()),
        }

    def position_row(self, account: Account, position: Position) -> dict[str, object]:
        """A position."""
        mark = self.exchange.market.mark(position.symbol)
        crossed = position.margin_mode is MarginMode.CROSS
        return {
            "symbol": position.symbol,
            "marginCoin": "USDT",
            "holdSide": "long" if position.size > 0 else "short",
            "total": plain(abs(position.size)),
            "available": plain(abs(position.size)),
            "leverage": plain(position.leverage),
            "marginMode": "crossed" if crossed else "isolated",
            "posMode": "hedge_mode" if hedged(account) else "one_way_mode",
            "openPriceAvg": plain(position.entry_price),
            "markPrice": plain(mark),
            "unrealizedPL": plain(position.unrealised(mark)),
            "liquidationPrice": plain(position.liquidation_price() or Decimal(0), 8),
            "marginSize": plain(position.initial_margin(mark), 8),
            "keepMarginRate": "0.005",
            "cTime": str(position.opened_ms),
        }

    def order_row(self, order: Order) -> dict[str, object]:
        """An order."""
        return {
            "symbol": order.request.symbol,
            "orderId": order.order_id,
            "clientOid": order.request.client_id or "",
            "side": order.request.side.value,
            "posSide": "net",
            "posMode": "one_way_mode",
            "orderType": "market",
            "size": plain(order.size),
            "baseVolume": plain(order.filled),
            "priceAvg": plain(order.average) if order.average else "",
            "fee": plain(-order.fee, 8),
            "reduceOnly": "YES" if order.request.reduce_only else "NO",
            "status": open_status(order, STATES),
            "cTime": str(order.created_ms),
            "uTime": str(order.updated_ms),
        }

    # --- requests --------------------------------------------------------------------------------------------------

    def balance(self, call: Call) -> list[dict[str, object]]:
        """Equity with unrealised profit, which is empty in the documentation's examples without positions.

        https://www.bitget.com/api-doc/contract/account/Get-Account-List
        """
        if call.parameters.get("productType") != "USDT-FUTURES":
            raise errors.BadParameter("Parameter productType error")
        market = self.exchange.market
        free = plain(max(margin.available(call.account, market), Decimal(0)), 8)
        equity = plain(margin.equity(call.account, market), 8)
        profit = plain(margin.unrealised(call.account, market), 8) if self.positions(call) else ""
        row = {"marginCoin": "USDT", "available": free, "maxTransferOut": free}
        return [{**row, "accountEquity": equity, "unrealizedPL": profit}]

    def account(self, call: Call) -> dict[str, object]:
        """Settings of a contract; the position mode is that of all."""
        symbol = self.exchange.market.instrument(str(call.parameters.get("symbol"))).symbol
        crossed = call.account.margin_mode(symbol) is MarginMode.CROSS
        return {
            "marginCoin": "USDT",
            "marginMode": "crossed" if crossed else "isolated",
            "posMode": "hedge_mode" if hedged(call.account) else "one_way_mode",
            "crossedMarginLeverage": plain(call.account.leverage(symbol, PositionSide.NET, MarginMode.CROSS)),
            "isolatedLongLever": plain(call.account.leverage(symbol, PositionSide.NET, MarginMode.ISOLATED)),
        }

    def leverage(self, call: Call) -> dict[str, object]:
        """For the margin mode that the contract is set to."""
        asked = call.json
        symbol = self.exchange.market.instrument(str(asked.get("symbol"))).symbol
        mode, lever = call.account.margin_mode(symbol), number(asked.get("leverage"), "leverage")
        with suppress(errors.LeverageNotModified):
            settings.set_leverage(self.exchange, call.account, symbol, lever, margin_mode=mode)
        return {"symbol": symbol, "marginMode": str(mode)}

    def margin_mode(self, call: Call) -> dict[str, object]:
        """Refused while a position is open."""
        asked = call.json
        symbol = self.exchange.market.instrument(str(asked.get("symbol"))).symbol
        with suppress(errors.MarginModeNotModified):
            settings.set_margin_mode(call.account, MODES[str(asked.get("marginMode"))], symbol)
        return {"symbol": symbol, "marginMode": asked.get("marginMode")}

    def order(self, call: Call) -> dict[str, object]:
        """The order states its margin mode; one that differs from the contract's setting is refused."""
        asked = call.json
        client_id = asked.get("clientOid")
        if asked.get("orderType") != "market" or asked.get("productType") != "USDT-FUTURES":
            raise errors.BadParameter("Parameter orderType or productType error")
        if client_id is not None and not ID.fullmatch(str(client_id)):
            raise errors.BadClientOrderId("Parameter clientOid error")
        mode, symbol = MODES[str(asked.get("marginMode"))], str(asked.get("symbol"))
        if call.account.margin_mode(symbol) is not mode:
            raise errors.MarginModeMismatch("The margin mode of the order is not the account's")
        sign = {"buy": 1, "sell": -1}[str(asked.get("side"))]
        order = self.place(
            call,
            symbol=symbol,
            size=sign * number(asked.get("size"), "size"),
            reduce_only=asked.get("reduceOnly") == "YES",
            client_id=None if client_id is None else str(client_id),
            mode=mode,
        )
        return {"orderId": order.order_id, "clientOid": client_id or ""}

    def found(self, call: Call, *, pending: bool) -> dict[str, object]:
        """Open or finished orders of a contract."""
        wanted = call.parameters.get("symbol")
        rows = self.orders(
            call, lambda order: order.request.symbol == wanted and order.status.open is pending
        )
        return {"entrustedList": rows, "endId": None}

    def detail(self, call: Call) -> dict[str, object]:
        """One order by its client id; here the status is called ``state``."""
        asked = call.parameters
        rows = self.orders(
            call,
            lambda order: (
                order.request.symbol == asked.get("symbol")
                and order.request.client_id == asked.get("clientOid")
            ),
        )
        if not rows:
            raise errors.OrderNotFound("The data of the order cannot be found")
        return {**rows[0], "state": rows[0]["status"], "status": None}
