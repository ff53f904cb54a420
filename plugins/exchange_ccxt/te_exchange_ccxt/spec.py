"""How a plugin offers an exchange that is reached through ccxt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from te_core.api import Capabilities, ExchangeSpec, hookimpl
from te_exchange_ccxt.account import account_factory
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.options import CcxtOptions

Options = TypeVar("Options", bound=CcxtOptions)


def exchange_spec(
    name: str,
    adapter: Callable[[Options], ExchangeAdapter],
    settings: type[Options],
    *,
    capabilities: Capabilities,
    summary: str,
    capabilities_by: Callable[[Options], Capabilities] | None = None,
) -> ExchangeSpec[Options]:
    """Return the spec of an exchange: accounts with these settings trade through that adapter.

    ``name`` is the plugin's entry-point name. ``capabilities_by`` returns the capabilities for particular settings,
    where they differ between accounts. Capabilities are written out in each plugin although they look alike: every
    value has its own source.
    """
    return ExchangeSpec(
        name=name,
        settings=settings,
        factory=account_factory(adapter),
        capabilities=capabilities,
        capabilities_by=capabilities_by,
        currency_by=lambda options: options.settle,
        summary=summary,
    )


def offer(spec: ExchangeSpec[Any]) -> Callable[[], Iterable[ExchangeSpec[Any]]]:
    """Return the hook implementation that offers one exchange; a plugin module binds it to ``te_exchanges``."""

    @hookimpl
    def te_exchanges() -> Iterable[ExchangeSpec[Any]]:
        return (spec,)

    return te_exchanges
