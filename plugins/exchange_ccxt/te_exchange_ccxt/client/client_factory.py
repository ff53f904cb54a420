"""Create and close the ccxt client of an account, and point it at other hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from te_core.api import http_session
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.client.transport import PING_STREAM, transport_class
from te_exchange_ccxt.lazy_ccxt import SILENT
from te_exchange_ccxt.parsing import dig

STREAM_CACHE_LIMITS = {"ordersLimit": 100, "tradesLimit": 100}
"""Rows of stream data that ccxt keeps.

More than one message contains. Its default of 1,000 takes megabytes per account.
"""
KEEP_ALIVE = 75.0
"""Seconds that an idle connection is kept open: longer than the interval between two pings."""
TIMEOUT = 10_000
"""Milliseconds."""


def offline_client(adapter: ExchangeAdapter, base: Any) -> Any:
    """Return a client that never connects: it only holds tables."""
    exchange = transport_class(base, adapter.client_mixins)(
        {"enableRateLimit": False, "logger": SILENT, **adapter.config()}
    )
    for name in exchange.options.get("marketHelperProps") or ():
        exchange.options.setdefault(
            name, None
        )  # ccxt copies them with the tables, and expects a read to set them
    return exchange


def create_client(adapter: ExchangeAdapter, base: Any) -> Any:
    """Create the client and set it on the adapter; its ``budget_share`` is set once its addresses are known."""
    import aiohttp  # late: settings are validated without it; ccxt has imported it by now

    config = adapter.config()
    exchange = transport_class(base, adapter.client_mixins)(
        {
            "enableRateLimit": False,
            "timeout": TIMEOUT,
            "logger": SILENT,
            **config,
            "options": {**STREAM_CACHE_LIMITS, **config.get("options", {})},
            **{name: value for name, value in adapter.credentials().items() if value},
            "session": http_session(
                connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE),
                proxy=adapter.options.secret_of("proxy") or None,
            ),
        }
    )
    exchange.has["fetchCurrencies"] = False
    exchange.timeout_on_exit = 0
    exchange.streaming = {**exchange.streaming, "keepAlive": PING_STREAM}
    exchange.request_cost = adapter.request_cost
    exchange.connect_cost, exchange.item_code = adapter.connect_cost, adapter.item_code
    adapter.exchange = exchange
    if adapter.options.test is not None:
        adapter.to_test_host()
    if adapter.options.url or adapter.options.ws_url:
        rebase(exchange.urls["api"], adapter.options.url, adapter.options.ws_url)
    return exchange


async def close_streams(exchange: Any) -> None:
    """Close the streams only; one that is still connecting is closed as soon as it is open."""
    clients, exchange.clients = list(exchange.clients.values()), {}
    await asyncio.gather(*(client.close() for client in clients), return_exceptions=True)


async def close_client(exchange: Any) -> None:
    """Close streams and connections."""
    session = exchange.session
    await exchange.close()
    if session is not None:
        await session.close()


def rebase(tree: dict[str, Any], url: str | None, ws_url: str | None) -> None:
    """Point every URL in ccxt's table at another server, keeping its path. ``ws_url`` follows from ``url``."""
    ws_url = ws_url or (url and "ws" + url.removeprefix("http"))
    for key, value in tree.items():
        if isinstance(value, dict):
            rebase(value, url, ws_url)
        elif isinstance(value, str):
            base = ws_url if value.startswith("ws") else url
            if base:
                tree[key] = base + urlsplit(value.replace("{hostname}", "host")).path


def addresses(exchange: Any) -> frozenset[str]:
    """Return the URLs of all servers that the client uses."""
    return frozenset(_leaves(exchange.urls["api"]))


def host(exchange: Any, keys: Sequence[str]) -> str:
    """Return the host, with its port if any, of a URL in ccxt's table."""
    return urlsplit(str(exchange.implode_hostname(dig(exchange.urls["api"], *keys)))).netloc


def _leaves(tree: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for value in tree.values():
        found += _leaves(value) if isinstance(value, Mapping) else [str(value)]
    return found
