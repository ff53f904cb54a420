"""The hooks that a plugin implements. They are synchronous and only describe what it offers; everything async is in
the objects that the specs' factories create.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from te_core.contracts.command import CommandSpec
from te_core.contracts.exchange import ExchangeSpec
from te_core.contracts.notifier import NotifierSpec
from te_core.contracts.observer import ObserverSpec
from te_core.contracts.risk_check import RiskCheckSpec
from te_core.contracts.source import SignalSourceSpec

PROJECT = "trade_engine"
ENTRY_POINT_GROUP = "trade_engine.plugins"
PREFIX = "te_"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:  # type: ignore[empty-body]  # only a description
    """Offer signal sources.

    Example::

        from te_core.api import SignalSourceSpec, hookimpl

        @hookimpl
        def te_signal_sources():
            yield SignalSourceSpec(name="oracle", settings=OracleOptions, factory=OracleSource)
    """


@hookspec
def te_exchanges() -> Iterable[ExchangeSpec[Any]]:  # type: ignore[empty-body]  # only a description
    """Offer exchanges.

    Example::

        from te_core.api import ExchangeSpec, hookimpl

        @hookimpl
        def te_exchanges():
            yield ExchangeSpec(name="acme", settings=AcmeOptions, factory=AcmeAccount)
    """


@hookspec
def te_notifiers() -> Iterable[NotifierSpec[Any]]:  # type: ignore[empty-body]  # only a description
    """Offer notifiers.

    Example::

        from te_core.api import NotifierSpec, hookimpl

        @hookimpl
        def te_notifiers():
            yield NotifierSpec(name="bell", settings=BellOptions, factory=Bell)
    """


@hookspec
def te_risk_checks() -> Iterable[RiskCheckSpec[Any]]:  # type: ignore[empty-body]  # only a description
    """Offer risk checks: called before any increase, they may lower or veto a goal.

    Example::

        from te_core.api import RiskCheckSpec, hookimpl

        @hookimpl
        def te_risk_checks():
            yield RiskCheckSpec(name="calendar", settings=CalendarOptions, factory=CalendarCheck)
    """


@hookspec
def te_observers() -> Iterable[ObserverSpec[Any]]:  # type: ignore[empty-body]  # only a description
    """Offer observers: notified of each finished order, each changed position and each event.

    Example::

        from te_core.api import ObserverSpec, hookimpl

        @hookimpl
        def te_observers():
            yield ObserverSpec(name="ledger", settings=LedgerOptions, factory=Ledger)
    """


@hookspec
def te_commands() -> Iterable[CommandSpec]:  # type: ignore[empty-body]  # only a description
    """Offer commands: ``te <plugin> …``. Independent of the other hooks: a plugin may implement any of them.

    Example::

        from te_core.api import CommandSpec, hookimpl

        @hookimpl
        def te_commands():
            yield CommandSpec(name="oracle", build=oracle_commands)
    """
