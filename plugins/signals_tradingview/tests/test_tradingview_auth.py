"""Who may send: tokens, addresses, lockout."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from te_core.testing.fakes import webhook_request
from te_core.testing.virtual_clock import VirtualClock
from te_signals_tradingview.auth.addresses import TRADINGVIEW, AllowList
from te_signals_tradingview.auth.lockout import Lockout
from te_signals_tradingview.auth.tokens import Tokens

MakeHarness = Callable[..., Any]
ALERT = {"symbol": "ETHUSDT", "direction": "long", "size": "50%"}
OTHER = "other-0123456789abcdefghij"


async def test_the_token_may_stand_in_the_path_the_query_or_the_body(make_harness: MakeHarness) -> None:
    harness = make_harness()
    answers = [
        await harness.post(ALERT, tail=(harness.token,)),
        await harness.post({**ALERT, "n": 1}, query={"token": harness.token}),
        await harness.post({**ALERT, "n": 2, "token": harness.token}, tail=()),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]


async def test_a_token_in_the_body_counts_in_a_malformed_body(make_harness: MakeHarness) -> None:
    harness = make_harness()
    body = f'{{"token": "{harness.token}", "price": NaN}}'.encode()
    assert (await harness.post(body, tail=())).body["error"]["field"] == "price"
    twice = f'{{"token": "{harness.token}", "size": 1, "size": 1}}'.encode()
    assert (await harness.post(twice, tail=())).body["error"]["field"] == "size"


@pytest.mark.parametrize(
    "request_",
    [
        {"tail": ()},
        {"tail": ("wrong",)},
        {"tail": ("",)},
        {"tail": ("canary-0123456789abcdefghij", "more")},
        {"tail": ("CANARY-0123456789ABCDEFGHIJ",)},
        {"tail": ("canary-0123456789abcdefghi",)},
        {"tail": ("\udcff",)},
        {"query": {"token": ""}},
        {"query": {"token": "wrong"}},
        {"query": {"Token": "canary-0123456789abcdefghij"}},
        {"tail": ("wrong",), "query": {"token": "canary-0123456789abcdefghij"}},
    ],
)
async def test_a_bad_or_missing_token_always_gets_the_same_answer(
    make_harness: MakeHarness, request_: dict[str, Any]
) -> None:
    harness = make_harness()
    for body in (ALERT, b"", b"\xff", b"{}", b"[]", b'{"token": 5}', b'{"token": "wrong"}'):
        answer = await harness.post(body, **request_)
        assert answer.status == 401
        assert dict(answer.body) == {"error": {"field": "token", "reason": "unauthorised", "hint": ""}}
    assert harness.recorder.published == harness.recorder.quarantined == []


async def test_tokens_can_be_replaced_without_a_gap(make_harness: MakeHarness) -> None:
    harness = make_harness(tokens=[OTHER])
    assert (await harness.post(ALERT)).status == 200
    assert (await harness.post({**ALERT, "n": 1}, tail=(OTHER,))).status == 200


def test_every_token_is_compared_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []

    def compare(first: bytes, second: bytes) -> bool:
        assert len(first) == len(second)
        compared.append(first == second)
        return first == second

    monkeypatch.setattr("te_signals_tradingview.auth.tokens.hmac.compare_digest", compare)
    assert Tokens(["a" * 16, "b" * 20, "c" * 30]).accept("a" * 16)
    assert compared == [True, False, False]
    assert not Tokens(["a" * 16, "b" * 20]).accept("d" * 2)


async def test_only_listed_addresses_may_send(make_harness: MakeHarness) -> None:
    harness = make_harness(allow=["tradingview", "198.51.100.0/24", "2001:db8::/32"])
    for number, client in enumerate([*TRADINGVIEW, "198.51.100.77", "2001:db8::5", "::ffff:52.89.214.238"]):
        assert (await harness.post({**ALERT, "n": number}, client=client)).status == 200
    for client in ("52.89.214.239", "203.0.113.7", "2001:db9::1", "", "unix:", "::ffff:52.89.214.237"):
        answer = await harness.post(ALERT, client=client)
        assert (answer.status, answer.retry_after) == (
            503,
            5,
        )  # TradingView may have moved, so it must send again


async def test_a_right_token_from_elsewhere_is_reported_once(make_harness: MakeHarness) -> None:
    harness = make_harness(allow=["tradingview"])
    await harness.post(ALERT, client="127.0.0.1", tail=("wrong",))
    assert harness.recorder.events == []
    for _ in range(3):
        await harness.post(ALERT, client="127.0.0.1")
    (event,) = harness.recorder.events
    assert event.kind == "refused"
    assert "127.0.0.1" in event.text
    assert "trusted_proxies" in event.text


async def test_a_stranger_learns_nothing_about_tokens(make_harness: MakeHarness) -> None:
    harness = make_harness(allow=["198.51.100.1"])
    right, wrong = await harness.post(ALERT), await harness.post(ALERT, tail=("wrong",))
    assert right == wrong


def test_an_allow_list_names_an_invalid_entry() -> None:
    with pytest.raises(ValueError, match="'tradingwiev' is neither an IP address"):
        AllowList(["tradingwiev"])


async def test_repeated_bad_tokens_lock_an_address_out(make_harness: MakeHarness) -> None:
    harness = make_harness(lockout_after=3, lockout_for="1m")
    for _ in range(3):
        assert (await harness.post(ALERT, tail=("wrong",))).status == 401
    await asyncio.sleep(10)
    answer = await harness.post(ALERT, tail=("wrong",))
    assert (answer.status, answer.retry_after) == (429, 50)
    assert (await harness.post(ALERT, tail=("wrong",), client="198.51.100.1")).status == 401
    assert harness.count("locked_addresses") == 1
    await asyncio.sleep(50)
    assert harness.count("locked_addresses") == 0
    assert (await harness.post(ALERT, tail=("wrong",))).status == 401


@pytest.mark.parametrize("where", ["path", "query", "body"])
async def test_a_right_token_is_never_locked_out(make_harness: MakeHarness, where: str) -> None:
    """Behind an untrusted proxy, wrong tokens have the same address as every alert."""
    harness = make_harness(lockout_after=1)
    right: dict[str, dict[str, Any]] = {
        "path": {"tail": (harness.token,)},
        "query": {"query": {"token": harness.token}},
        "body": {"tail": ()},
    }
    for number in range(20):
        await harness.post(ALERT, tail=("wrong",))
        await harness.post({**ALERT, "token": "wrong"}, tail=())
        alert = {**ALERT, "n": number, **({"token": harness.token} if where == "body" else {})}
        assert (await harness.post(alert, **right[where])).status == 200


async def test_a_request_can_be_refused_by_its_head(make_harness: MakeHarness) -> None:
    harness = make_harness(allow=["203.0.113.0/24"], lockout_after=2)

    def screen(**request: Any) -> int | None:
        answer = harness.source.screen(
            webhook_request(b"", received_at=harness.recorder.clock.now(), **request)
        )
        return answer.status if answer else None

    assert screen(tail=(harness.token,)) is None
    assert screen(query={"token": harness.token}) is None
    assert screen() is None  # it may be in the body
    assert screen(tail=(harness.token,), method="GET") == 405
    assert screen(tail=(harness.token,), client="198.51.100.1") == 503
    assert [screen(tail=("wrong",)) for _ in range(3)] == [401, 401, 429]
    assert screen(tail=(harness.token,)) is None


async def test_requests_while_locked_out_do_not_prolong_it(make_harness: MakeHarness) -> None:
    harness = make_harness(lockout_after=1, lockout_for="1m")
    await harness.post(ALERT, tail=("wrong",))
    for _ in range(59):
        await asyncio.sleep(1)
        assert (await harness.post(ALERT, tail=("wrong",))).status == 429
    await asyncio.sleep(1)
    assert (await harness.post(ALERT)).status == 200


async def test_a_right_token_clears_the_failures(make_harness: MakeHarness) -> None:
    harness = make_harness(lockout_after=3)
    for number in range(5):
        await harness.post(ALERT, tail=("wrong",))
        await harness.post(ALERT, tail=("wrong",))
        assert (await harness.post({**ALERT, "n": number})).status == 200


async def test_old_failures_expire(make_harness: MakeHarness) -> None:
    harness = make_harness(lockout_after=2, lockout_for="1m")
    for number in range(3):
        assert (await harness.post(ALERT, tail=("wrong",))).status == 401
        await asyncio.sleep(60)
        assert (await harness.post(ALERT, tail=("wrong",))).status == 401
        assert harness.count("locked_addresses") == 0
        assert (await harness.post({**ALERT, "n": number})).status == 200


async def test_a_neighbour_in_the_same_ipv6_network_is_the_same_sender(make_harness: MakeHarness) -> None:
    harness = make_harness(lockout_after=2)
    await harness.post(ALERT, tail=("wrong",), client="2001:db8::1")
    await harness.post(ALERT, tail=("wrong",), client="2001:db8::2")
    assert (await harness.post(ALERT, tail=("wrong",), client="2001:db8::3")).status == 429
    assert (await harness.post(ALERT, tail=("wrong",), client="2001:db8:0:1::1")).status == 401


async def test_nobody_can_lock_tradingview_out(make_harness: MakeHarness) -> None:
    harness = make_harness(lockout_after=1)
    for client in (TRADINGVIEW[0], f"::ffff:{TRADINGVIEW[0]}"):
        for _ in range(5):
            assert (await harness.post(ALERT, tail=("wrong",), client=client)).status == 401
    assert (await harness.post(ALERT, client=TRADINGVIEW[0])).status == 200


async def test_the_table_of_bad_tokens_is_bounded() -> None:
    lockout = Lockout(clock=VirtualClock(), after=1, seconds=60)
    for number in range(12_000):
        lockout.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert lockout.locked() == 10_000
    assert lockout.remaining("10.0.0.0") == 0
    assert lockout.remaining("10.0.46.223") == 60


async def test_many_lockouts_are_one_log_line_a_minute(
    make_harness: MakeHarness, log_lines: list[str]
) -> None:
    harness = make_harness(lockout_after=1)
    for number in range(200):
        await harness.post(ALERT, tail=("wrong",), client=f"198.51.100.{number}")
    assert sum("locked out" in line for line in log_lines) == 1
    assert harness.count("locked_addresses") == 200
    await asyncio.sleep(60)
    await harness.post(ALERT, tail=("wrong",), client="192.0.2.1")
    assert sum("locked out" in line for line in log_lines) == 2


async def test_a_lockout_is_logged_once(make_harness: MakeHarness, log_lines: list[str]) -> None:
    harness = make_harness(lockout_after=2)
    for _ in range(10):
        await harness.post(json.dumps(ALERT).encode(), tail=("wrong-token-of-somebody",))
    assert sum("locked out" in line for line in log_lines) == 1
    assert "wrong-token-of-somebody" not in "".join(log_lines)
