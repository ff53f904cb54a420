"""Adapter for BloFin copy-trading accounts: a lead trader's own wallet, with routes of its own.

https://docs.blofin.com/index.html#copy-trading. Orders there have neither reduce-only nor, as documented, client
order ids. Reductions use the closing route, which fills one opening order after another and may create several
orders; an order is recognised by the ids in its acknowledgement, else by its symbol's orders since it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

from te_core.api import Finding, MarginMode, OrderRequest
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.codes import NO_BROKER
from te_exchange_blofin.diagnostics import check_copy_trading
from te_exchange_blofin.options import BlofinOptions
from te_exchange_ccxt.api import ZERO, BaseError, Row, classify_error, dig, gather_pair, number, total

PAGE = 20
"""Orders in one response of the history."""
REMEMBERED_ORDERS = 500
"""Orders whose ids are remembered, so that another order's look-up does not mistake them for its own."""
CLOCK_SLACK = 2_000
"""Milliseconds by which BloFin's clock may differ from our estimate of it."""
OPEN = ("live", "partially_filled")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentOrder:
    """An order that was sent."""

    side: str
    contracts: Decimal
    since: int
    """Milliseconds of BloFin's clock."""
    ids: frozenset[str] = frozenset()
    """As acknowledged; empty without a response."""


class CopyTradingAdapter(BlofinAdapter):
    """A lead trader's account. Orders state their margin mode; the account has none of its own."""

    wallet: ClassVar[str] = "copy_trading"
    section: ClassVar[str] = "copytrading_"
    positions_route: ClassVar[str] = "account_positions_by_contract"
    leverage_route: ClassVar[str] = "account_leverage_info"
    account_wide: ClassVar[bool] = False
    streamed: ClassVar[frozenset[str]] = frozenset({"tickers"})  # ccxt cannot follow copy-trading channels

    def __init__(self, options: BlofinOptions) -> None:
        super().__init__(options)
        self._offered: frozenset[str] | None = None
        self._states_broker = True
        self._sent: dict[str, SentOrder] = {}

    async def check(self) -> None:
        """Check the key, and read which contracts may be traded."""
        await self.check_key()
        answer = await self.request("get", "instruments")
        documented = dig(answer, "data", "instIdList")
        names = (
            answer.get("instIdList") if documented is None else documented
        )  # the first as ccxt's authors saw it
        if not isinstance(names, list):
            raise ValueError(f"BloFin returned no list of copy-trading contracts: {str(answer)[:120]}")
        self._offered = frozenset(str(name) for name in names)

    async def uid(self) -> str:
        """Return the user's id with a suffix: the user's futures account is a different account."""
        return f"{await super().uid()}/copy_trading"

    async def findings(self) -> Sequence[Finding]:
        """Check key and account."""
        config = self.unwrap(await self.request("get", "config"), dict)
        return check_copy_trading(config, await self.key(), offered=len(self._offered or ()))

    def obstacle(self, market: Row) -> str:
        """Return why no orders can be sent for a market."""
        if self._offered is not None and str(market.get("id")) not in self._offered:
            return "BloFin does not offer it for copy trading"
        return super().obstacle(market)

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Set nothing: each order states it."""

    # -- orders

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Open by an order, reduce by closing that many contracts."""
        mode, size = self.order_margin_mode(order, market).value, format(contracts, "f")
        which = {"instId": market["id"], "marginMode": mode, "positionSide": "net", "size": size}
        since = self.exchange.milliseconds() - self.exchange.options.get("timeDifference", 0) - CLOCK_SLACK
        sent = SentOrder(side=order.side.value, contracts=contracts, since=int(since))
        self._remember(order.client_order_id, sent)
        if order.reduce_only:
            answer = await self._send("close_position_by_contract", {**which, "closeType": "pnl"})
            ids = [str(found) for found in dig(answer, "data", "orderIds") or ()]
        else:
            side = {"side": sent.side, "orderType": "market", "clientOrderId": order.client_order_id}
            data = (await self._send("place_order", {**which, **side})).get("data")
            rows = data if isinstance(data, list) else [data]
            ids = [str(found) for row in rows if (found := dig(row, "orderId"))]
        if not ids:
            raise ValueError("BloFin returned no order id")
        self._remember(order.client_order_id, replace(sent, ids=frozenset(ids)))
        return {"id": ids[0]}

    async def _send(self, route: str, body: Mapping[str, Any]) -> Row:
        """Send an order with a broker id, even an empty one: some keys are rejected without the field, some with it."""
        try:
            return await self._sent_once(route, body)
        except BaseError() as error:
            if classify_error(error, self)[1] != NO_BROKER or self.broker or not self._states_broker:
                raise
        self._states_broker = False
        return await self._sent_once(route, body)

    async def _sent_once(self, route: str, body: Mapping[str, Any]) -> Row:
        broker = {"brokerId": self.broker or ""} if self._states_broker else {}
        answer = await self.request("post", f"trade_{route}", {**body, **broker})
        self.unwrap(answer, (list, dict))
        return answer

    def _remember(self, client_order_id: str, sent: SentOrder) -> None:
        self._sent[client_order_id] = sent
        if len(self._sent) > REMEMBERED_ORDERS:
            del self._sent[next(iter(self._sent))]

    async def query_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find an order among its symbol's open and newest finished orders; it may be several of them."""
        which = {"instId": market["id"], "limit": str(PAGE)}
        waiting, over = await gather_pair(
            self.request("get", "trade_orders_pending", which),
            self.request("get", "trade_orders_history", which),
        )
        rows = {str(row.get("orderId")): row for page in (waiting, over) for row in self.unwrap(page, list)}
        sent = self._sent.get(client_order_id)
        found = self._rows_of(client_order_id, sent, rows)
        if sent is not None and sent.ids.difference(rows):
            return {"status": "open"}  # acknowledged, but not visible yet
        return _combined(found, sent) if found else None

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Read what an order cost; there are no stops here."""
        return await self.find_order(client_order_id, market)

    def _rows_of(self, client_order_id: str, sent: SentOrder | None, rows: Mapping[str, Row]) -> list[Row]:
        """Select an order's rows by client order id, else by acknowledged ids, else by side and time."""
        if named := [row for row in rows.values() if row.get("clientOrderId") == client_order_id]:
            return named
        if sent is None:
            return []
        if sent.ids:
            return [row for name, row in rows.items() if name in sent.ids]
        others = frozenset[str]().union(*(one.ids for one in self._sent.values()))
        return [
            row
            for name, row in rows.items()
            if name not in others
            and row.get("side") == sent.side
            and (number(row.get("createTime")) or ZERO) >= sent.since
        ]


def _combined(rows: Sequence[Row], sent: SentOrder | None) -> Row:
    """Combine all rows of one of our orders into one ccxt order."""
    filled, value = total(rows, "filledSize"), total(rows, "filledSize", "averagePrice")
    fees = [fee for row in rows if (fee := number(row.get("fee"))) is not None]
    wanted = sent.contracts if sent else total(rows, "size")
    waits = any(row.get("state") in OPEN for row in rows)
    return {
        "status": "open" if waits else "closed" if filled >= wanted else "canceled",
        "amount": wanted,
        "filled": filled,
        "average": value / filled if filled else None,
        "fee": {"cost": sum(fees, ZERO), "currency": "USDT"} if fees else None,
    }
