"""What this package offers to the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from te_core.api import CommandContext, CommandSpec, SignalSourceSpec, hookimpl
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.source import BittensorSource

if TYPE_CHECKING:
    from typer import Typer


GROUPS = {
    "where positions come from": (
        "url",
        "api_key",
        "auth",
        "tier",
        "feed_url",
        "feed_auth",
        "facts_url",
        "facts_interval",
    ),
    "how often": ("interval", "timeout", "backoff", "refresh"),
    "which miners count": (
        "scoring.min_trades",
        "scoring.max_drawdown_threshold",
        "scoring.min_profitable_rate",
        "scoring.min_total_return",
        "exclude_eliminated",
        "per_entity",
    ),
    "which trades count": ("scoring.min_trades_per_asset", "scoring.max_trade_age_days"),
    "how much each counts": (
        "strategy",
        "scoring.drawdown_exponent",
        "scoring.sharpe_exponent",
        "scoring.profitable_rate_exponent",
        "scoring.position_count_divisor",
    ),
    "leverage": ("max_leverage",),
    "sudden changes": ("hysteresis", "guard_tolerance", "guard_release"),
    "explanations": ("contributors",),
}
"""The groups in which ``te configure`` shows the options."""


def spellings(symbol: str) -> tuple[str, ...]:
    """Return upstream's ids of a coin: the current one, and that of before 2026, on which positions may be open."""
    coin = symbol.removesuffix("USDT")
    return (symbol,) if coin == symbol else (f"{coin}USDC", f"{coin}USD")


@hookimpl
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:
    """Register the Bittensor source."""
    yield SignalSourceSpec(
        name="bittensor",
        settings=BittensorOptions,
        factory=BittensorSource,
        essential=("url", "api_key"),
        spellings=spellings,
        groups=GROUPS,
        event_kinds=("clamped",),
        summary="positions of Bittensor subnet 8 miners, fetched and scored",
    )


@hookimpl
def te_commands() -> Iterable[CommandSpec]:
    """Register ``te bittensor``."""
    yield CommandSpec(name="bittensor", build=_commands, summary="show the miners behind the depths")


def _commands(context: CommandContext) -> Typer:
    from te_signals_bittensor.commands import commands  # late: the engine itself needs no command line

    return commands(context)
