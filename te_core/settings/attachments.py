"""Sections of the plugins that can be attached to the engine: risk checks and observers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from te_core.contracts.options import Duration
from te_core.settings.section import Name, PluginSection, SymbolName


class RiskCheckSettings(PluginSection):
    """A plugin that reviews every increase beforehand, and may lower the goal or veto it."""

    accounts: tuple[Name, ...] = ()
    """accounts whose increases it reviews; empty: all"""
    symbols: tuple[SymbolName, ...] = ()
    """symbols whose increases it reviews; empty: all"""
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=30))] = timedelta(seconds=2)
    """how long an increase waits for its answer; reductions never wait"""
    on_failure: Literal["hold", "allow"] = "hold"
    """what happens to an increase if it fails or does not answer in time: held until it answers, or allowed"""
    recheck: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(seconds=60)
    """how long an answer is valid; then it reviews again what it held back"""


class ObserverSettings(PluginSection):
    """A plugin that is shown finished orders, changed positions and events; nothing waits for it."""
