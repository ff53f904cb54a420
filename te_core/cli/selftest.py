"""``te selftest``: make the smallest possible trade on a real account, after showing what it costs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.complete import account_names
from te_core.cli.direct import command_context
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines, print_note

if TYPE_CHECKING:
    from te_core.app.selftest import Costs


def selftest(
    context: typer.Context,
    account: Annotated[
        str, typer.Argument(help="An account.", show_default=False, autocompletion=account_names)
    ],
    symbol: Annotated[
        str, typer.Option("--symbol", help="Default: the one whose smallest order is cheapest.")
    ] = "",
    send_orders: Annotated[
        bool, typer.Option("--send-orders", help="Send the orders, once you have typed the account's name.")
    ] = False,
) -> None:
    """Test an account with the smallest possible orders: open, reverse at another leverage, close.

    Shows the cost first, and sends nothing without --send-orders. The engine must be stopped.

    \b
    Example: te selftest bybit-main
             te selftest bybit-main --symbol XRPUSDT --send-orders
    """
    import asyncio
    import os

    from te_core.app.selftest import SelfTest

    async def ask(costs: Costs) -> None:
        for line in _lines(costs):
            print_lines(line)
        if not send_orders:
            raise Failure("nothing was sent", next_step=f"to send this: te selftest {account} --send-orders")
        typed = await asyncio.to_thread(_typed)
        if typed != account:
            raise Failure("nothing was sent: the typed name is not the account's name")

    os.umask(0o077)
    test = SelfTest(command_context(Paths.of(context)), account, symbol.upper())
    try:
        asyncio.run(test.run(ask, print_note))
    except KeyboardInterrupt:
        raise Failure(
            "interrupted; what was opened has been closed as far as the exchange answered",
            next_step=f"te run, then te status shows what {account} holds",
        ) from None


def _typed() -> str:
    try:
        return str(typer.prompt("Type the account's name to send these orders")).strip()
    except typer.Abort:
        return ""


def _lines(costs: Costs) -> list[str]:
    size = f"{costs.quantity:f} {costs.symbol}"
    first, second = costs.leverages
    rate = "unknown" if costs.taker_fee is None else f"{(costs.taker_fee * 100).normalize():f} %"
    whose = (
        "this account's rate"
        if costs.of_account
        else "the exchange's usual rate; the account's own is not known"
    )
    return [
        f"{costs.account}: {costs.identity}",
        f"4 market orders of {size} each, {_money(costs.notional)} at {costs.price:f}:",
        f"  buy at leverage {first}; sell and sell again at leverage {second}; buy",
        f"  margin   {_money(costs.margin)} at most, of {_money(costs.free)} free",
        f"  fees     {_money(costs.fees)} (taker fee {rate}: {whose})",
        f"  spread   {_money(costs.spreads)}, plus any price movement meanwhile",
    ]


def _money(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.4f}".rstrip("0").rstrip(".")
