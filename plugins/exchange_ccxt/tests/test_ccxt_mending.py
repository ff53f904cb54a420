"""A venue may mend ccxt's class; our wiring stays around it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from te_exchange_ccxt.base import CcxtOptions, Venue
from te_exchange_ccxt.client import Wiring, connect, disconnect, wired
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


class Puzzled:
    """Stands for one of ccxt's classes, which makes nothing of a push."""

    def handle_message(self, client: object, message: object) -> None:
        raise KeyError("data")


class Listener:
    def __init__(self) -> None:
        self.lost: list[str] = []

    def message(self, url: str, message: object) -> bool:
        return False

    def lose(self, url: str) -> None:
        self.lost.append(url)


def test_a_push_that_cannot_be_parsed_is_a_gap_and_does_not_deafen() -> None:
    """ccxt never listens to a connection again after an error in a handler, and answers its pings all the same."""
    client = wired(Puzzled)()
    client.ear = Listener()
    rejected: list[Exception] = []
    client.handle_message(SimpleNamespace(url="wss://acme/private", reject=rejected.append), {"data": 1})
    assert client.ear.lost == ["wss://acme/private"]
    assert [type(error) for error in rejected] == [KeyError]
