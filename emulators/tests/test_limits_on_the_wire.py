"""Rate limits: windows, refusals, headers and the count of refusals."""

from __future__ import annotations

import pytest

from te_emulators.bybit.client import BybitClient, bybit_client
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.credentials import ApiKey
from te_emulators.core.limits import RateLimits, Window
from te_emulators.venues import running


def test_a_window_slides() -> None:
    limits = RateLimits([Window(name="w", scope="key", capacity=2, seconds=10)])

    def admitted(now: float) -> bool:
        return not limits.admit("order", key="K", ip="1", now=now)[0].refused

    assert [admitted(now) for now in (0, 6, 9.9, 10, 15.9, 16)] == [True, True, False, True, False, True]


def test_keys_addresses_and_kinds_are_counted_apart() -> None:
    windows = [
        Window(name="orders", scope="key", capacity=1, seconds=10, kinds=frozenset({"order"})),
        Window(name="ip", scope="ip", capacity=3, seconds=10),
    ]
    limits = RateLimits(windows)

    def refused_by(kind: str, key: str | None, ip: str = "1") -> str | None:
        standing = limits.admit(kind, key=key, ip=ip, now=0)[0]
        return standing.window.name if standing.refused else None

    assert refused_by("order", "K") is None
    assert refused_by("order", "K") == "orders"
    assert refused_by("order", "K2") is None
    assert refused_by("positions", "K") is None
    assert refused_by("positions", "K") == "ip"
    assert refused_by("tickers", None) == "ip"
    assert refused_by("tickers", None, ip="2") is None


def test_weights_and_bans() -> None:
    window = Window(name="w", scope="ip", capacity=10, seconds=1, weights={"order": 4}, ban_seconds=300)
    limits = RateLimits([window])

    def standing(kind: str, now: float) -> tuple[bool, int, float]:
        found = limits.admit(kind, key=None, ip="1", now=now)[0]
        return found.refused, found.remaining, found.reset_in

    assert standing("order", 0) == (False, 6, 1)
    assert standing("order", 0) == (False, 2, 1)
    assert standing("time", 0) == (False, 1, 1)
    assert standing("order", 0) == (True, 0, 300)
    assert standing("time", 299) == (True, 0, 1)
    assert standing("time", 301) == (False, 9, 1)


@pytest.mark.real_clock
async def test_bybit_states_permissions_and_allows_ten_orders_a_second() -> None:
    now = [100.0]
    clock = ExchangeClock(monotonic=lambda: now[0])
    async with running("bybit", clock=clock) as server, bybit_client(server) as client:
        answers = [await client.buy(f"o{number}", "0.001") for number in range(11)]
        assert [answer.code for answer in answers] == 10 * [0] + [10006]
        assert [answer.headers["X-Bapi-Limit-Status"] for answer in answers[:2]] == ["9", "8"]
        assert answers[10].headers["X-Bapi-Limit"] == "10"
        assert int(answers[10].headers["X-Bapi-Limit-Reset-Timestamp"]) <= server.exchange.clock.ms() + 1000
        assert server.exchange.counts.refusals == {"order": 1}
        now[0] += 1
        assert (await client.buy("later", "0.001")).code == 0


@pytest.mark.real_clock
async def test_keys_of_one_user_share_their_windows_and_users_do_not() -> None:
    clock = ExchangeClock(monotonic=lambda: 0.0)
    async with running("bybit", clock=clock) as server, bybit_client(server) as client:
        server.exchange.add_key(server.exchange.accounts["main"], ApiKey(key="K1", secret="S1"))
        server.exchange.open_account("second", key="K2", secret="S2")
        other_key = BybitClient(client.session, server, key="K1", secret="S1")
        other_user = BybitClient(client.session, server, key="K2", secret="S2")
        for number in range(5):
            assert (await client.buy(f"a{number}", "0.001")).code == 0
            assert (await other_key.buy(f"b{number}", "0.001")).code == 0
        assert (await client.buy("a", "0.001")).code == (await other_key.buy("b", "0.001")).code == 10006
        assert (await other_user.buy("a", "0.001")).code == 0


@pytest.mark.real_clock
async def test_bybit_refuses_an_address_with_a_page() -> None:
    clock = ExchangeClock(monotonic=lambda: 0.0)
    async with running("bybit", clock=clock) as server, bybit_client(server) as client:
        for _ in range(600):
            assert (await client.get("/v5/market/time")).status == 200
        answer = await client.get("/v5/market/time")
        assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (403, "text/html")
        assert server.exchange.counts.refusals == {"ip": 1}
