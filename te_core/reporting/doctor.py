"""Check an account: what works, what does not, and what to do about it. Only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from functools import partial
from typing import Any

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.reader import AccountReader, Wanted
from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount, Finding, Severity
from te_core.errors import NotReady, TradeEngineError
from te_core.model.reading import Unknown
from te_core.rules.sizing import smallest_quantity
from te_core.runtime.guard import Apart, within
from te_core.runtime.instances import AccountRunner
from te_core.runtime.result_checks import findings
from te_core.runtime.supervisor import Running
from te_core.settings.schema import AccountSettings, Settings, SymbolSettings

NOT_LISTED = "the exchange does not list it: its signals are not followed here"
"""What is found about a symbol that the exchange does not have."""
OK, WARNING, ERROR = Severity.OK, Severity.WARNING, Severity.ERROR
SLOW = 1.0
"""Seconds; a slower answer is a warning."""

DIAGNOSE_TIMEOUT = 4.0
"""Seconds for a plugin's own checks; ``te doctor`` waits 10 for everything."""


async def examine(
    account: ExchangeAccount,
    settings: AccountSettings,
    symbols: Mapping[str, SymbolSettings],
    clock: Clock,
    *,
    holds_stops: bool | None = None,
) -> list[Finding]:
    """Check an opened account. Its failures become findings and are not raised.

    ``holds_stops``: whether stops can rest at the exchange; None if unknown.
    """
    beliefs = Beliefs(clock, lambda _symbol: False)
    reader = AccountReader(account, clock, beliefs)
    names = list(symbols)
    specific = await _diagnose(account)
    try:
        missing = await reader.load_instruments(names)
        began = clock.monotonic()
        results = await reader.read(Wanted(positions=True, equity=True, prices=tuple(names)))
        found = [*specific, _round_trip(clock.monotonic() - began)]
        found += _reads({**results, "instruments": missing}, beliefs)
        found += _stops(settings, symbols, holds=holds_stops) if holds_stops is not None else ()
        for name, section in symbols.items():
            found += _symbol(name, section, settings, beliefs, reader) if missing is None else ()
    except TradeEngineError as error:
        return [failed("account", error)]
    return found


async def _diagnose(account: ExchangeAccount) -> list[Finding]:
    """Return the plugin's own findings. An error or an invalid result becomes one finding."""
    try:
        asked = partial(Apart().call, "diagnose()", account.diagnose)
        return list(findings(await within(DIAGNOSE_TIMEOUT, "diagnose()", asked)))
    except TradeEngineError as error:
        return [failed("diagnose", error)]


def failed(check: str, error: TradeEngineError) -> Finding:
    """Turn an error into a finding; the error's text states what to do."""
    return Finding(severity=ERROR, check=check, text=str(error), remedy="correct that, then run: te doctor")


