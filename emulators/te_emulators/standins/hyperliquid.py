"""Hyperliquid's API: reads are ``POST /info`` by address, unsigned; changes are signed actions, ``POST /exchange``."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar

from aiohttp import web

from te_emulators.core import errors, margin, settings
from te_emulators.core.account import Account
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, Side
from te_emulators.core.order import Order, OrderStatus
from te_emulators.core.position import Position
from te_emulators.standins.standin import StandIn, get, post
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.figures import number, plain

D = Decimal
WALLET = f"0x{'1' * 40}"
"""Address of the only account."""
PRIVATE_KEY = f"0x{'1' * 64}"
"""Signs for it, as an API wallet whose own address is ``SIGNER``."""
SIGNER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
CLOID = re.compile(r"0x[0-9a-f]{32}")
CONTRACTS = {
    # price, decimals of a size, tick, highest leverage
    "BTC": ("50000", 3, "1", 40),
    "ETH": ("3000", 2, "0.1", 25),
    "SOL": ("150", 1, "0.01", 20),
    "DOGE": ("0.12", 0, "0.00001", 10),
}
UNLIMITED = D(10) ** 9
"""No largest market order is documented."""
KINDS = {
    "metaAndAssetCtxs": "tickers",
    "clearinghouseState": "positions",
    "orderStatus": "lookup",
    "exchangeStatus": "time",
    "userAbstraction": "other",
    "userRole": "other",
    "order": "order",
    "updateLeverage": "leverage",
}
"""Kinds of request by the type of the query or the action. Equity and positions come in one response."""
NONCES = 2 * 86_400_000
"""Milliseconds by which a nonce may be in the past."""


class HyperliquidServer(StandIn):
    """The requests that the plugin makes."""

    name = "hyperliquid"
    unknown = ("Order has invalid size.", 200)
    codes: ClassVar[Mapping[type[errors.DomainError], tuple[str, int]]] = {
        errors.BadKey: (f"User or API Wallet {WALLET} does not exist.", 200),
        errors.BadSignature: (f"User or API Wallet 0x{'9' * 40} does not exist.", 200),
        errors.RateLimited: (
            "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0.",
            200,
        ),
        errors.InsufficientMargin: ("Insufficient margin to place order. asset=0", 200),
        errors.BelowNotional: ("Order must have minimum value of $10. asset=0", 200),
        errors.ReduceOnlyRejected: ("Reduce only order would increase position. asset=0", 200),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._nonces: set[int] = set()

    def contracts(self) -> Iterable[Instrument]:
        """Sizes are in base coin, and profits are paid in USDC."""
        return [
            Instrument(
                symbol=base,
                base=base,
                quote="USDC",
                price=D(price),
                size_step=D(1).scaleb(-decimals),
                min_size=D(1).scaleb(-decimals),
                max_market_size=UNLIMITED,
                max_limit_size=UNLIMITED,
                min_notional=D(10),
                tick=D(tick),
                max_leverage=D(leverage),
            )
            for base, (price, decimals, tick, leverage) in CONTRACTS.items()
        ]

    def routes(self) -> Sequence[Route]:
        """Two routes; the body states the request."""
        info = get("/info", "other", self.info, private=False)
        return [
            Route(method="POST", path=info.path, kind=info.kind, handler=info.handler, private=False),
            post("/exchange", "other", self.act),
        ]

    async def _call(self, request: web.Request, kind: str) -> Call:
        call = await super()._call(request, kind)
        body = json.loads(call.body or b"{}")
        asked = body.get("action", body)
        call.kind = KINDS.get(str(asked.get("type")), kind)
        return call

    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """There are no keys: a signature identifies its owner."""
        return self.exchange.accounts["main"].keys[0].key

    def authenticate(self, call: Call) -> None:
        """Check the signature by signing the same action, and that the nonce is recent and new."""
        self.known_key(call, call.key_name)
        body = json.loads(call.body)
        nonce, now = int(body["nonce"]), self.exchange.clock.ms()
        if nonce in self._nonces or not now - NONCES < nonce < now + NONCES / 2:
            raise errors.BadTimestamp(f"Invalid nonce: {nonce}")
        if signed(body["action"], nonce) != body["signature"]:
            raise errors.BadSignature("another address signed")
        self._nonces.add(nonce)

    def success(self, call: Call, data: object) -> Reply:
        """Responses to reads have no envelope."""
        return json_reply(data)

    def refusal(self, code: str, text: str, status: int) -> Reply:
        """A text; there are no codes."""
        return json_reply({"status": "err", "response": code}, status=status)

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """An error of one order is at its position among the statuses; any other error refuses the request."""
        if isinstance(error, errors.OrderNotFound):
            return json_reply({"status": "unknownOid"})
        if isinstance(error, errors.AuthenticationRefused | errors.RateLimited) or call.kind != "order":
            return super().failure(call, error)
        text, _ = next((self.codes[kind] for kind in type(error).__mro__ if kind in self.codes), self.unknown)
        data = {"statuses": [{"error": text}]}
        return json_reply({"status": "ok", "response": {"type": "order", "data": data}})

    # --- rows ------------------------------------------------------------------------------------------------------

    def contract_row(self, found: Instrument) -> dict[str, object]:
        """A contract; its position in the list is its number."""
        row = {"name": found.symbol, "szDecimals": -int(found.size_step.as_tuple().exponent)}
        return {**row, "maxLeverage": int(found.max_leverage), "isDelisted": False}

    def ticker_row(self, found: Instrument) -> dict[str, object]:
        """Prices; a hidden contract has none, because positions in the list must not change."""
        quote = self.exchange.market.quotes[found.symbol]
        if found.symbol in self.exchange.market.unlisted:
            return {"markPx": None, "midPx": None, "impactPxs": None}
        return {
            "markPx": plain(quote.mark),
            "midPx": plain(quote.last),
            "impactPxs": [plain(quote.bid), plain(quote.ask)],
        }

    def position_row(self, account: Account, position: Position) -> dict[str, object]:
        """A position."""
        mark = self.exchange.market.mark(position.symbol)
        mode = "cross" if position.margin_mode is MarginMode.CROSS else "isolated"
        profit, liquidation = position.unrealised(mark), position.liquidation_price()
        used = position.initial_margin(mark) + (profit if mode == "isolated" else 0)
        return {
            "type": "oneWay",
            "position": {
                "coin": position.symbol,
                "szi": plain(position.size),
                "leverage": {"type": mode, "value": int(position.leverage)},
                "entryPx": plain(position.entry_price),
                "positionValue": plain(position.value(mark)),
                "unrealizedPnl": plain(profit, 6),
                "liquidationPx": None if liquidation is None else plain(liquidation, 6),
                "marginUsed": plain(used, 6),
            },
        }

    def order_row(self, order: Order) -> dict[str, object]:
        """An order, as ``orderStatus`` shows it."""
        state = {OrderStatus.FILLED: "filled", OrderStatus.REJECTED: "rejected"}
        inner = {
            "coin": order.request.symbol,
            "side": "B" if order.request.side is Side.BUY else "A",
            "limitPx": plain(order.average or D(0)),
            "sz": plain(order.remaining),
            "origSz": plain(order.size),
            "oid": int(order.order_id),
            "timestamp": order.created_ms,
            "reduceOnly": order.request.reduce_only,
            "orderType": "Limit",
            "tif": "Ioc",
            "cloid": f"0x{order.request.client_id}",
        }
        status = "open" if order.status.open else state.get(order.status, "canceled")
        return {"order": inner, "status": status, "statusTimestamp": order.updated_ms}

    # --- reads -----------------------------------------------------------------------------------------------------

    def info(self, call: Call) -> object:
        """By type; those of an account name its address."""
        asked = call.json
        readers: Mapping[str, Callable[[Call], object]] = {
            "metaAndAssetCtxs": lambda call: [{"universe": self.instruments(call)}, self.tickers(call)],
            "exchangeStatus": lambda _: {"time": self.exchange.clock.ms()},
            "userAbstraction": lambda _: "default",
            "userRole": self.role,
            "clearinghouseState": self.state,
            "orderStatus": self.status,
        }
        reader = readers.get(str(asked.get("type")))
        if reader is None:
            raise errors.BadParameter("Failed to deserialize the JSON body into the target type")
        if "user" in asked and reader != self.role:
            if str(asked["user"]).lower() != WALLET:
                raise errors.BadParameter("only one account is here")
            call.owner = self.exchange.accounts["main"]
        return reader(call)

    def role(self, call: Call) -> dict[str, object]:
        """Return the owner of an API wallet's address."""
        if str(call.json.get("user")).lower() != SIGNER or not self.exchange.keys:
            return {"role": "missing"}
        return {"role": "agent", "data": {"user": WALLET}}

    def state(self, call: Call) -> dict[str, object]:
        """Equity with unrealised profit, and the positions."""
        market = self.exchange.market
        equity = plain(margin.equity(call.account, market), 6)
        free = max(margin.available(call.account, market), D(0))
        used = sum((held.initial_margin(market.mark(held.symbol)) for held in call.account.held()), D(0))
        return {
            "marginSummary": {"accountValue": equity, "totalMarginUsed": plain(used, 6)},
            "withdrawable": plain(free, 6),
            "assetPositions": self.positions(call),
            "time": self.exchange.clock.ms(),
        }

    def status(self, call: Call) -> dict[str, object]:
        """One order by its client id."""
        wanted = call.json.get("oid")
        rows = self.orders(call, lambda order: wanted == f"0x{order.request.client_id}")
        if not rows:
            raise errors.OrderNotFound("unknownOid")
        return {"status": "order", "order": rows[0]}

    # --- actions ---------------------------------------------------------------------------------------------------

    def act(self, call: Call) -> object:
        """By the action's type; nothing else is signed."""
        action: Any = call.json.get("action")
        actions = {"order": self.order, "updateLeverage": self.leverage}
        if action.get("type") not in actions:
            raise errors.BadParameter("this action is not served here")
        return {"status": "ok", "response": actions[action["type"]](call, action)}

    def leverage(self, call: Call, action: dict[str, Any]) -> dict[str, object]:
        """Leverage and margin mode at once; the mode of an open position stays."""
        symbol = self._coin(action["asset"])
        mode = MarginMode.CROSS if action["isCross"] else MarginMode.ISOLATED
        held = call.account.held(symbol)
        if held and held[0].margin_mode is not mode:
            raise errors.PositionExists("Cannot switch leverage type with open position.")
        call.account.margin_modes[symbol] = mode
        with suppress(errors.LeverageNotModified):
            lever = number(action["leverage"], "leverage")
            settings.set_leverage(self.exchange, call.account, symbol, lever, margin_mode=mode)
        return {"type": "default"}

    def order(self, call: Call, action: dict[str, Any]) -> dict[str, object]:
        """One limit order that is filled at once or cancelled, in the fixed order of its fields."""
        (asked,) = action["orders"]
        if list(asked) != ["a", "b", "p", "s", "r", "t", "c"] or action["grouping"] != "na":
            raise errors.BadParameter("Failed to deserialize the JSON body into the target type")
        if "builder" in action or asked["t"] != {"limit": {"tif": "Ioc"}}:
            raise errors.BadParameter("only market orders without a builder's fee are served here")
        if not CLOID.fullmatch(asked["c"]):
            raise errors.BadClientOrderId("cloid must be 128 bits in hexadecimal digits")
        placed = self.place(
            call,
            symbol=self._coin(asked["a"]),
            size=number(asked["s"], "s") * (1 if asked["b"] else -1),
            reduce_only=asked["r"],
            client_id=asked["c"].removeprefix("0x"),
        )
        filled = {"totalSz": plain(placed.filled), "avgPx": plain(placed.average or D(0))}
        return {
            "type": "order",
            "data": {"statuses": [{"filled": {**filled, "oid": int(placed.order_id)}}]},
        }

    def _coin(self, asset: object) -> str:
        return list(self.exchange.market.instruments)[int(str(asset))]


def signed(action: Mapping[str, Any], nonce: int) -> object:
    """Sign an action as the account's owner does, by ccxt (the extra ``ccxt`` of this package)."""
    return _signer().sign_l1_action(action, nonce)


@cache
def _signer() -> Any:
    return importlib.import_module("ccxt").hyperliquid({"privateKey": PRIVATE_KEY})
