"""Who may ask BloFin how often, and what its market shows, as documents and recordings say."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import pytest

from te_emulators.blofin.client import BlofinClient
from te_emulators.blofin.instruments import instruments
from te_emulators.blofin.server import STRICT_WINDOWS, BlofinServer
from te_emulators.blofin.signature import LOGIN, sign
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.instrument import Instrument
from te_emulators.core.limits import RateLimits
from te_emulators.venues import server
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock

MOMENT = "1700000000000"


@pytest.mark.parametrize(
    ("path", "method", "nonce", "body", "signature"),
    [
        (
            "/api/v1/account/positions?instId=BTC-USDT",
            "GET",
            MOMENT,
            b"",
            "OTg2MWYzOWRmYTdkNjJjZjQyM2IzMGU0YmUwZGFiMjYzZThhZWU0NWM3MzM3YmE2Mjk5ODliMjUxNDlkMjhmYg==",
        ),
        (
            "/api/v1/trade/order",
            "POST",
            MOMENT,
            b'{"instId":"BTC-USDT"}',
            "OGVlYzZkYzgxMGY2ZGM0YjhlZTQ1MTc5NGMwOTljYmExNWFhMjFlODdhMGRiZDEwOWUwNGZiNGRhZDcyMzU1MQ==",
        ),
        (
            LOGIN,
            "GET",
            f"n_{MOMENT}",
            b"",
            "ODI2MWI5YmI1OWNkNmZkMmY0Y2Q2YWExYmE2MWRkOWE0N2YyMTIwOTI0ODRmMTEzNzYyNGYyZDk1ZGM0NzNjZA==",
        ),
    ],
)
def test_signatures_are_those_of_other_clients(
    path: str, method: str, nonce: str, body: bytes, signature: str
) -> None:
    made = sign("S", path=path, method=method, timestamp=MOMENT, nonce=nonce, body=body)
    assert made == signature


class TestWhoAsks:
    async def test_a_signed_request_is_answered(self, blofin: BlofinClient) -> None:
        async with blofin:
            answer = await blofin.get("account/balance")
            assert answer["code"] == "0"
            assert Decimal(answer["data"]["details"][0]["balance"]) == 10_000

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"key": "other"}, "152401"),
            ({"passphrase": "wrong"}, "152408"),
            ({"sign": "bm8="}, "152409"),
            ({"sign": ""}, "152001"),
            ({"nonce": ""}, "152001"),
            ({"timestamp": "1700000000"}, "152410"),
            ({"timestamp": "1700000000000"}, "152405"),
        ],
    )
    async def test_requests_that_do_not_prove_their_sender_are_refused(
        self, blofin: BlofinClient, changed: dict[str, str], code: str
    ) -> None:
        async with blofin:
            assert (await blofin.get("account/balance", **changed))["code"] == code
            assert blofin.status == 200

    @pytest.mark.parametrize(
        ("shift", "code"), [(-59_000, "0"), (59_000, "0"), (-61_000, "152405"), (61_000, "152405")]
    )
    async def test_requests_may_be_dated_a_minute_off(
        self, blofin: BlofinClient, shift: int, code: str
    ) -> None:
        async with blofin:
            blofin.shift_ms = shift
            assert (await blofin.get("account/balance"))["code"] == code

    async def test_a_nonce_works_once_in_a_minute(self, blofin: BlofinClient) -> None:
        async with blofin:
            assert (await blofin.get("account/balance", nonce="same"))["code"] == "0"
            assert (await blofin.get("account/balance", nonce="same"))["code"] == "152407"
            blofin.emulator.exchange.clock.skew_ms = 61_000
            assert (await blofin.get("account/balance", nonce="same"))["code"] == "0"

    async def test_the_signature_covers_the_bytes_that_are_sent(self, blofin: BlofinClient) -> None:
        async with blofin:
            assert (await blofin.get("account/positions?instId=BTC-USDT"))["code"] == "0"
            blofin.secret = "another"
            assert (await blofin.post("account/set-leverage", {}))["code"] == "152409"

    async def test_keys_are_expired_bound_to_addresses_or_read_only(self, blofin: BlofinClient) -> None:
        async with blofin:
            key = blofin.emulator.exchange.keys["K"][0]
            key.permissions = frozenset({"read"})
            assert (await blofin.order("buy", "1"))["code"] == "152404"
            info = (await blofin.get("user/query-apikey"))["data"]
            assert (info["readOnly"], info["type"], info["ips"]) == (1, 1, [])
            key.allowed_ips = frozenset({"10.0.0.1"})
            assert (await blofin.get("account/balance"))["code"] == "152406"
            key.expired = True
            assert (await blofin.get("account/balance"))["code"] == "152402"

    async def test_unknown_paths(self, blofin: BlofinClient) -> None:
        async with blofin:
            assert await blofin.get("public/time") == {"code": "404", "msg": "not found"}


class TestMarket:
    async def test_contracts_are_the_recorded_ones(self, blofin: BlofinClient) -> None:
        async with blofin:
            rows = {row["instId"]: row for row in (await blofin.public("market/instruments"))["data"]}
            recorded = {row["instId"]: row for row in response("blofin", "instruments (BTC")["data"]}
            assert len(rows) == 25
            for name in ("ETH-USDT", "LTC-USDT", "ADA-USDT"):
                assert rows[name] == recorded[name]
            assert rows["BTC-USDT"] == {**recorded["BTC-USDT"], "minSize": "0.1", "lotSize": "0.1"}
            assert set(rows["SOL-USDT"]) == set(rows["ETH-USDT"]) - {"thresholdX", "thresholdY", "thresholdZ"}

    async def test_suspended_contracts_say_so(self, blofin: BlofinClient) -> None:
        async with blofin:
            market = blofin.emulator.exchange.market
            old = market.by_base("XLM")
            names = Instrument.__dataclass_fields__
            market.add(Instrument(**{**{name: getattr(old, name) for name in names}, "tradable": False}))
            rows = (await blofin.public("market/instruments?instId=XLM-USDT"))["data"]
            assert [row["state"] for row in rows] == ["suspend"]
            assert (await blofin.order("buy", "1", "XLM-USDT"))["code"] == "152014"

    async def test_the_ticker_is_the_recorded_one(self, blofin: BlofinClient) -> None:
        async with blofin:
            rows = (await blofin.public("market/tickers?instId=BTC-USDT"))["data"]
            recorded = response("blofin", "tickers BTC")["data"][0]
            assert [{**row, "ts": ""} for row in rows] == [{**recorded, "ts": ""}]
            blofin.emulator.exchange.set_price("BTC-USDT", Decimal("70000.5"))
            rows = (await blofin.public("market/tickers"))["data"]
            assert len(rows) == 25
            assert next(row["last"] for row in rows if row["instId"] == "BTC-USDT") == "70000.5"

    async def test_mark_prices_and_unknown_instruments(self, blofin: BlofinClient) -> None:
        async with blofin:
            row = (await blofin.public("market/mark-price?instId=ETH-USDT"))["data"][0]
            assert set(row) == set(response("blofin", "mark price")["data"][0])
            assert row["markPrice"] == "1620.58"
            assert (await blofin.public("market/tickers?instId=NO-USDT"))["code"] == "152014"

    def test_there_is_one_contract_per_coin(self) -> None:
        assert len({i.symbol for i in instruments()}) == 25


class TestLimits:
    async def test_all_keys_of_a_user_share_thirty_trading_requests(self, blofin: BlofinClient) -> None:
        async with blofin:
            exchange = blofin.emulator.exchange
            exchange.add_key(
                exchange.accounts["main"], type(exchange.keys["K"][0])(key="K2", secret="S", passphrase="P")
            )
            for number in range(30):
                blofin.key = ("K", "K2")[number % 2]
                assert (await blofin.order("buy", "0.1"))["code"] == "0"
            assert await blofin.order("buy", "0.1") == {"code": "429", "msg": "Too Many Requests"}
            assert blofin.status == 429
            assert (await blofin.get("account/balance"))["code"] == "0"
            assert blofin.emulator.exchange.counts.refusals == {"trading": 1}

    async def test_reads_may_count_as_trading(self, blofin: BlofinClient) -> None:
        async with blofin:
            blofin.emulator.limits = RateLimits(STRICT_WINDOWS)
            for _ in range(30):
                await blofin.get("account/balance")
            await blofin.get("account/positions")
            assert blofin.status == 429

    @pytest.mark.parametrize("page", [True, False])
    async def test_an_address_is_banned_for_five_minutes(self, page: bool) -> None:
        now = [0.0]
        made = server("blofin", clock=ExchangeClock(monotonic=lambda: now[0]))
        async with BlofinClient(cast("BlofinServer", made)) as blofin:
            blofin.emulator.unknowns.ban_page = page
            for _ in range(500):
                assert (await blofin.public("market/mark-price?instId=BTC-USDT"))["code"] == "0"
            for at, banned in ((59, True), (59 + 299, True), (59 + 301, False)):
                now[0] = at
                answer = await blofin.get("account/balance")
                assert blofin.status == ((403 if page else 429) if banned else 200)
                assert ("<html>" in answer) is (page and banned)


class TestFaults:
    async def test_answers_of_the_troubled_exchange(self, blofin: BlofinClient) -> None:
        async with blofin:
            blofin.emulator.faults.add(
                Fault(kind=FaultKind.SERVER_ERROR, status=500),
                Fault(kind=FaultKind.MAINTENANCE, after=1),
                Fault(kind=FaultKind.RATE_LIMITED, after=2),
            )
            seen = [(await blofin.get("account/balance"), blofin.status) for _ in range(4)]
            assert [status for _, status in seen] == [500, 503, 429, 200]
            assert [str(answer["code"]) for answer, _ in seen] == ["500", "500", "429", "0"]
