"""OKX's API (v5): orders state their margin mode, and are sent in batches of one."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from te_emulators.core import errors, margin, settings
from te_emulators.core.account import Account
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionSide
from te_emulators.core.order import Order
from te_emulators.core.position import Position
from te_emulators.standins.okx_streams import OkxStream
from te_emulators.standins.standin import StandIn, contracts, get, hedged, open_status, post
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.figures import number, plain
from te_emulators.wire.stream import Stream

ID = re.compile(r"[0-9A-Za-z]{1,32}")
"""The exchange's rule: letters and digits only."""
STATES = ("live", "partially_filled", "filled", "canceled")


class OkxServer(StandIn):
    """The routes that the plugin uses."""

    name = "okx"
    unknown = ("51000", 200)
    codes: ClassVar[Mapping[type[errors.DomainError], tuple[str, int]]] = {
        errors.BadKey: ("50111", 401),
        errors.BadPassphrase: ("50105", 401),
        errors.BadSignature: ("50113", 401),
        errors.BadTimestamp: ("50102", 401),
        errors.MissingCredentials: ("50103", 401),
        errors.PermissionRefused: ("50120", 401),
        errors.RateLimited: ("50011", 429),
        errors.UnknownSymbol: ("51001", 200),
        errors.NotTradable: ("51001", 200),
        errors.InsufficientMargin: ("51008", 200),
        errors.BelowMinimum: ("51020", 200),
        errors.BelowNotional: ("51020", 200),
        errors.WrongStep: ("51121", 200),
        errors.AboveMaximum: ("51202", 200),
        errors.ReduceOnlyRejected: ("51169", 200),
        errors.PositionModeMismatch: ("51000", 200),
        errors.OrderNotFound: ("51603", 200),
        errors.LeverageTooHigh: ("59102", 200),
    }
    texts: ClassVar[Mapping[str, str]] = {"51000": "Parameter posSide error"}

    def contracts(self) -> Iterable[Instrument]:
        """Contracts of a hundredth of a coin and so on."""
        size = {"BTC": "0.01", "ETH": "0.1", "SOL": "1", "DOGE": "1000"}
        return contracts(lambda base: f"{base}-USDT-SWAP", size)

    def routes(self) -> Sequence[Route]:
        """All of them."""
        return [
            get(
                "/api/v5/public/time",
                "time",
                lambda _: [{"ts": str(self.exchange.clock.ms())}],
                private=False,
            ),
            get("/api/v5/public/instruments", "instruments", self.instruments, private=False),
            get("/api/v5/market/tickers", "tickers", self.tickers, private=False),
            get("/api/v5/account/config", "account", self.config),
            get("/api/v5/account/balance", "balance", self.balance),
            get("/api/v5/account/positions", "positions", self.positions),
            post("/api/v5/account/set-leverage", "leverage", self.leverage),
            post("/api/v5/trade/batch-orders", "order", self.order),
            get("/api/v5/trade/orders-pending", "lookup", self.pending),
            get("/api/v5/trade/orders-history", "lookup", self.history),
        ]

    def streams(self) -> Mapping[str, type[Stream]]:
        """Public and private connections."""
        return {"/ws/v5/public": OkxStream, "/ws/v5/private": OkxStream}

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """The key claimed."""
        return headers.get("OK-ACCESS-KEY")

    def authenticate(self, call: Call) -> None:
        """HMAC-SHA256 in base64 over time (ISO 8601), method, path with query, and body."""
        key = self.known_key(call, call.key_name)
        time = call.headers.get("OK-ACCESS-TIMESTAMP", "")
        sent = datetime.fromisoformat(time).timestamp() * 1000 if time else 0
        if abs(self.exchange.clock.ms() - sent) > 30_000:
            raise errors.BadTimestamp("Timestamp request expired")
        if call.headers.get("OK-ACCESS-PASSPHRASE") != key.passphrase:
            raise errors.BadPassphrase("Invalid OK-ACCESS-PASSPHRASE")
        path = f"{call.path}?{call.query}" if call.query else call.path
        text = f"{time}{call.method}{path}".encode() + call.body
        expected = base64.b64encode(hmac.new(key.secret.encode(), text, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(expected, call.headers.get("OK-ACCESS-SIGN", "")):
            raise errors.BadSignature("Invalid Sign")

    def success(self, call: Call, data: object) -> Reply:
        """The envelope."""
        return json_reply({"code": "0", "msg": "", "data": data})

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """An order's refusal is in its item of the batch."""
        if call.kind == "order" and not isinstance(error, errors.AuthenticationRefused):
            code = next((self.codes[kind][0] for kind in type(error).__mro__ if kind in self.codes), "51000")
            item = {"ordId": "", "clOrdId": "", "tag": "", "sCode": code}
            said = self.texts[code] if isinstance(error, errors.PositionModeMismatch) else error.text
            return json_reply({"code": "1", "msg": "All operations failed", "data": [{**item, "sMsg": said}]})
        return super().failure(call, error)

    def refusal(self, code: str, text: str, status: int) -> Reply:
        """A code and a message."""
        return json_reply({"code": code, "msg": text, "data": []}, status=status)

    # --- rows ------------------------------------------------------------------------------------------------------

    def contract_row(self, found: Instrument) -> dict[str, object]:
        """A contract."""
        return {
            "instType": "SWAP",
            "instId": found.symbol,
            "uly": f"{found.base}-USDT",
            "settleCcy": "USDT",
            "ctVal": plain(found.contract_size),
            "ctValCcy": found.base,
            "ctType": "linear",
            "lotSz": plain(found.size_step),
            "minSz": plain(found.min_size),
            "tickSz": plain(found.tick),
            "maxLmtSz": plain(found.max_limit_size),
            "maxMktSz": plain(found.max_market_size),
            "lever": plain(found.max_leverage),
            "state": "live" if found.tradable else "suspend",
        }

    def ticker_row(self, found: Instrument) -> dict[str, object]:
        """A price."""
        quote = self.exchange.market.quotes[found.symbol]
        return {
            "instType": "SWAP",
            "instId": found.symbol,
            "last": plain(quote.last),
            "askPx": plain(quote.ask),
            "bidPx": plain(quote.bid),
            "ts": str(self.exchange.clock.ms()),
        }

    def position_row(self, account: Account, position: Position) -> dict[str, object]:
        """A position."""
        mark, isolated = (
            self.exchange.market.mark(position.symbol),
            position.margin_mode is MarginMode.ISOLATED,
        )
        return {
            "instType": "SWAP",
            "instId": position.symbol,
            "posId": str(position.position_id),
            "posSide": position.side.value,
            "pos": plain(position.size),
            "mgnMode": position.margin_mode.value,
            "lever": plain(position.leverage),
            "avgPx": plain(position.entry_price),
            "markPx": plain(mark),
            "upl": plain(position.unrealised(mark)),
            "margin": plain(position.margin, 8) if isolated else "",
            "imr": "" if isolated else plain(position.initial_margin(mark), 8),
            "mmr": plain(position.maintenance_margin(mark), 8),
            "liqPx": plain(position.liquidation_price() or Decimal(0), 8),
            "notionalUsd": plain(position.value(mark)),
            "cTime": str(position.opened_ms),
            "uTime": str(position.updated_ms),
        }

    def order_row(self, order: Order) -> dict[str, object]:
        """An order."""
        return {
            "instType": "SWAP",
            "instId": order.request.symbol,
            "ordId": order.order_id,
            "clOrdId": order.request.client_id or "",
            "side": order.request.side.value,
            "posSide": order.request.position_side.value,
            "ordType": "market",
            "tdMode": order.margin_mode.value,
            "sz": plain(order.size),
            "accFillSz": plain(order.filled),
            "avgPx": plain(order.average) if order.average else "",
            "fee": plain(-order.fee, 8),
            "feeCcy": "USDT",
            "reduceOnly": str(order.request.reduce_only).lower(),
            "state": open_status(order, STATES),
            "cTime": str(order.created_ms),
            "uTime": str(order.updated_ms),
        }

    # --- requests --------------------------------------------------------------------------------------------------

    def config(self, call: Call) -> list[dict[str, str]]:
        """The account's identity and position mode."""
        mode = "long_short_mode" if hedged(call.account) else "net_mode"
        return [{"uid": str(call.account.uid), "acctLv": "2", "posMode": mode}]

    def balance(self, call: Call) -> list[dict[str, object]]:
        """The account's value."""
        return self.wallet(call.account)

    def wallet(self, account: Account) -> list[dict[str, object]]:
        """Equity with unrealised profit."""
        market = self.exchange.market
        row = {
            "ccy": "USDT",
            "eq": plain(margin.equity(account, market), 8),
            "cashBal": plain(account.ledger.wallet, 8),
            "availEq": plain(max(margin.available(account, market), Decimal(0)), 8),
        }
        return [{"uTime": str(self.exchange.clock.ms()), "details": [row]}]

    def leverage(self, call: Call) -> list[dict[str, object]]:
        """Per contract and margin mode."""
        asked = call.json
        symbol, mode = str(asked.get("instId")), MarginMode(str(asked.get("mgnMode")))
        lever = number(asked.get("lever"), "lever")
        with contextlib.suppress(errors.LeverageNotModified):
            settings.set_leverage(
                self.exchange, call.account, symbol, lever, margin_mode=mode, sides=(PositionSide.NET,)
            )
        return [{"instId": symbol, "lever": plain(lever), "mgnMode": mode.value, "posSide": "net"}]

    def order(self, call: Call) -> list[dict[str, object]]:
        """A batch of one."""
        batch = call.content
        asked: dict[str, Any] = batch[0] if isinstance(batch, list) else call.json
        client_id: str | None = asked.get("clOrdId")
        if asked.get("ordType") != "market" or asked.get("tdMode") not in ("cross", "isolated"):
            raise errors.BadParameter("ordType or tdMode")
        if client_id is not None and not ID.fullmatch(str(client_id)):
            raise errors.BadClientOrderId("Parameter clOrdId error")
        sign = {"buy": 1, "sell": -1}[str(asked.get("side"))]
        order = self.place(
            call,
            symbol=str(asked.get("instId")),
            size=sign * number(asked.get("sz"), "sz"),
            reduce_only=asked.get("reduceOnly") is True,
            client_id=client_id,
            mode=MarginMode(str(asked["tdMode"])),
        )
        return [{"ordId": order.order_id, "clOrdId": client_id or "", "tag": "", "sCode": "0", "sMsg": ""}]

    def pending(self, call: Call) -> list[dict[str, object]]:
        """Open orders of a contract."""
        wanted = call.parameters.get("instId")
        return self.orders(call, lambda order: order.request.symbol == wanted and order.status.open)

    def history(self, call: Call) -> list[dict[str, object]]:
        """Finished orders of a contract in one state."""
        asked = call.parameters
        return self.orders(
            call,
            lambda order: (
                order.request.symbol == asked.get("instId")
                and not order.status.open
                and open_status(order, STATES) == asked.get("state")
            ),
        )
