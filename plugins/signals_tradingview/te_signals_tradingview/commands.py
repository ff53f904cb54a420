"""``te tradingview``: what an operator needs to set up alerts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import typer

from te_core.api import CommandContext, CommandFailed, SignalRejected, SourceInstance
from te_signals_tradingview.template import Kind, messages

_STRATEGY_NOTES = """\
In the strategy, an order's comment is the share to hold after it, and alert_message the leverage:
  strategy.entry("L", strategy.long, comment="50/100", alert_message="3")
After a partial exit the comment is the share that remains; a complete exit may have any comment."""

_SIZE_NOTE = """\
Every position has this size, whatever the order's comment is; additions and partial exits do not change it."""

_INDICATOR_NOTES = """\
An indicator has no position: set one alert per message, each on its own condition."""


def commands(context: CommandContext) -> typer.Typer:
    """Build the command group."""
    app = typer.Typer(help="Set up TradingView alerts.", no_args_is_help=True)
    app.callback()(_group)

    @app.command()
    def template(
        kind: Annotated[Kind, typer.Argument(help="What the alert is set on.")] = Kind.STRATEGY,
        source: Annotated[str, typer.Option(help="The source, if there are several.")] = "",
        size: Annotated[str, typer.Option(help="The share of every position, such as 50/100.")] = "",
        symbol: Annotated[str, typer.Option(help="A fixed symbol instead of the chart's.")] = "",
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Print the webhook address and the message to paste into an alert. The address contains the token.

        \b
        Example: te tradingview template
                 te tradingview template indicator --size 50/100
        """
        instance = _chosen(context.sources(), source)
        try:
            texts = messages(kind, size=size or None, symbol=symbol or None)
        except SignalRejected as error:
            raise CommandFailed(str(error), next_step="write it as --size 50/100") from None
        if as_json:
            typer.echo(json.dumps({"webhook_url": instance.webhook_url, "messages": texts}, indent=2))
        else:
            typer.echo(_page(instance, kind, texts, fixed=bool(size)))

    return app


def _group() -> None:
    """Set up TradingView alerts."""


def _chosen(sources: Mapping[str, SourceInstance], name: str) -> SourceInstance:
    names = ", ".join(sources) or "none"
    if name and name not in sources:
        raise CommandFailed(
            f"there is no TradingView source {name}", next_step=f"sources that can run: {names}"
        )
    if not name and len(sources) != 1:
        reason = "no source uses TradingView" if not sources else "several sources use TradingView"
        step = "add one to the settings: see te check" if not sources else f"choose one: --source {names}"
        raise CommandFailed(reason, next_step=step)
    return sources[name] if name else next(iter(sources.values()))


def _page(instance: SourceInstance, kind: Kind, texts: Mapping[str, str], *, fixed: bool) -> str:
    notes = _INDICATOR_NOTES if kind is Kind.INDICATOR else _SIZE_NOTE if fixed else _STRATEGY_NOTES
    parts = [f"Notifications -> Webhook URL (it contains the token: keep it secret):\n{instance.webhook_url}"]
    parts += [_reach(instance.webhook_url)] if _reach(instance.webhook_url) else []
    parts += [f"Message, {purpose}:\n{text}" for purpose, text in texts.items()]
    symbols = ", ".join(f"{theirs} = {ours}" for theirs, ours in instance.symbols.items()) or "none yet"
    return "\n\n".join([*parts, notes, f"Symbols that source {instance.name} accepts: {symbols}"])


def _reach(url: str) -> str:
    """Return what to change if TradingView cannot reach an address: it needs a public name on port 80 or 443."""
    address = urlsplit(url)
    if address.scheme == "https" and address.port in (None, 443):
        return ""
    return (
        "TradingView only reaches public names on port 443 or 80: put your reverse proxy's name in place of\n"
        f"{address.scheme}://{address.netloc}"
    )
