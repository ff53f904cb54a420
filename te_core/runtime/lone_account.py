"""One account without an engine, for commands that query an exchange before anything runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext, ExchangeAccount, ExchangeSpec
from te_core.http_session import http_session
from te_core.outage import Outages
from te_core.runtime.instances import make_folder


@asynccontextmanager
async def opened_account(
    spec: ExchangeSpec[Any], options: Any, *, name: str, folder: Path, clock: Clock
) -> AsyncIterator[ExchangeAccount]:
    """Connect to an account, and close it afterwards. Errors of its plugin are raised unchanged.

    ``folder``: where it may store files; never that of a running engine.
    """
    async with http_session() as session:
        make_folder(folder)
        account = spec.factory(
            AccountContext(
                name=name,
                options=options,
                clock=clock,
                log=logger.bind(account=name),
                state_dir=folder,
                signal_price=lambda _symbol: None,
                http=lambda: session,
                outages=Outages(clock, logger, lambda _event: None, account=name),
                record=lambda *_what, **_more: None,
                date=clock.now,
            )
        )
        try:
            await account.open()
            yield account
        finally:
            await account.close()
