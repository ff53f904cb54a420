"""A venue may mend ccxt's class; our wiring stays around it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from te_exchange_ccxt.base import CcxtOptions, Venue
from te_exchange_ccxt.client import Wiring, connect, disconnect
from te_exchange_ccxt.library import exchange_class

pytestmark = pytest.mark.real_clock


class Mended:
    def sign(self, *_: object) -> Any:
        return {"url": "mended"}


class Mending(Venue):
    exchange_id = "blofin"
    mends: ClassVar[tuple[type[Any], ...]] = (Mended,)


async def test_a_venue_mends_ccxts_class_for_all_its_clients() -> None:
    options = CcxtOptions.model_validate({"api_key": "K", "secret": "S"})
    base: Any = await exchange_class("blofin")
    clients = [connect(venue(options), base) for venue in (Mending, Mending, Venue)]
    try:
        first, second, plain = clients
        assert first.sign("order") == {"url": "mended"}
        assert isinstance(first, Wiring)
        assert type(first) is type(second)
        assert not isinstance(plain, Mended)
    finally:
        for client in clients:
            await disconnect(client)
