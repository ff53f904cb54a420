"""The ordering rule that a source's settings select."""

from __future__ import annotations

from datetime import UTC
from functools import partial
from zoneinfo import ZoneInfo

from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.ordering import parity, trust
from te_signals_tradingview.ordering.decision import OrderingRule


def ordering_rule(options: TradingViewOptions) -> OrderingRule:
    """Return the rules that a source's settings select, with their windows and habits bound."""
    if options.ordering == "trust":
        windows = trust.Windows(reopening=options.window, from_flat=options.window_from_flat)
        return partial(trust.order_alert, windows=windows)
    stated = options.parity
    prior = {symbol: state == "open" for symbol, state in stated.prior.items()}
    zone = UTC if stated.zone == "UTC" else ZoneInfo(stated.zone)  # UTC needs no time zone database
    return partial(parity.order_alert, habits=parity.Habits(poll=stated.poll, zone=zone, prior=prior))
