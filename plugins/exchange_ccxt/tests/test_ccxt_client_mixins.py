"""An adapter may override methods of ccxt's class; our transport stays outermost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from te_exchange_ccxt.api import CcxtOptions, ExchangeAdapter
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.client.transport import HttpTransport, transport_class
from te_exchange_ccxt.lazy_ccxt import exchange_class

pytestmark = pytest.mark.real_clock


class Mended:
    def sign(self, *_: object) -> Any:
        return {"url": "mended"}


class Mending(ExchangeAdapter):
    exchange_id = "blofin"
    client_mixins: ClassVar[tuple[type[Any], ...]] = (Mended,)


async def test_an_adapter_overrides_ccxts_class_for_all_its_clients() -> None:
    options = CcxtOptions.model_validate({"api_key": "K", "secret": "S"})
    base: Any = await exchange_class("blofin")
    clients = [create_client(adapter(options), base) for adapter in (Mending, Mending, ExchangeAdapter)]
    try:
        first, second, plain = clients
        assert first.sign("order") == {"url": "mended"}
        assert isinstance(first, HttpTransport)
        assert type(first) is type(second)
        assert not isinstance(plain, Mended)
    finally:
        for client in clients:
            await close_client(client)


class Puzzled:
    """A stand-in for a ccxt class that cannot parse a push."""

    def handle_message(self, client: object, message: object) -> None:
        raise KeyError("data")


class Listener:
    def __init__(self) -> None:
        self.lost: list[str] = []

    def message(self, url: str, message: object) -> bool:
        return False

    def lose(self, url: str) -> None:
        self.lost.append(url)


def test_a_push_that_cannot_be_parsed_is_a_gap_and_ends_nothing() -> None:
    """After an error in a handler ccxt never reads that connection again, but still answers its pings."""
    client = transport_class(Puzzled)()
    client.listener = Listener()
    rejected: list[Exception] = []
    client.handle_message(SimpleNamespace(url="wss://acme/private", reject=rejected.append), {"data": 1})
    assert client.listener.lost == ["wss://acme/private"]
    assert [type(error) for error in rejected] == [KeyError]
