"""What this package offers to the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from te_core.api import CommandContext, CommandSpec, SignalSourceSpec, WebhookSpec, hookimpl
from te_signals_tradingview import gaps, refusals
from te_signals_tradingview.auth.addresses import TRADINGVIEW
from te_signals_tradingview.example import example_message
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.source import TradingViewSource

if TYPE_CHECKING:
    from typer import Typer


def webhook_path(options: TradingViewOptions) -> str:
    """Return the path below ``/hooks/<name>`` that alerts are sent to, including the first token."""
    return f"/{options.secrets[0]}"


def spellings(symbol: str) -> tuple[str, str]:
    """Return how charts spell a symbol: unchanged, and as a perpetual."""
    return symbol, f"{symbol}.P"


@hookimpl
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:
    """Register the TradingView source."""
    yield SignalSourceSpec(
        name="tradingview",
        settings=TradingViewOptions,
        factory=TradingViewSource,
        webhook=WebhookSpec(path=webhook_path, example=example_message, senders=TRADINGVIEW),
        generated_secrets=("token",),
        spellings=spellings,
        event_kinds=(refusals.KIND, gaps.KIND),
        summary="TradingView alerts, received by webhook",
    )


@hookimpl
def te_commands() -> Iterable[CommandSpec]:
    """Register ``te tradingview``."""
    yield CommandSpec(name="tradingview", build=_commands, summary="set up TradingView alerts")


def _commands(context: CommandContext) -> Typer:
    from te_signals_tradingview.commands import commands  # late: the engine itself needs no command line

    return commands(context)
