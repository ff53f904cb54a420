"""Webhooks reach their source unchanged; nothing else gets through."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from te_core.contracts.webhook import WebhookResponse
from te_core.errors import ConfigError, JournalError, NotReady
from te_core.web import connections, first_request, public
from te_core.web.public import BODY_LIMIT

pytestmark = pytest.mark.real_clock


async def test_an_alert_reaches_its_source_as_it_was_sent(serve: Any) -> None:
    async with serve() as site:
        url = f"{site.public}/hooks/tradingview/to%2Fken/a%20b?x=1&x=2&empty="
        async with site.http.post(url, data=b'{"size": 1}', headers={"X-One": "Yes"}) as response:
            assert response.status == 200
            assert await response.json() == {"status": "accepted"}
        ((source, request),) = site.engine.requests
    assert source == "tradingview"
    assert request.tail == ("to/ken", "a b")
    assert request.query == {"x": "2", "empty": ""}
    assert request.headers["x-one"] == "Yes"
    assert (request.method, request.body, request.client) == ("POST", b'{"size": 1}', "127.0.0.1")
    assert request.received_at.tzinfo is not None


@pytest.mark.parametrize(("path", "tail"), [("/hooks/a", ()), ("/hooks/a/", ()), ("/hooks/a/b/", ("b",))])
async def test_a_closing_slash_changes_nothing(serve: Any, path: str, tail: tuple[str, ...]) -> None:
    async with serve() as site, site.http.get(site.public + path) as response:
        assert response.status == 200
        assert site.request.tail == tail
        assert site.request.method == "GET"


async def test_the_sources_answer_is_passed_on(serve: Any) -> None:
    async with serve() as site:
        site.engine.reply = WebhookResponse(status=429, body={"error": "slow down"}, retry_after=7)
        async with site.http.post(f"{site.public}/hooks/a", data=b"x") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "7")
            assert await response.json() == {"error": "slow down"}


@pytest.mark.parametrize(
    "path", ["/", "/hooks", "/hooks/", "/healthz", "/api/v1/state", "/hook/a", "//hooks/a"]
)
async def test_nothing_but_webhooks_is_public(serve: Any, path: str) -> None:
    async with serve() as site, site.http.post(site.public + path, data=b"x") as response:
        assert response.status == 404
        assert await response.json() == {"error": {"reason": "not found"}}
        assert site.engine.requests == []


async def test_no_response_reveals_versions(serve: Any) -> None:
    async with serve() as site:
        answers = [
            await site.raw(b"GET /hooks/a HTTP/1.0\r\n\r\n"),
            await site.raw(b"GET / HTTP/1.0\r\n\r\n"),
        ]
        answers.append(await site.raw(b"nonsense\r\n\r\n"))
        answers.append(await site.raw(b"GET /healthz HTTP/1.0\r\n\r\n", private=True))
    for text in answers:
        assert b"Server: trade-engine\r\n" in text
        assert b"aiohttp" not in text.lower()
        assert b"python" not in text.lower()


async def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(serve: Any) -> None:
    async with serve() as site:
        async with site.http.post(f"{site.public}/hooks/a", data=b"x" * BODY_LIMIT) as response:
            assert response.status == 200
        async with site.http.post(f"{site.public}/hooks/a", data=b"x" * (BODY_LIMIT + 1)) as response:
            assert response.status == 413
        assert len(site.engine.requests) == 1
        assert len(site.request.body) == BODY_LIMIT


async def test_a_chunked_body_without_a_length_is_limited_too(serve: Any) -> None:
    async def endless() -> Any:
        for _ in range(80):
            yield b"x" * 1024

    async with serve() as site, site.http.post(f"{site.public}/hooks/a", data=endless()) as response:
        assert response.status == 413
        assert site.engine.requests == []


async def test_a_body_that_does_not_arrive_is_given_up(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(public, "_BODY_TIMEOUT", 0.05)
    async with serve() as site:
        port = int(site.public.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /hooks/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 503 ")  # its sender repeats it; after a 4xx it would not
        assert b"Retry-After: 5" in answer
        assert b"Connection: close" in answer
        assert site.engine.requests == []


async def test_a_body_in_pieces_arrives_whole(serve: Any) -> None:
    async with serve() as site:
        head = b"POST /hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\n"
        assert b" 200 " in await site.raw(head, b"abc", b"def")
        assert site.request.body == b"abcdef"


async def test_a_sender_that_asks_before_sending_is_told_to_continue(serve: Any) -> None:
    async with serve() as site:
        async with site.http.post(f"{site.public}/hooks/a", data=b"abc", expect100=True) as response:
            assert response.status == 200
        assert site.request.body == b"abc"


async def test_a_compressed_body_is_not_unpacked(serve: Any) -> None:
    async with serve() as site:
        headers = {"Content-Encoding": "gzip"}
        async with site.http.post(
            f"{site.public}/hooks/a", data=b"\x1f\x8bnonsense", headers=headers
        ) as response:
            assert response.status == 200
        assert site.request.body == b"\x1f\x8bnonsense"


async def test_senders_retry_while_the_engine_starts_or_stops(serve: Any) -> None:
    async with serve(is_open=False) as site:
        for change in (lambda: None, site.servers.drain):
            change()
            async with site.http.post(f"{site.public}/hooks/a", data=b"x") as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "5")
        assert site.engine.requests == []
        site.servers.open(site.engine)
        async with site.http.post(f"{site.public}/hooks/a", data=b"x") as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (NotReady("the source is stopped", retry_after=2.5), "3"),
        (NotReady("no"), "5"),
        (JournalError("disk full: /var/lib/te"), "5"),
    ],
)
async def test_what_could_not_be_kept_is_a_503(serve: Any, error: Exception, retry_after: str) -> None:
    async with serve() as site:
        site.engine.reply = error
        async with site.http.post(f"{site.public}/hooks/a", data=b"x") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, retry_after)
            assert "/var/lib" not in await response.text()


@pytest.mark.parametrize("error", [ValueError("token s3cret"), TimeoutError("late"), KeyError("x")])
async def test_a_defect_of_a_source_is_a_bare_500_and_logged_once(
    serve: Any, logged: list[str], error: Exception
) -> None:
    async with serve() as site:
        site.engine.reply = error
        for _ in range(3):
            async with site.http.post(f"{site.public}/hooks/a/t0ken", data=b"x") as response:
                assert response.status == 500
                assert await response.json() == {"error": {"reason": "internal error"}}
    (line,) = logged
    assert "Traceback" in line
    assert type(error).__name__ in line
    assert "t0ken" not in line


async def test_stopping_waits_for_no_idle_connection_or_hanging_source(serve: Any) -> None:
    """An idle connection would be kept open for longer than we wait here, and the source hangs for ever."""
    async with serve() as site:
        async with site.http.get(f"{site.public}/hooks/idle"):
            pass
        silent = await asyncio.open_connection("127.0.0.1", site.servers.public.port)
        site.engine.hold = asyncio.Event()
        hanging = asyncio.create_task(site.http.post(f"{site.public}/hooks/a", data=b"x"))
        while len(site.engine.requests) < 2:
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await site.servers.stop()
        with pytest.raises(Exception, match="disconnected"):
            await hanging
        assert await silent[0].read() == b""
        silent[1].close()


async def test_a_port_in_use_is_named_with_the_remedy(serve: Any) -> None:
    async with serve() as site:
        port = int(site.public.rpartition(":")[2])
        with pytest.raises(ConfigError) as caught:
            async with serve(public={"port": port}):
                pass
    assert caught.value.key == "listen.public.port"
    assert str(port) in str(caught.value)
    assert "choose another port" in str(caught.value)


async def test_an_address_of_another_machine_is_named(serve: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"listen\.public\.host.*203\.0\.113\.9.*not an address of this machine"
    ):
        async with serve(public={"host": "203.0.113.9"}):
            pass


async def test_if_one_address_is_taken_the_other_is_released(serve: Any) -> None:
    async with serve() as other:
        taken = int(other.private.rpartition(":")[2])
        with socket.socket() as ours:  # bound, but not listening: nobody else gets the port meanwhile
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind(("127.0.0.1", 0))
            free = ours.getsockname()[1]
            with pytest.raises(ConfigError, match=r"listen\.private\.port"):
                async with serve(public={"port": free}, private={"port": taken}):
                    pass
            async with serve(public={"port": free}):
                pass


async def test_a_trusted_proxys_forwarded_address_is_the_client(serve: Any) -> None:
    async with serve(public={"trusted_proxies": ["127.0.0.0/8"]}) as site:
        headers = [("X-Forwarded-For", "52.89.214.238"), ("X-Forwarded-For", "203.0.113.7, 127.0.0.2")]
        async with site.http.post(f"{site.public}/hooks/a", data=b"x", headers=headers):
            assert site.request.client == "203.0.113.7"


ONE = b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


async def test_a_flood_of_connections_is_cut_off_and_passes(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    async with serve() as site:
        port = int(site.public.rpartition(":")[2])
        site.engine.hold = asyncio.Event()
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in busy:
            writer.write(ONE)
        while len(site.engine.requests) < 2:
            await asyncio.sleep(0)
        busy_answer = await site.raw(ONE)
        assert busy_answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5" in busy_answer
        site.engine.hold.set()
        for reader, writer in busy:
            assert b" 200 " in await reader.read()
            writer.close()
        assert b" 200 " in await site.raw(ONE)


def slow(path: str = "/hooks/a") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{{".encode()


async def test_unfinished_bodies_block_no_alert(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "MOST", 10)
    async with serve() as site:
        port = int(site.public.rpartition(":")[2])
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        for _, writer in crowd:
            writer.write(slow())
        while len(site.engine.screened) < 10:
            await asyncio.sleep(0)
        for number in range(10):
            assert b" 200 " in await site.raw(ONE), number
        assert await crowd[0][0].read() == b""
        for _, writer in crowd:
            writer.close()
        ((kind, text),) = site.engine.events
        assert kind == "listener"
        assert "10 connections are open, most of them from 127.0.0.1 (10)" in text


async def test_a_peer_at_its_cap_gives_way_to_itself(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "MOST_OF_ONE_PEER", 3)
    async with serve() as site:
        port = int(site.public.rpartition(":")[2])
        other = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert await crowd[0][0].read() == b""
        for _, writer in (other, *crowd[1:]):
            writer.write(ONE)
        for reader, _ in (other, *crowd[1:]):
            assert b" 200 " in await reader.read()
        assert "3 connections from 127.0.0.1 are open" in site.engine.events[0][1]
        for _, writer in (other, *crowd):
            writer.close()


async def test_a_trusted_proxy_has_no_cap_of_its_own(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "MOST_OF_ONE_PEER", 3)
    async with serve(public={"trusted_proxies": ["127.0.0.1"]}) as site:
        port = int(site.public.rpartition(":")[2])
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
        for reader, writer in crowd:
            writer.write(ONE)
            assert b" 200 " in await reader.read()
            writer.close()
        assert site.engine.events == []


async def test_a_first_request_in_pieces_is_served_as_a_whole(serve: Any, monkeypatch: Any) -> None:
    """A request that is complete in time is not screened separately; any other is served as it is."""
    monkeypatch.setattr(first_request, "HOLD", 60)
    body = b'{"size": 1}'
    whole = b"POST /hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\ncontent-LENGTH: 11\r\n\r\n" + body
    async with serve() as site:
        assert b" 200 " in await site.raw(*(bytes([byte]) for byte in whole))
        assert (site.request.body, site.engine.screened) == (body, [])
        monkeypatch.setattr(first_request, "HOLD", 0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.servers.public.port)
        writer.write(whole[:-1])
        while not site.engine.screened:
            await asyncio.sleep(0)
        writer.write(whole[-1:])
        assert b" 200 " in await reader.read()
        writer.close()


async def test_a_connection_without_a_request_is_closed(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(first_request, "IDLE", 0.01)
    async with serve() as site:
        assert await site.raw() == b""


async def test_an_invalid_head_is_refused_before_the_body(serve: Any) -> None:
    async with serve() as site:
        site.engine.verdict = WebhookResponse(status=401, body={"error": "no"})
        answer = await site.raw(slow("/hooks/a/wrong?x=1"))
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"Connection: close" in answer
        ((source, request),) = site.engine.screened
        assert (source, request.tail, dict(request.query), request.body) == ("a", ("wrong",), {"x": "1"}, b"")
        assert site.engine.requests == []


async def test_a_whole_request_is_not_screened_apart(serve: Any) -> None:
    async with serve() as site:
        site.engine.verdict = WebhookResponse(status=401, body={"error": "no"})
        async with site.http.post(f"{site.public}/hooks/a", data=b"x") as response:
            assert response.status == 200
        assert site.engine.screened == []


async def test_a_stranger_pays_for_a_new_connection_each_time(serve: Any) -> None:
    async with serve() as site:
        for status, kept in ((401, False), (429, False), (422, True), (503, True)):
            site.engine.reply = WebhookResponse(status=status, body={"error": "no"})
            async with site.http.post(f"{site.public}/hooks/a", data=b"x") as response:
                assert (response.headers.get("Connection") != "close") is kept, status
                assert await response.json() == {"error": "no"}


async def test_a_forwarding_peer_without_trust_is_reported_once(serve: Any) -> None:
    async with serve() as site:
        for _ in range(3):
            headers = {"X-Forwarded-For": "52.89.214.238"}
            async with site.http.post(f"{site.public}/hooks/a", data=b"x", headers=headers) as response:
                assert response.status == 200
        ((_, text),) = site.engine.events
        assert "X-Forwarded-For from 127.0.0.1" in text
        assert "trusted_proxies" in text
        assert text.startswith([finding.text for finding in site.servers.findings()][-1])


async def test_idle_connections_block_no_alert(serve: Any, monkeypatch: Any) -> None:
    """Hundreds of them do not hurt their owner: the oldest without a request is closed."""
    monkeypatch.setattr(connections, "MOST", 20)
    async with serve() as site:
        port = int(site.public.rpartition(":")[2])
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        for _, writer in idle[10:]:
            writer.write(b"POST /hooks/a HTTP/1.1\r\nHost: ")
        for _ in range(30):
            assert b" 200 " in await site.raw(ONE)
        flood = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        assert b" 200 " in await site.raw(ONE)
        assert len(site.servers.public.connections) <= 20
        assert await idle[0][0].read() == b""
        for _, writer in idle + flood:
            writer.close()
