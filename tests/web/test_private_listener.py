"""The private API: who may query it, and its responses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.real_clock

TOKEN = "a-token-of-some-length-1234"
OWN = {"Authorization": f"Bearer {TOKEN}"}


async def _get(site: Any, path: str, **headers: str) -> tuple[int, Any]:
    async with site.http.get(site.private + path, headers=headers) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def test_health_and_readiness(serve: Any) -> None:
    async with serve() as site:
        assert await _get(site, "/healthz") == (200, {"status": "alive"})
        assert await _get(site, "/readyz") == (200, {"ready": True, "reasons": []})
        site.queries.reasons.append("account paper: no read yet")
        assert await _get(site, "/readyz") == (
            503,
            {"ready": False, "reasons": ["account paper: no read yet"]},
        )


async def test_numbers_lose_no_digit(serve: Any) -> None:
    async with serve() as site:
        _, state = await _get(site, "/api/v1/state")
        assert state["accounts"]["paper"]["equity"] == "12345678901234567890.123456789"


async def test_metrics_are_served_as_the_scraper_asks_for_them(serve: Any) -> None:
    plain = {"Accept": "text/plain"}
    async with serve() as site, site.http.get(site.private + "/metrics", headers=plain) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await response.text() == "te_ready 1\n# text/plain\n"


async def test_plan_explanation_and_plugins(serve: Any) -> None:
    async with serve() as site:
        assert await _get(site, "/api/v1/plan") == (200, {"accounts": {"paper": {"BTCUSDT": {"steps": []}}}})
        assert await _get(site, "/api/v1/explain/BTCUSDT") == (200, {"symbol": "BTCUSDT"})
        assert await _get(site, "/api/v1/plugins") == (200, {"plugins": [{"name": "x"}]})
        assert await _get(site, "/api/v1/sources/oracle") == (200, {"mood": "calm"})
        status, body = await _get(site, "/api/v1/sources/delphi")
        assert status == 404
        assert "tradingview" in body["error"]["reason"]
        status, body = await _get(site, "/api/v1/explain/NOPE")
        assert status == 404
        assert "BTCUSDT" in body["error"]["reason"]


async def test_the_plan_of_other_weights_is_asked_for_with_json(serve: Any) -> None:
    async with serve() as site:

        async def asked(body: str, content_type: str = "application/json") -> tuple[int, Any]:
            url, headers = f"{site.private}/api/v1/plan", {"Content-Type": content_type}
            async with site.http.post(url, data=body, headers=headers) as response:
                return response.status, await response.json()

        status, plan = await asked(
            '{"symbols": {"BTCUSDT": {"leverage": 2, "weights": {}}, "ETHUSDT": null}}'
        )
        assert status == 200
        assert "paper" in plan["accounts"]
        assert site.queries.sections["BTCUSDT"].leverage == 2
        assert site.queries.sections["ETHUSDT"] is None
        assert (await asked("{}", "text/plain"))[0] == 415
        for wrong in (
            "",
            "{}",
            '{"symbols": {"BTCUSDT": {"leverage": 0}}}',
            '{"symbols": {"btc/usdt": null}}',
        ):
            status, body = await asked(wrong)
            assert status == 400
            assert body["error"]["reason"]


async def test_it_is_asked_which_symbols_are_offered(serve: Any) -> None:
    async with serve() as site:
        status, found = await _get(site, "/api/v1/instruments?symbols=BTCUSDT,ETHUSDT")
        assert (status, list(found["accounts"]["paper"]["symbols"])) == (200, ["BTCUSDT", "ETHUSDT"])
        assert (await _get(site, "/api/v1/instruments"))[1] == {"accounts": {"paper": {"symbols": {}}}}
        for wrong in ("btc", "BTCUSDT,", f"{'A' * 33}", ",".join(["BTCUSDT"] * 1001)):
            assert (await _get(site, f"/api/v1/instruments?symbols={wrong}"))[0] == 400


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [
        ("accounts/paper", "application/json", 200),
        ("accounts/nobody", "application/json", 404),
        ("sources/paper", "application/json", 404),
        ("orders/paper", "application/json", 404),
        ("accounts/paper", "text/plain", 415),
        ("accounts/paper", "application/x-www-form-urlencoded", 415),
    ],
)
async def test_no_web_page_can_pretend_to_resume_an_instance(
    serve: Any, path: str, content_type: str, status: int
) -> None:
    async with serve() as site:
        url = f"{site.private}/api/v1/{path}/resume"
        async with site.http.post(url, data=b"{}", headers={"Content-Type": content_type}) as response:
            assert response.status == status
        assert (await _get(site, f"/api/v1/{path}/resume"))[0] in {404, 405}


async def test_history_is_bounded(serve: Any) -> None:
    async with serve() as site:
        _, body = await _get(site, "/api/v1/signals")
        assert len(body["signals"]) == 20
        assert body["signals"][0]["depth"] == "0.10"
        _, body = await _get(site, "/api/v1/signals?limit=3")
        assert len(body["signals"]) == 3
        assert (await _get(site, "/api/v1/quarantine"))[1] == {
            "quarantine": [{"reason": "size: not a number"}],
            "next": None,
        }
        for limit in ("0", "1001", "-1", "x", "²", "9" * 5000):
            status, body = await _get(site, f"/api/v1/signals?limit={limit}")
            assert status == 400
            assert "1 to 1000" in body["error"]["reason"]


async def test_history_is_asked_for_by_account_symbol_source_and_time(serve: Any) -> None:
    query = "account=paper&symbol=BTCUSDT&source=&since=2026-11-27T00:00:00%2B00:00&before=7&limit=5"
    async with serve() as site:
        for what in ("events", "orders", "activity"):
            _, body = await _get(site, f"/api/v1/{what}?{query}")
            (heeded,) = body["events"]
            assert {key: value for key, value in heeded.items() if value is not None} == {
                "limit": 5,
                "before": 7,
                "since": "2026-11-27T00:00:00+00:00",
                "account": "paper",
                "symbol": "BTCUSDT",
            }
        for wrong, field in (("since=friday", "since"), ("before=-1", "before"), ("colour=red", "colour")):
            status, body = await _get(site, f"/api/v1/orders?{wrong}")
            assert status == 400
            assert body["error"]["reason"].startswith(f"{field}: ")
            assert "friday" not in body["error"]["reason"]


async def test_events_that_come_are_waited_for(serve: Any) -> None:
    async with serve() as site:
        _, body = await _get(site, "/api/v1/events/next?after=7&kind=halt")
        assert (body["events"][0]["after"], body["events"][0]["kind"]) == (7, "halt")
        history = site.queries.history
        history.there = False
        assert await _get(site, "/api/v1/events/next?after=7&wait=0") == (200, {"events": [], "next": None})
        waiting = asyncio.create_task(_get(site, "/api/v1/events/next?after=7&wait=30"))
        while history.came is None or history.came.done():
            await asyncio.sleep(0.01)
        came, history.came = history.came, None
        came.set_result(None)  # an event that was not requested
        while history.came is None:
            await asyncio.sleep(0.01)
        history.there = True
        history.came.set_result(None)
        _, body = await waiting
        assert len(body["events"]) == 1
        for wrong in ("wait=31", "after=-1", "after=x"):
            assert (await _get(site, f"/api/v1/events/next?{wrong}"))[0] == 400


async def test_an_order_is_asked_for_by_what_names_it(serve: Any) -> None:
    async with serve() as site:
        assert await _get(site, "/api/v1/orders/o1") == (200, {"order": {"client_order_id": "o1"}})
        assert await _get(site, "/api/v1/orders/o2") == (404, {"error": {"reason": "no order o2 is known"}})


async def test_results_and_values_over_time_are_asked_for_by_period(serve: Any) -> None:
    async with serve() as site:
        _, body = await _get(site, "/api/v1/pnl?by=day&since=2026-11-27T10:00:00Z&symbol=BTCUSDT")
        assert {key: value for key, value in body["asked"].items() if value is not None} == {
            "by": "day",
            "since": "2026-11-27T10:00:00+00:00",
            "symbol": "BTCUSDT",
        }
        _, body = await _get(site, "/api/v1/history?points=30&account=paper")
        assert (body["asked"]["points"], body["asked"]["account"]) == (30, "paper")
        for wrong in ("pnl?by=month", "pnl?limit=3", "history?points=0", "history?since=yesterday"):
            status, body = await _get(site, f"/api/v1/{wrong}")
            assert status == 400
            field = wrong.partition("?")[2].partition("=")[0]
            assert body["error"]["reason"].startswith(f"{field}: ")


async def test_errors_are_json(serve: Any) -> None:
    async with serve() as site:
        assert await _get(site, "/nothing") == (404, {"error": {"reason": "not found"}})
        async with site.http.post(f"{site.private}/healthz") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
            assert await response.json() == {"error": {"reason": "method not allowed"}}


async def test_a_web_page_cannot_reach_it_by_another_name(serve: Any) -> None:
    async with serve() as site:
        for host in ("evil.example", "evil.example:8788", "127.0.0.1.evil.example", "[::2]:1", ""):
            status, _ = await _get(site, "/api/v1/state", Host=host)
            assert status == 421, host
        for host in ("localhost", "localhost:1", "127.0.0.1:8788", "[::1]:8788"):
            status, _ = await _get(site, "/api/v1/state", Host=host)
            assert status == 200, host


async def test_with_a_token_only_health_is_open(serve: Any) -> None:
    async with serve(private={"token": TOKEN}) as site:
        assert (await _get(site, "/healthz"))[0] == 200
        for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"):
            for path in ("/api/v1/state", "/readyz", "/metrics", "/nothing"):
                assert (await _get(site, path, Authorization=given))[0] == 401, given
        assert (await _get(site, "/api/v1/state", Authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_a_listener_beyond_loopback_answers_to_any_name(serve: Any) -> None:
    async with serve(private={"host": "0.0.0.0", "token": TOKEN}) as site:
        headers = {"Host": "engine.example", "Authorization": f"Bearer {TOKEN}"}
        assert (await _get(site, "/api/v1/state", **headers))[0] == 200


async def test_a_defect_is_a_500_without_details(serve: Any, logged: list[str]) -> None:
    async with serve() as site:
        site.queries.readiness = dict
        assert await _get(site, "/readyz") == (500, {"error": {"reason": "internal error"}})
    assert len(logged) == 1
