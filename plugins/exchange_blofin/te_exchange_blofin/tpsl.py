"""Stops at BloFin: its TP/SL orders, which wait for the last price. https://docs.blofin.com/index.html#place-tpsl-order

They are found by our client order id for good. What is triggered becomes another order, which names the TP/SL order
that it was: ``algoClientOrderId`` is our id, and ``algoId`` what is called ``tpslId`` elsewhere.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from te_core.api import NotReady, StopKind, StopRequest
from te_exchange_ccxt.base import BaseError, Fate, Row, Trouble, Venue, diagnose, number

EXPIRY = 62.0
"""Seconds after which an order is not taken any more that was not dated back."""
PAGE, MOST_PAGES = 100, 20
PREFIX = {StopKind.LOSS: "sl", StopKind.PROFIT: "tp"}
MARKET = "-1"
"""The price of the order that a TP/SL order becomes: any."""
SHOWN_AFTER = (0.0, 0.5, 1.5)
"""Seconds to wait, each time, for the order that a TP/SL order has become."""
ENDED = {"canceled": "canceled", "order_failed": "rejected"}


class TpslOrders(Venue):
    """What a venue needs for stops. ``broker``: what orders say of the broker; empty or None says nothing."""

    broker: str | None

    async def create_stop(self, stop: StopRequest, contracts: Decimal, market: Row) -> None:
        """Place one TP/SL order, whose other level is left out."""
        level = PREFIX[stop.kind]
        body = {
            "instId": market["id"],
            "marginMode": (self.modes.get(market["id"]) or stop.margin_mode).value,
            "positionSide": "net",
            "side": stop.side.value,
            f"{level}TriggerPrice": format(stop.trigger, "f"),
            f"{level}OrderPrice": MARKET,
            "size": self.amount(contracts),
            "reduceOnly": "true",
            "clientOrderId": stop.client_order_id,
            **({"brokerId": self.broker} if self.broker else {}),
        }
        placed = self.content(await self.exchange.private_post_trade_order_tpsl(body), dict)
        if not placed.get("tpslId"):
            raise ValueError("BloFin acknowledged no TP/SL order")

    async def cancel_stop(self, client_order_id: str, market: Row) -> None:
        """Cancel it by our id."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        self.content(await self.exchange.private_post_trade_cancel_tpsl([which]), list)

    async def fetch_stops(self) -> Sequence[Row]:
        """Read those that rest, page by page."""
        found: list[Row] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            asked = {"limit": str(PAGE), **after}
            rows = self.content(await self.exchange.private_get_trade_orders_tpsl_pending(asked), list)
            for row in rows:
                symbol = self.exchange.safe_symbol(row.get("instId"))
                found.append({"clientOrderId": row.get("clientOrderId"), "symbol": symbol})
            if len(rows) < PAGE:
                return found
            after = {"after": str(rows[-1]["tpslId"])}
        raise ValueError(f"BloFin's TP/SL orders do not end after {MOST_PAGES} pages")

    async def find_stop(self, client_order_id: str, market: Row) -> Row | None:
        """Look it up, and once it was triggered the order that it became, which tells what was filled."""
        row = await self._tpsl(client_order_id, market)
        if row is None:
            self.unless_late()
            return None
        state = str(row.get("state"))
        if state != "effective":
            ended = {"status": ENDED.get(state, "open"), "filled": "0", "info": row}
            return ended if state in ENDED else {"status": "open"}
        for pause in SHOWN_AFTER:
            await asyncio.sleep(pause)
            if (child := await self._became(client_order_id, row, market)) is not None:
                found: Row = self.exchange.parse_order(child, market)
                return found
        return {"status": "closed"}  # by how much the position tells

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Read what an order of ours cost, or a stop."""
        found = await self.find_order(client_order_id, market)
        return await self.find_stop(client_order_id, market) if found is None else found

    def unless_late(self) -> None:
        """Let an order that BloFin does not know count as lost. Raises ``NotReady`` while it would still take it."""
        left = self.exchange.ordered_at + EXPIRY - get_running_loop().time()
        if not self.exchange.age and left > 0:
            raise NotReady("BloFin does not know this order yet, but would still take it", retry_after=left)

    async def _tpsl(self, client_order_id: str, market: Row) -> Row | None:
        """Read a TP/SL order in any state."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        try:
            answer = await self.exchange.private_get_trade_order_tpsl_detail(which)
        except BaseError() as error:
            if diagnose(error, self)[0] is not Trouble.NOT_FOUND:
                raise
            return None
        return self.content(answer, (dict, type(None))) or None

    async def _became(self, client_order_id: str, tpsl: Row, market: Row) -> Row | None:
        """Find the order that a TP/SL order became: by our id, else among the symbol's newest orders."""
        which = {"instId": market["id"], "algoClientOrderId": client_order_id}
        try:
            row = self.content(await self.exchange.private_get_trade_order_detail(which), (dict, type(None)))
            if row:
                return dict(row)
        except BaseError() as error:
            if diagnose(error, self)[0].fate is not Fate.REFUSED:
                raise
        which = {"instId": market["id"], "limit": str(PAGE)}
        for listed in ("history", "pending"):
            answer = await getattr(self.exchange, f"private_get_trade_orders_{listed}")(which)
            for row in self.content(answer, list):
                if _child(row, tpsl):
                    return dict(row)
        return None


def _child(order: Row, tpsl: Row) -> bool:
    """Return whether an order is what a TP/SL order became: it says so, or is of its kind, side and trigger since."""
    if order.get("algoId") or order.get("algoClientOrderId"):
        return order.get("algoId") == tpsl.get("tpslId")
    kind: Any = order.get("orderCategory")
    if kind not in ("sl", "tp") or order.get("side") != tpsl.get("side"):
        return False
    name, made = f"{kind}TriggerPrice", number(tpsl.get("createTime"))
    trigger, at = number(tpsl.get(name)), number(order.get("createTime"))
    later = made is not None and at is not None and at >= made
    return later and trigger is not None and number(order.get(name)) == trigger
