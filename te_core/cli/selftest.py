"""``te selftest``: the smallest trade there is on a real account, after saying what it costs."""

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
        str, typer.Option("--symbol", help="Instead of the one with the cheapest smallest order.")
    ] = "",
    send_orders: Annotated[
        bool, typer.Option("--send-orders", help="Send them, after the account's name was typed.")
    ] = False,
) -> None:
    """Try an account with the smallest orders there are: open, turn round at another leverage, close.

    \b
    Says what it costs first, and sends nothing without --send-orders. Needs the engine stopped.
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
            raise Failure("nothing was sent", next_step=f"te selftest {account} --send-orders sends this")
        typed = await asyncio.to_thread(_typed)
        if typed != account:
            raise Failure("nothing was sent: that is not the account's name")

    os.umask(0o077)
    test = SelfTest(command_context(Paths.of(context)), account, symbol.upper())
    try:
        asyncio.run(test.run(ask, print_note))
    except KeyboardInterrupt:
        raise Failure(
            "interrupted; what was opened was closed as far as the exchange answered",
            next_step=f"te run, then te status: shows what {account} holds",
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
        "this account's rate" if costs.of_account else "the exchange's usual rate; the account's is not told"
    )
    return [
        f"{costs.account}: {costs.identity}",
        f"4 market orders of {size} each, {_money(costs.notional)} at {costs.price:f}:",
        f"  buy at leverage {first}; sell and sell again at leverage {second}; buy",
        f"  margin   {_money(costs.margin)} at most, of {_money(costs.free)} free",
        f"  fees     {_money(costs.fees)} (taker fee {rate}: {whose})",
        f"  spread   {_money(costs.spreads)}, and what the price moves meanwhile",
    ]


def _money(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.4f}".rstrip("0").rstrip(".")
