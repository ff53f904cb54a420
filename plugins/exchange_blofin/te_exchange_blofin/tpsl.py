"""Stops at BloFin are TP/SL orders, which wait for the last price.

https://docs.blofin.com/index.html#place-tpsl-order. They are found by our client order id forever. A triggered one
becomes another order that names it: ``algoClientOrderId`` is our id, and ``algoId`` is the ``tpslId`` of other
routes.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from te_core.api import NotReady, StopKind, StopRequest
from te_exchange_ccxt.api import (
    BaseError,
    ErrorAction,
    ErrorKind,
    ExchangeAdapter,
    Row,
    classify_error,
    number,
)

ACCEPTED_FOR = 62.0
"""Seconds after which an order that was not backdated is no longer accepted."""
PAGE = 100
PREFIX = {StopKind.LOSS: "sl", StopKind.PROFIT: "tp"}
MARKET = "-1"
"""Price of the order that a TP/SL order becomes: any."""
CHILD_LOOKUP_DELAYS = (0.0, 0.5, 1.5)
"""Seconds to wait, each time, for the order that a TP/SL order became."""
ENDED = {"canceled": "canceled", "order_failed": "rejected"}


class TpslAdapter(ExchangeAdapter):
    """The stop hooks of a BloFin adapter."""

    broker: str | None
    """Broker id in orders; empty or None sends none."""

    async def create_stop(self, stop: StopRequest, contracts: Decimal, market: Row) -> None:
        """Place one TP/SL order with only one of its two levels."""
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
        placed = self.unwrap(await self.exchange.private_post_trade_order_tpsl(body), dict)
        if not placed.get("tpslId"):
            raise ValueError("BloFin returned no id of the TP/SL order")

    async def cancel_stop(self, client_order_id: str, market: Row) -> None:
        """Cancel it by our id."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        self.unwrap(await self.exchange.private_post_trade_cancel_tpsl([which]), list)

    async def fetch_stops(self) -> Sequence[Row]:
        """Read the resting ones, page by page."""

        async def read(page: Row) -> tuple[list[Row], Row | None]:
            which = {"limit": str(PAGE), **page}
            rows = self.unwrap(await self.exchange.private_get_trade_orders_tpsl_pending(which), list)
            return rows, None if len(rows) < PAGE else {"after": str(rows[-1]["tpslId"])}

        rows = await self.all_pages("TP/SL orders", read)
        return [self.stop_row(row.get("clientOrderId"), row.get("instId")) for row in rows]

    async def find_stop(self, client_order_id: str, market: Row) -> Row | None:
        """Find a stop and, once it is triggered, the order that it became, which has the filled quantity."""
        row = await self._tpsl(client_order_id, market)
        if row is None:
            self.require_expired()
            return None
        state = str(row.get("state"))
        if state != "effective":
            ended = {"status": ENDED.get(state, "open"), "filled": "0", "info": row}
            return ended if state in ENDED else {"status": "open"}
        for pause in CHILD_LOOKUP_DELAYS:
            await asyncio.sleep(pause)
            if (child := await self._triggered_order(client_order_id, row, market)) is not None:
                found: Row = self.exchange.parse_order(child, market)
                return found
        return {"status": "closed"}  # the position shows how much

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Read what an order of ours, or a stop, cost."""
        found = await self.find_order(client_order_id, market)
        return await self.find_stop(client_order_id, market) if found is None else found

    def require_expired(self) -> None:
        """Raise ``NotReady`` for an unknown order while BloFin would still accept it: it is not lost yet."""
        left = self.exchange.ordered_at + ACCEPTED_FOR - get_running_loop().time()
        if not self.exchange.age and left > 0:
            raise NotReady("BloFin does not know this order yet, but would still accept it", retry_after=left)

    async def _tpsl(self, client_order_id: str, market: Row) -> Row | None:
        """Read a TP/SL order in any state."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        try:
            answer = await self.exchange.private_get_trade_order_tpsl_detail(which)
        except BaseError() as error:
            if classify_error(error, self)[0] is not ErrorKind.NOT_FOUND:
                raise
            return None
        return self.unwrap(answer, (dict, type(None))) or None

    async def _triggered_order(self, client_order_id: str, tpsl: Row, market: Row) -> Row | None:
        """Find the order that a TP/SL order became: by our id, else among the symbol's newest orders."""
        which = {"instId": market["id"], "algoClientOrderId": client_order_id}
        try:
            row = self.unwrap(await self.exchange.private_get_trade_order_detail(which), (dict, type(None)))
            if row:
                return dict(row)
        except BaseError() as error:
            if classify_error(error, self)[0].action is not ErrorAction.REJECT:
                raise
        which = {"instId": market["id"], "limit": str(PAGE)}
        for listed in ("history", "pending"):
            answer = await getattr(self.exchange, f"private_get_trade_orders_{listed}")(which)
            for row in self.unwrap(answer, list):
                if _child(row, tpsl):
                    return dict(row)
        return None


def _child(order: Row, tpsl: Row) -> bool:
    """Return whether an order is what a TP/SL order became: by its reference, else by kind, side, trigger and time."""
    if order.get("algoId") or order.get("algoClientOrderId"):
        return order.get("algoId") == tpsl.get("tpslId")
    kind: Any = order.get("orderCategory")
    if kind not in ("sl", "tp") or order.get("side") != tpsl.get("side"):
        return False
    name, made = f"{kind}TriggerPrice", number(tpsl.get("createTime"))
    trigger, at = number(tpsl.get(name)), number(order.get("createTime"))
    later = made is not None and at is not None and at >= made
    return later and trigger is not None and number(order.get(name)) == trigger
