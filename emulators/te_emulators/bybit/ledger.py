"""The part of the transaction log without orders: fundings and transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from te_emulators.bybit.paging import page
from te_emulators.core.account import Account, Payment
from te_emulators.core.errors import BadParameter
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import plain

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.bybit.server import BybitServer

SPAN = 7 * 86_400_000
"""The period, in milliseconds from its start, that one request covers."""


def routes(server: BybitServer) -> list[Route]:
    """The one route; trades are not shown."""
    del server

    def log(call: Call) -> object:
        """Return entries of one type or all from a start time on, newest first."""
        asked = call.parameters
        if asked.get("accountType") not in (None, "UNIFIED"):
            raise BadParameter("params error: accountType only support UNIFIED.")
        begin = int(asked.get("startTime") or 0)
        kept = [
            paid
            for paid in reversed(call.account.payments)
            if paid.at_ms >= begin and (not begin or paid.at_ms <= begin + SPAN)
        ]
        rows = [row(call.account, paid) for paid in kept]
        rows = [one for one in rows if asked.get("type") in (None, one["type"])]
        rows = [one for one in rows if asked.get("currency") in (None, one["currency"])]
        shown, following = page(rows, asked, usual=20, most=50, name=lambda one: str(one["id"]))
        return {"nextPageCursor": following, "list": shown}

    return [Route(method="GET", path="/v5/account/transaction-log", kind="ledger", handler=log)]


def row(account: Account, paid: Payment) -> dict[str, Any]:
    """Return one entry: the balance changes by cash flow plus funding less fees."""
    moved = plain(paid.amount, 8)
    kind = "SETTLEMENT" if paid.symbol else ("TRANSFER_IN" if paid.amount >= 0 else "TRANSFER_OUT")
    return {
        "id": f"{account.uid}_{paid.number}",
        "transactionTime": str(paid.at_ms),
        "type": kind,
        "symbol": paid.symbol,
        "category": "linear" if paid.symbol else "",
        "side": "None",
        "currency": account.coin,
        "funding": moved if paid.symbol else "",
        "cashFlow": "0" if paid.symbol else moved,
        "fee": "0",
        "change": moved,
        "orderId": "",
        "orderLinkId": "",
        "tradeId": "",
        "tradePrice": "",
        "qty": "",
        "size": "",
        "feeRate": "",
        "bonusChange": "",
        "transSubType": "",
        "cashBalance": plain(account.ledger.wallet, 8),
    }
