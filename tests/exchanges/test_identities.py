"""An account's identity at its exchange, whatever the settings and its key are called."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AccountIdentity, NotReady
from te_core.testing.fakes import account_context
from te_core.testing.virtual_clock import VirtualClock
from te_emulators.accounts import connected
from te_emulators.core.credentials import ApiKey
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from te_exchange_ccxt.client.client_factory import close_client, create_client, host
from te_exchange_ccxt.lazy_ccxt import exchange_class
from te_exchange_paper.plugin import PAPER
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

TELLING = sorted(set(PLUGINS) - {"mexc"})
ROUTES = {
    "bybit": "/v5/user/query-api",
    "blofin": "/api/v1/user/query-apikey",
    "kucoin": "/api/v1/user/api-key",
}


async def identity(exchange: str, server: WireServer, folder: Path, key: str = "K") -> AccountIdentity | None:
    async with connected(spec_of(exchange), server, folder / key, api_key=key) as account:
        found: AccountIdentity | None = await account.identity()
        return found


@pytest.mark.parametrize("exchange", TELLING)
async def test_two_keys_of_an_account_are_one_two_accounts_are_two(exchange: str, tmp_path: Path) -> None:
    async with running(exchange) as server:
        main = server.exchange.accounts["main"]
        server.exchange.add_key(main, ApiKey(key="K2", secret="S", passphrase="P"))
        other = server.exchange.open_account("other", key="K3", secret="S", passphrase="P")
        found = [await identity(exchange, server, tmp_path, key) for key in ("K", "K2", "K3")]
        here = server.url.partition("//")[2]
        assert [(one.host, one.uid) for one in found if one is not None] == [
            (here, str(main.uid)),
            (here, str(main.uid)),
            (here, str(other.uid)),
        ]


@pytest.mark.parametrize("exchange", TELLING)
@pytest.mark.parametrize("uid", [None, "", 0, "0"])
async def test_an_answer_without_the_number_is_not_an_identity(
    exchange: str, uid: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fingerprint of the key instead would make it another account until the next response."""
    async with running(exchange) as server, connected(spec_of(exchange), server, tmp_path) as account:
        success = server.success

        def without(call: Any, data: Any) -> Any:
            name = "userID" if exchange == "bybit" else "uid"
            return success(call, {**data, name: uid} if call.path == ROUTES[exchange] else data)

        monkeypatch.setattr(server, "success", without)
        with pytest.raises(NotReady):
            await account.identity()


async def test_mexc_reports_no_identity(tmp_path: Path) -> None:
    async with running("mexc") as server:
        assert await identity("mexc", server, tmp_path) is None


@pytest.mark.parametrize("exchange", TELLING)
async def test_a_test_host_is_another_host(exchange: str) -> None:
    spec = spec_of(exchange)
    hosts = set()
    for test in (None, *spec.settings.tests):
        keys = {"api_key": "K", "secret": "S", "passphrase": "P", "test": test}
        options = spec.settings.model_validate(keys)
        account: Any = spec.factory(
            account_context(options=options, clock=VirtualClock(), state_dir=Path("unused"))
        )
        adapter = account._adapter
        client = create_client(adapter, await exchange_class(adapter.exchange_id))
        hosts.add(host(client, adapter.private_api))
        await close_client(client)
    assert len(hosts) == 1 + len(spec.settings.tests)
    assert all("{" not in found and "." in found for found in hosts)


async def test_two_paper_accounts_are_two(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two", "one"):
        context = account_context(
            name=name,
            options=PAPER.settings(balance=Decimal(100)),
            clock=VirtualClock(),
            state_dir=tmp_path / name,
        )
        found.append(await PAPER.factory(context).identity())
    assert found[0] == found[2] != found[1]
