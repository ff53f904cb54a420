"""``te explain``: show the arithmetic from signals to quantity, in terms that multiply out."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

import typer

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask
from te_core.cli.complete import account_names, symbol_names
from te_core.cli.failure import Failure
from te_core.cli.output import print_json, print_lines

_SHOWN = 10
"""Contributors printed per signal; ``--json`` has all."""


def explain(
    context: typer.Context,
    symbol: Annotated[
        str,
        typer.Argument(
            help="Symbol, in the engine's spelling.", show_default=False, autocompletion=symbol_names
        ),
    ],
    account: Annotated[
        str,
        typer.Option("--account", metavar="NAME", help="Only this account.", autocompletion=account_names),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain why each account should hold what it holds: signals, weights, equity, price, rounding, limits.

    \b
    Example: te explain BTCUSDT
             te explain BTCUSDT --account paper
    """
    found = _explanation(Paths.of(context), symbol.upper())
    if account:
        if account not in found["accounts"]:
            known = ", ".join(found["accounts"])
            raise Failure(
                f"account {account} has no target for {found['symbol']}",
                next_step=f"accounts that have one: {known}",
            )
        found["accounts"] = {account: found["accounts"][account]}
    if as_json:
        print_json(found)
        return
    for name, explanation in found["accounts"].items():
        print_lines(*explanation_lines(name, explanation, found["signals"]), "")


def _explanation(paths: Paths, symbol: str) -> Any:
    try:
        return ask(paths, f"/api/v1/explain/{quote(symbol, safe='')}")
    except EngineDown:
        from te_core.cli.offline import offline_explanation

        return offline_explanation(paths, symbol)


def explanation_lines(name: str, found: Any, signals: Any) -> Iterator[str]:
    """Format the arithmetic of one account's target for people."""
    yield f"{name} {found['symbol']}: revision {found['revision']}, {found['reason']}, {found['created_at']}"
    for term in found["terms"]:
        said = f"  signal {term['source']}: weight {term['weight']} x depth {term['depth']} = {term['share']}"
        if term["leverage"]:
            said += f", leverage {term['leverage']}"
        yield said + (f" ({term['note']})" if term["note"] else "")
        signal = signals.get(term["source"], {})
        if exits := signal.get("exits"):
            yield f"    wants {exits}"
            yield from (f"    but {otherwise}" for otherwise in signal.get("exits_otherwise", ()))
        yield from _contributors(signal, term)
    total = sum((Decimal(term["share"]) for term in found["terms"]), Decimal(0))
    origin = "their sum" if total == Decimal(found["depth"]) else found["reason"]
    yield f"  depth {found['depth']} ({origin}), leverage {found['leverage']}, {found['margin_mode']} margin"
    yield from _sizing(found["sizing"], found["now"])
    if found["limited"]:
        yield f"  {found['limited']}"
    if found["sizing"] is not None and found["now"] not in ("", found["limited"]):
        yield f"  now: {found['now']}"
    confirmed = found["confirmed"]
    yield f"  confirmed {confirmed['quantity']} at {confirmed['at']}" if confirmed else "  not confirmed yet"


def _contributors(signal: Any, term: Any) -> Iterator[str]:
    """Yield lines for the contributors to a source's depth, if it reports them."""
    parts = signal.get("contributors", [])
    if not parts:
        return
    as_of = "" if signal["time"] == term["time"] else f", as of {signal['time']}"
    yield f"    made by {len(parts) + signal['further_contributors']}{as_of}:"
    for part in parts[:_SHOWN]:
        more = ", ".join(f"{key} {value}" for key, value in part.items() if key not in {"name", "part"})
        yield f"      {part.get('part', '?'):>12}  {part.get('name', '?')}" + (f"  ({more})" if more else "")
    further = len(parts) - len(parts[:_SHOWN]) + signal["further_contributors"]
    if further:
        yield f"      and {further} more (--json shows what the signal keeps)"


def _sizing(sizing: Any, now: str) -> Iterator[str]:
    if sizing is None:
        yield f"  not sized yet: {now or 'the account has not been read since the target changed'}"
        return
    if Decimal(sizing["depth"]):
        yield (
            f"  equity {sizing['equity']} x depth {sizing['depth']} x leverage {sizing['leverage']}"
            f" / price {sizing['price']} = {sizing['unrounded']}"
        )
        yield f"  in steps of {sizing['quantity_step']}: {sizing['quantity']} ({sizing['contracts']} contracts)"
    yield from (f"  {note}" for note in sizing["notes"])