def show(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON values."""
    return {name: str(value) for name, value in asdict(finding).items()}


def _round_trip(seconds: float) -> Finding:
    slow = seconds > SLOW
    return Finding(
        severity=WARNING if slow else OK,
        check="round trip",
        text=f"equity, positions and prices together take {seconds * 1000:.0f} ms",
        remedy="run the engine closer to the exchange" if slow else "",
    )


def _stops(
    settings: AccountSettings, symbols: Mapping[str, SymbolSettings], *, holds: bool
) -> Iterator[Finding]:
    """Yield a finding on who enforces the stops of settings and signals."""
    stated = settings.stop is not None or any(section.stop is not None for section in symbols.values())
    if settings.stops == "off":
        text = "no stop is acted on: stops are off for this account"
        yield Finding(
            severity=WARNING if stated else OK,
            check="stops",
            text=text,
            remedy='set stops = "exchange", or remove stop from the settings' if stated else "",
        )
    elif settings.stops == "exchange" and holds:
        yield Finding(
            severity=OK, check="stops", text="stops rest at the exchange: they work without the engine"
        )
    else:
        yield Finding(
            severity=WARNING if stated else OK,
            check="stops",
            text="the engine watches prices for stops: they work only while it runs",
            remedy='set stops = "exchange"' if holds else "expect that: this exchange plugin holds no stops",
        )


def _reads(results: Mapping[str, Unknown | None], beliefs: Beliefs) -> Iterator[Finding]:
    for what, failed in results.items():
        if failed is not None:
            yield Finding(
                severity=ERROR, check=what, text=failed.reason, remedy="nothing is ordered without it"
            )
    equity = beliefs.equity()
    if not isinstance(equity, Unknown):
        total = equity.total
        yield Finding(
            severity=OK if total > 0 else WARNING,
            check="equity",
            text=f"wallet {equity.wallet:.2f}, total {total:.2f}",
            remedy="" if total > 0 else "move funds to this account",
        )


def _symbol(
    name: str, section: SymbolSettings, settings: AccountSettings, beliefs: Beliefs, reader: AccountReader
) -> Iterator[Finding]:
    """Yield findings on whether a symbol can be traded here, and from which depth (target exposure) on."""
    instrument, price = reader.instrument(name), beliefs.price(name)
    if instrument is None:
        yield Finding(
            severity=WARNING,
            check=name,
            text=NOT_LISTED,
            remedy=f"expect that, or remove [symbols.{name}]",
        )
        return
    value = beliefs.equity()
    if price is None or isinstance(value, Unknown):
        yield Finding(severity=WARNING, check=name, text="no price is known", remedy="wait for one")
        return
    wanted = settings.leverage or section.leverage
    leverage = min(wanted, instrument.largest_leverage or wanted)
    if leverage < wanted:
        yield Finding(
            severity=WARNING,
            check=name,
            text=f"leverage {wanted} is more than the exchange allows: {leverage} is used",
            remedy=f"expect that, or: te configure weights --set {name}.leverage={leverage}",
        )
    equity = value.wallet if settings.equity == "wallet" else value.total
    own = settings.minimum_order or Decimal(0)
    smallest = smallest_quantity(replace(instrument, own_minimum=own), price) * price
    usable = max(equity, Decimal(0)) * leverage
    deepest = sum(section.weights.values(), Decimal(0))
    if usable * deepest < smallest:
        yield Finding(
            severity=ERROR if settings.below_minimum == "skip" else WARNING,
            check=name,
            text=f"the smallest order is {smallest:.2f}; at this equity even depth {deepest:f} will never trade",
            remedy='raise weight, leverage or equity, or set below_minimum = "raise"',
        )
        return
    yield Finding(
        severity=OK,
        check=name,
        text=f"at this equity a depth below {smallest / usable:.4f} is below the minimum and will never trade",
    )


async def examine_all(
    accounts: Mapping[str, AccountRunner], settings: Settings, clock: Clock
) -> dict[str, Any]:
    """Check every account that is running, or should be."""
    checks = {
        name: _examined(accounts.get(name), section, settings, clock)
        for name, section in settings.accounts.items()
    }
    found = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
    return {
        "accounts": {
            name: [show(finding) for finding in checked]
            for name, checked in found.items()
            if checked is not None
        }
    }


async def _examined(
    runner: AccountRunner | None, section: AccountSettings, settings: Settings, clock: Clock
) -> list[Finding] | None:
    """Check one account of a running engine; return None if it must not be checked."""
    if runner is None or (runner.account is None and runner.health.status is Running.DISABLED):
        return None
    if runner.account is None:
        return [failed("connection", NotReady(runner.health.reason or runner.health.status))]
    holds = runner.worker.holds_stops
    found = await examine(runner.account, section, settings.symbols, clock, holds_stops=holds)
    if why := runner.worker.observing:
        found.append(observing(why))
    return found


def observing(why: str) -> Finding:
    """Return the finding of an account that sends nothing."""
    remedy = (
        "te plan shows what it would do; te go lets it trade"
        if "te go" in why
        else "te plan shows what it would do"
    )
    return Finding(severity=WARNING, check="observing", text=f"sends nothing: {why}", remedy=remedy)
