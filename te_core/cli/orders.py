"""``te orders`` and ``te why``: show what was ordered, what it cost, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.explain import explanation_lines
from te_core.cli.output import print_csv, print_json, print_lines, show, table, to_the_second
from te_core.cli.past import (
    AccountName,
    AsCsv,
    AsJson,
    Limit,
    SourceName,
    SymbolName,
    asking,
    check_one_form,
    entries,
    order_address,
    print_nothing_found,
    query_of,
    wanted_number,
)
from te_core.cli.since import Since, Until

CSV = (
    *("number", "created_at", "settled_at", "account", "symbol", "side", "quantity", "filled", "price"),
    *("fee", "fee_currency", "realised", "state", "reason", "reduce_only", "stop", "cause", "caused_at"),
    *("reference_price", "leverage", "margin_mode", "shares", "revision", "step", "chunk", "client_order_id"),
)
"""The columns of ``te orders --csv``, explained in docs/money.md."""
_COLUMNS = (
    *("number", "made", "account", "symbol", "order", "price", "fee", "realised", "state"),
    *("after", "cause", "reason"),
)


def orders(
    context: typer.Context,
    *,
    since: Since = "",
    until: Until = "",
    account: AccountName = "",
    symbol: SymbolName = "",
    source: SourceName = "",
    limit: Limit = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show orders with their outcome and cost, newest first, including those that were not sent.

    \b
    Example: te orders --since fri --account bybit-main
             te orders --symbol BTCUSDT --since 2026-11 --csv > orders.csv
    """
    check_one_form(as_json, as_csv)
    paths = Paths.of(context)
    query = query_of(since=since, until=until, account=account, symbol=symbol, source=source)
    with asking(paths) as ask:
        found = list(entries(ask, "orders", query, wanted_number(limit, as_csv=as_csv)))
    if as_csv:
        print_csv(CSV, found)
    elif as_json:
        print_json({"orders": found})
    else:
        show(table("Orders", _COLUMNS, map(_row, found), spare=("cause", "after", "reason", "fee")))
    if not found:
        print_nothing_found(paths, query)


def _row(order: Any) -> tuple[object, ...]:
    quantity = order["filled"] if order["filled"] not in (None, "0") else order["quantity"]
    what = f"{order['side']} {quantity}" + (f" ({order['stop']})" if order["stop"] else "")
    fee = f"{order['fee']} {order['fee_currency']}" if order["fee"] is not None else None
    return (
        order["number"],
        to_the_second(order["created_at"])[5:],  # the year is in --json and --csv
        order["account"],
        order["symbol"],
        what,
        order["price"],
        fee,
        order["realised"],
        order["state"],
        _after(order),
        order["cause"],
        order["reason"],
    )


def _after(order: Any) -> str:
    """Return the time between an order's cause and its creation."""
    from datetime import datetime

    from te_core.reporting.activity import short

    if not order["caused_at"]:
        return ""
    return short(datetime.fromisoformat(order["created_at"]) - datetime.fromisoformat(order["caused_at"]))


def why(
    context: typer.Context,
    order: Annotated[
        str,
        typer.Argument(
            help="Number shown by te orders, client order id, or the beginning of the id.", show_default=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Explain a past order: signals, weights, target, sizing, plan, outcome and cost.

    \b
    Example: te why 4711
             te why 3f2a9c --json
    """
    with asking(Paths.of(context)) as ask:
        found = ask(order_address(order), {})
    if as_json:
        print_json(found)
    else:
        print_lines(*story_lines(found))


def story_lines(found: Any) -> Iterator[str]:
    """Format an order's story for people."""
    order, plan, latency = found["order"], found["plan"], found["latency"]
    kind = f" ({order['stop']})" if order["stop"] else ", reduce-only" if order["reduce_only"] else ""
    yield (
        f"{order['account']}: {order['side']} {order['quantity']} {order['symbol']}{kind}: {_state(order)}"
        f" (number {order['number']}, id {order['client_order_id']})"
    )
    if order["cause"]:
        took = latency["cause_to_sent_ms"]
        after = f", {_span(took)} before the order" if took is not None else ""
        yield f"because of: {_CAUSES.get(order['cause'], order['cause'])}, {order['caused_at']}{after}"
    if found["explanation"] is None:
        yield "its target is no longer in the journal (journal.keep)"
    else:
        yield from explanation_lines(order["account"], found["explanation"], found["signals"])
    if plan["step"] is not None and plan["steps"] + plan["orders_in_step"] > 2:
        chunk = f", one of {plan['orders_in_step']} orders" if plan["orders_in_step"] > 1 else ""
        yield f"plan: step {plan['step']} of {plan['steps']} of this revision{chunk}"
        for other in plan["orders"]:
            mark = "*" if other["number"] == order["number"] else " "
            yield f"  {mark} {other['number']}: {other['side']} {other['quantity']}: {_state(other)}"
    yield from _outcome(found)


_CAUSES = {
    "signal": "a signal",
    "expiry": "a silent source, or an expired signal",
    "settings": "an edit of the settings",
    "command": "a command",
    "breaker": "a circuit breaker",
    "stop": "a stop",
    "drift": "a position that others changed",
}


def _state(order: Any) -> str:
    words = {
        "refused": "not sent: refused by a limit",
        "unsent": "not sent",
        "lost": "never reached the exchange",
        "rejected": "refused by the exchange",
        "open": "its outcome is not known yet",
    }
    said = words.get(order["state"], order["state"])
    return f"{said}: {order['reason']}" if order["reason"] else str(said)


def _outcome(found: Any) -> Iterator[str]:
    order, took = found["order"], found["latency"]["sent_to_known_ms"]
    if order["state"] in ("refused", "unsent"):
        yield f"decided at {order['created_at']}, at a price of {order['reference_price']}"
        return
    known = f"; its outcome was known {_span(took)} later" if took is not None else ""
    yield f"sent at {order['created_at']}, at a price of {order['reference_price']}{known}"
    if not order["filled"] or order["filled"] == "0":
        return
    price = order["price"] or "a price that the exchange did not report"
    worse = found["slippage_percent"]
    slipped = "" if worse is None else f" ({worse}% worse)" if worse[:1] != "-" else f" ({worse[1:]}% better)"
    yield f"filled {order['filled']} at {price}{slipped}"
    fee = "not reported" if order["fee"] is None else f"{order['fee']} {order['fee_currency']}".strip()
    realised = "not known" if order["realised"] is None else order["realised"]
    yield f"fee {fee}; realised {realised} before it"
    if order["shares"]:
        yield "counts for: " + ", ".join(
            f"{source} {float(share):.0%}" for source, share in order["shares"].items()
        )


def _span(milliseconds: float) -> str:
    from datetime import timedelta

    from te_core.reporting.activity import short

    return short(timedelta(milliseconds=milliseconds))
