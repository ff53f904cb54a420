"""Import ccxt once, in a thread, and only when the first account needs it: the import takes most of a second."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import logging
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from te_core.api import ConfigError

if TYPE_CHECKING:
    MixinBase = Any
else:
    MixinBase = object
"""Base of the mixins for ccxt's classes, which are known at run time only."""

SILENT = logging.getLogger("te_exchange_ccxt.silent")
"""Discards ccxt's log: at DEBUG level it contains requests with their headers."""
SILENT.disabled = True
SILENT.propagate = False


@cache
def _modules() -> tuple[ModuleType, ModuleType]:
    """Import ccxt; a second caller in another thread waits for the first (the import lock)."""
    return importlib.import_module("ccxt.pro"), importlib.import_module("ccxt.async_support")


async def exchange_class(exchange_id: str) -> type[Any]:
    """Return ccxt's class of an exchange, with streams where it has them. Raises ``ConfigError`` for an unknown id."""
    pro, rest = await asyncio.to_thread(_modules)
    if exchange_id not in rest.exchanges:
        close = difflib.get_close_matches(
            exchange_id.lower(), rest.exchanges, n=1, cutoff=0.8
        )  # a looser match would suggest an unrelated exchange
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"ccxt does not support the exchange {exchange_id!r}{hint}", key="exchange")
    found: type[Any] = getattr(pro if exchange_id in pro.exchanges else rest, exchange_id)
    return found


def BaseError() -> type[Exception]:  # noqa: N802 - stands for ccxt's class
    """Return the base class of ccxt's exceptions."""
    found: type[Exception] = _modules()[1].BaseError
    return found


def BadResponse() -> type[Exception]:  # noqa: N802 - stands for ccxt's class
    """Return ccxt's exception for malformed responses."""
    found: type[Exception] = _modules()[1].BadResponse
    return found
