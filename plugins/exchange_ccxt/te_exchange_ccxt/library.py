"""ccxt, imported once, in a thread, and only when the first account needs it: it takes most of a second."""

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
    Base = Any
else:
    Base = object
"""What is mixed into ccxt's classes builds on them, and they are known at run time only."""

SILENT = logging.getLogger("te_exchange_ccxt.silent")
"""ccxt writes requests with their headers at DEBUG level; this logger has no ears."""
SILENT.disabled = True
SILENT.propagate = False


@cache
def _modules() -> tuple[ModuleType, ModuleType]:
    """Import ccxt; the second caller in another thread waits for the first (the import lock)."""
    return importlib.import_module("ccxt.pro"), importlib.import_module("ccxt.async_support")


async def exchange_class(exchange_id: str) -> type[Any]:
    """Give ccxt's class of an exchange, with streams where it has them. Raises ``ConfigError`` for unknown ids."""
    pro, rest = await asyncio.to_thread(_modules)
    if exchange_id not in rest.exchanges:
        close = difflib.get_close_matches(
            exchange_id.lower(), rest.exchanges, n=1, cutoff=0.8
        )  # a worse guess names another exchange
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"ccxt knows no exchange {exchange_id!r}{hint}", key="exchange")
    found: type[Any] = getattr(pro if exchange_id in pro.exchanges else rest, exchange_id)
    return found


def BaseError() -> type[Exception]:  # noqa: N802 - stands for ccxt's class
    """Give the base of ccxt's exceptions."""
    found: type[Exception] = _modules()[1].BaseError
    return found


def BadResponse() -> type[Exception]:  # noqa: N802 - stands for ccxt's class
    """Give ccxt's exception for answers that make no sense."""
    found: type[Exception] = _modules()[1].BadResponse
    return found
