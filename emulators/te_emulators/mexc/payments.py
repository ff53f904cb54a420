"""Fundings of positions, and transfers to and from the contract account."""

from __future__ import annotations

from typing import Any

from te_emulators.core.account import Account, Payment
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number

ROOT = "/api/v1/private"


def routes() -> list[Route]:
    """Both lists, newest first."""
    return [
        Route(method="GET", path=f"{ROOT}/position/funding_records", kind="fundings", handler=fundings),
        Route(method="GET", path=f"{ROOT}/account/transfer_record", kind="transfers", handler=transfers),
    ]


def fundings(call: Call) -> object:
    """Of one contract or all, between two times."""
    asked = call.parameters
    begin, end = (int(asked.get(name) or usual) for name, usual in (("start_time", 0), ("end_time", 1 << 60)))
    rows = [
        _funding(call.account, paid)
        for paid in reversed(call.account.payments)
        if paid.symbol and asked.get("symbol") in {None, paid.symbol} and begin <= paid.at_ms <= end
    ]
    return _page(rows, asked)


def transfers(call: Call) -> object:
    """Return transfers of one coin or all, in one state or all; a failed transfer moved nothing."""
    asked = call.parameters
    rows: list[dict[str, Any]] = []
    for paid in reversed(call.account.payments):
        if not paid.symbol:
            rows += [_transfer(call.account, paid, state="FAILED"), _transfer(call.account, paid)]
    rows = [row for row in rows if asked.get("currency") in {None, row["currency"]}]
    return _page([row for row in rows if asked.get("state") in {None, row["state"]}], asked)


def _funding(account: Account, paid: Payment) -> dict[str, Any]:
    return {
        "id": 7_423_000 + paid.number,
        "symbol": paid.symbol,
        "positionType": 1 if account.size(paid.symbol) > 0 else 2,
        "positionValue": 0,
        "funding": paid.amount,
        "rate": 0,
        "settleTime": paid.at_ms,
    }


def _transfer(account: Account, paid: Payment, *, state: str = "SUCCESS") -> dict[str, Any]:
    number_ = 2_980_000 + 2 * paid.number + (state == "FAILED")
    return {
        "id": number_,
        "txid": f"{number_:032x}",
        "currency": account.coin,
        "amount": abs(paid.amount),
        "type": "IN" if paid.amount > 0 else "OUT",
        "state": state,
        "createTime": paid.at_ms,
        "updateTime": paid.at_ms,
    }


def _page(rows: list[dict[str, Any]], asked: dict[str, str]) -> object:
    size = int(number(asked.get("page_size", "20"), "page_size"))
    current = int(number(asked.get("page_num", "1"), "page_num"))
    return {
        "pageSize": size,
        "totalCount": len(rows),
        "totalPage": -(-len(rows) // size),
        "currentPage": current,
        "resultList": rows[(current - 1) * size : current * size],
    }
