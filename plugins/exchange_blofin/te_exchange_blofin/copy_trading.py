"""A BloFin copy-trading account: a lead trader's own wallet, with routes of its own.

https://docs.blofin.com/index.html#copy-trading. Orders there know neither reduce-only nor, as documented, client order
ids: what reduces goes through the closing route, which fills one opening order after the other and so may make several
orders, and an order is recognised by the ids that its acknowledgement named, else by what its symbol's orders show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from te_core.api import Finding, MarginMode, OrderRequest
from te_exchange_blofin.codes import NO_BROKER
from te_exchange_blofin.looks import look_at_copy_trading
from te_exchange_blofin.venue import Blofin
from te_exchange_ccxt.base import ZERO, BaseError, Row, diagnose, dig, number, together

if TYPE_CHECKING:  # the options belong to the plugin, which offers the venue
    from te_exchange_blofin.plugin import BlofinOptions

PAGE = 20
"""Orders in one answer of the history."""
REMEMBERED = 500
"""Orders of ours whose ids are kept, so that another one's look-up does not take them for its own."""
SLACK = 2_000
"""Milliseconds by which BloFin's clock may differ from our reckoning of it."""
OPEN = ("live", "partially_filled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order of ours. ``since``: milliseconds of BloFin's clock; ``ids``: as acknowledged, none without an answer."""

    side: str
    contracts: Decimal
    since: int
    ids: frozenset[str] = frozenset()


class CopyTrading(Blofin):
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
        self._sent: dict[str, Sent] = {}

    async def check(self) -> None:
        """Check the key, and read which contracts may be traded."""
        await self.check_key()
        answer = await self.own("get", "instruments")
        names = dig(answer, "data", "instIdList")
        names = (
            answer.get("instIdList") if names is None else names
        )  # documented, and as ccxt's authors met it
        if not isinstance(names, list):
            raise ValueError(f"BloFin returned no list of copy-trading contracts: {str(answer)[:120]}")
        self._offered = frozenset(str(name) for name in names)

    async def uid(self) -> str:
        """Return the user's number and that it is this account: the user's futures account is another one."""
        return f"{await super().uid()}/copy_trading"

    async def findings(self) -> Sequence[Finding]:
        """Look at the key and the account."""
        config = self.content(await self.own("get", "config"), dict)
        return look_at_copy_trading(config, await self.key(), offered=len(self._offered or ()))

    def obstacle(self, market: Row) -> str:
        """Say why no orders can be sent for a market."""
        if self._offered is not None and str(market.get("id")) not in self._offered:
            return "BloFin does not offer it for copy trading"
        return super().obstacle(market)

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Set nothing: each order states it."""

    # -- orders

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Open by an order, reduce by closing so many contracts."""
        size = format(contracts, "f")
        which = {
            "instId": market["id"],
            "marginMode": self.mode_of(order, market).value,
            "positionSide": "net",
            "size": size,
        }
        since = self.exchange.milliseconds() - self.exchange.options.get("timeDifference", 0) - SLACK
        sent = Sent(side=order.side.value, contracts=contracts, since=int(since))
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
            raise ValueError("BloFin acknowledged no order")
        self._remember(order.client_order_id, replace(sent, ids=frozenset(ids)))
        return {"id": ids[0]}

    async def _send(self, route: str, body: Mapping[str, Any]) -> Row:
        """Send an order with a broker id, even an empty one: some keys are refused without the field, some with it."""
        try:
            return await self._sent_once(route, body)
        except BaseError() as error:
            if diagnose(error, self)[1] != NO_BROKER or self.broker or not self._states_broker:
                raise
        self._states_broker = False
        return await self._sent_once(route, body)

    async def _sent_once(self, route: str, body: Mapping[str, Any]) -> Row:
        broker = {"brokerId": self.broker or ""} if self._states_broker else {}
        answer = await self.own("post", f"trade_{route}", {**body, **broker})
        self.content(answer, (list, dict))
        return answer

    def _remember(self, client_order_id: str, sent: Sent) -> None:
        self._sent[client_order_id] = sent
        if len(self._sent) > REMEMBERED:
            del self._sent[next(iter(self._sent))]

    async def look_up(self, client_order_id: str, market: Row) -> Row | None:
        """Find an order among its symbol's open and newest finished ones, of which it may be several."""
        which = {"instId": market["id"], "limit": str(PAGE)}
        waiting, over = await together(
            self.own("get", "trade_orders_pending", which), self.own("get", "trade_orders_history", which)
        )
        rows = {str(row.get("orderId")): row for page in (waiting, over) for row in self.content(page, list)}
        sent = self._sent.get(client_order_id)
        found = self._own_rows(client_order_id, sent, rows)
        if sent is not None and sent.ids.difference(rows):
            return {"status": "open"}  # acknowledged, and not shown yet
        return _joined(found, sent) if found else None

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Read what an order cost; there are no stops here."""
        return await self.find_order(client_order_id, market)

    def _own_rows(self, client_order_id: str, sent: Sent | None, rows: Mapping[str, Row]) -> list[Row]:
        """Pick an order's rows: by client order id, by acknowledged id, else what its side shows since it was sent."""
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


def _joined(rows: Sequence[Row], sent: Sent | None) -> Row:
    """Return one order of ccxt's form for all rows that an order of ours became."""
    filled = sum((number(row.get("filledSize")) or ZERO for row in rows), ZERO)
    value = sum(
        ((number(row.get("filledSize")) or ZERO) * (number(row.get("averagePrice")) or ZERO) for row in rows),
        ZERO,
    )
    fees = [fee for row in rows if (fee := number(row.get("fee"))) is not None]
    wanted = sent.contracts if sent else sum((number(row.get("size")) or ZERO for row in rows), ZERO)
    waits = any(row.get("state") in OPEN for row in rows)
    return {
        "status": "open" if waits else "closed" if filled >= wanted else "canceled",
        "amount": wanted,
        "filled": filled,
        "average": value / filled if filled else None,
        "fee": {"cost": sum(fees, ZERO), "currency": "USDT"} if fees else None,
    }
