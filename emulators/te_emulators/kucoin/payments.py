"""The transfers of the ledger, and the fundings of one contract."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from te_emulators.core import errors
from te_emulators.core.account import Account, Payment
from te_emulators.core.exchange import Exchange
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number


def routes(exchange: Exchange) -> list[Route]:
    """Both lists are newest first; ``offset`` continues after the row that has it."""

    def ledger(call: Call) -> object:
        coin = call.parameters.get("currency", "XBT")
        rows = [_transfer(call.account, one) for one in _newest(call.account) if not one.symbol]
        if exchange.accounts and coin == call.account.coin:
            rows = [*_pending(exchange, call.account), *rows]
        return _page(rows if coin == call.account.coin else [], call.parameters, at="time", name="offset")

    def fundings(call: Call) -> object:
        if not call.parameters.get("symbol"):
            raise errors.BadParameter("symbol")
        symbol = exchange.market.instrument(call.parameters["symbol"]).symbol
        rows = [_funding(call.account, one) for one in _newest(call.account) if one.symbol == symbol]
        return _page(rows, call.parameters, at="timePoint", name="id")

    return [
        Route(method="GET", path="/api/v1/transaction-history", kind="ledger", handler=ledger),
        Route(method="GET", path="/api/v1/funding-history", kind="ledger", handler=fundings),
    ]


def _newest(account: Account) -> list[Payment]:
    return list(reversed(account.payments))


def _transfer(account: Account, paid: Payment) -> dict[str, Any]:
    kind = "TransferIn" if paid.amount > 0 else "TransferOut"
    return _entry(account, kind, paid.amount, at=paid.at_ms, offset=51_360_000 + paid.number)


def _pending(exchange: Exchange, account: Account) -> list[dict[str, Any]]:
    """Return the realised profit of the current funding period, while anything is held."""
    now, zero = exchange.clock.ms(), Decimal(0)
    return (
        [_entry(account, "RealisedPNL", zero, at=now, offset=-1, status="Pending")] if account.held() else []
    )


def _entry(
    account: Account, kind: str, amount: Decimal, *, at: int, offset: int, status: str = "Completed"
) -> dict[str, Any]:
    return {
        "time": at,
        "type": kind,
        "amount": amount,
        "fee": 0.0,
        "accountEquity": account.ledger.wallet,
        "status": status,
        "remark": "",
        "offset": offset,
        "currency": account.coin,
    }


def _funding(account: Account, paid: Payment) -> dict[str, Any]:
    return {
        "id": 1_472_387_374_000_000 + paid.number,
        "symbol": paid.symbol,
        "timePoint": paid.at_ms,
        "fundingRate": Decimal("0.0001"),
        "markPrice": Decimal(0),
        "positionQty": account.size(paid.symbol),
        "positionCost": Decimal(0),
        "funding": paid.amount,
        "settleCurrency": account.coin,
    }


def _page(rows: Sequence[dict[str, Any]], parameters: dict[str, str], *, at: str, name: str) -> object:
    most = int(number(parameters.get("maxCount", "10"), "maxCount"))
    begin = int(number(parameters.get("startAt", "0"), "startAt"))
    left = [row for row in rows if row[at] >= begin]
    if (offset := parameters.get("offset")) is not None:
        place = next((n for n, row in enumerate(left) if str(row[name]) == offset), len(left))
        left = left[place + 1 :]
    return {"dataList": left[:most], "hasMore": len(left) > most}
