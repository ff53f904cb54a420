"""The private listener: its token, foreign web pages, and many concurrent requests."""

from __future__ import annotations

import asyncio
import stat
from typing import Any

import pytest

from te_core.settings.listeners import ListenSettings
from te_core.testing.virtual_clock import VirtualClock
from te_core.web.exposure import exposure
from te_core.web.identity import is_proof
from te_core.web.shared_result import SharedResult
from tests.web.conftest import NONCE, TOKEN

OWN = {"Authorization": f"Bearer {TOKEN}"}
EVERYTHING = (
    "/readyz",
    "/api/v1/state",
    "/api/v1/plan",
    "/api/v1/instruments",
    "/api/v1/doctor",
    "/api/v1/signals",
    "/nothing",
)


async def _status(site: Any, path: str, **headers: str) -> int:
    async with site.http.get(site.private + path, headers=headers) as response:
        return int(response.status)


@pytest.mark.real_clock
async def test_everything_but_health_asks_for_the_token(serve: Any) -> None:
    async with serve() as site:
        assert await _status(site, "/healthz", Authorization="") == 200
        for path in EVERYTHING:
            assert await _status(site, path, Authorization="") == 401, path
        for given in ("Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"):
            assert await _status(site, "/api/v1/state", Authorization=given) == 401, given
        assert await _status(site, "/api/v1/state") == 200


@pytest.mark.real_clock
async def test_wrong_tokens_are_counted_and_many_reported(serve: Any) -> None:
    async with serve() as site:
        for number in range(9):
            await _status(site, "/readyz", Authorization=f"Bearer {number}")
        await _status(site, "/readyz", Authorization="")  # a probe without one tries nothing
        assert (site.servers.tokens.wrong, site.engine.events) == (9, [])
        for number in range(30):
            await _status(site, "/readyz", Authorization=f"Bearer {number}")
        ((kind, text),) = site.engine.events
        assert kind == "listener"
        assert "10 wrong tokens so far, the last from 127.0.0.1" in text


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://engine.example", "Host": "engine.example"}, 421),
    ],
)
async def test_pages_of_other_sites_are_refused(serve: Any, headers: dict[str, str], status: int) -> None:
    async with serve() as site:
        for path in ("/api/v1/state", "/healthz"):
            assert await _status(site, path, **headers) == status


@pytest.mark.real_clock
async def test_health_proves_who_answers(serve: Any) -> None:
    async with serve() as site:
        async with site.http.get(f"{site.private}/healthz?challenge=abc") as response:
            proof = (await response.json())["proof"]
        assert is_proof(proof, NONCE, "abc")
        assert not is_proof(proof, NONCE, "abd")
        assert not is_proof(proof, NONCE + "x", "abc")
        assert NONCE not in proof


@pytest.mark.real_clock
async def test_a_socket_is_its_owners_alone(serve: Any, tmp_path: Any) -> None:
    async with serve(private={"socket": "engine.sock"}) as site:
        made = tmp_path / "engine.sock"
        assert site.private == f"unix:{made}"
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(made)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 401 " in await reader.read()
        writer.close()


class Question:
    """Needs a second to respond; ``asked`` counts requests."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None

    async def ask(self) -> dict[str, int]:
        self.asked += 1
        await asyncio.sleep(1)
        if self.error is not None:
            raise self.error
        return {"answer": self.asked}


async def test_many_who_ask_at_once_get_one_answer() -> None:
    question = Question()
    shared = SharedResult(question.ask, VirtualClock())
    answers = await asyncio.gather(*(shared.get() for _ in range(40)))
    await asyncio.sleep(1.9)
    answers.append(await shared.get())
    assert answers == [{"answer": 1}] * 41
    await asyncio.sleep(0.2)
    assert await shared.get() == {"answer": 2}


async def test_a_client_that_hangs_up_does_not_affect_the_others() -> None:
    question = Question()
    shared = SharedResult(question.ask, VirtualClock())
    first, second = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == {"answer": 1}
    assert first.cancelled()


async def test_an_error_goes_to_all_who_waited_and_is_forgotten() -> None:
    question = Question()
    question.error = RuntimeError("no")
    shared = SharedResult(question.ask, VirtualClock())
    answers = await asyncio.gather(*(shared.get() for _ in range(3)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no"] * 3
    question.error = None
    assert await shared.get() == {"answer": 2}


@pytest.mark.parametrize(
    ("listen", "severities"),
    [
        ({}, ["ok", "ok"]),
        ({"public": {"host": "0.0.0.0"}}, ["warning", "ok"]),
        ({"public": {"host": "::"}}, ["warning", "ok"]),
        ({"public": {"host": "0.0.0.0", "trusted_proxies": ["10.0.0.1"]}}, ["ok", "ok"]),
        ({"public": {"host": "0.0.0.0", "certificate": "a.pem"}}, ["ok", "ok"]),
        ({"private": {"host": "0.0.0.0", "token": "x" * 24}}, ["ok", "warning"]),
        ({"private": {"host": "0.0.0.0", "socket": "te.sock"}}, ["ok", "ok"]),
    ],
)
def test_what_listeners_leave_open_is_found(listen: dict[str, Any], severities: list[str]) -> None:
    found = list(exposure(ListenSettings.model_validate(listen)))
    assert [str(finding.severity) for finding in found] == severities
    assert all(finding.remedy for finding in found if str(finding.severity) == "warning")
