"""Whatever bytes arrive: no 5xx, no traceback, and the listener continues."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from te_core.clock import SystemClock
from te_core.web.public import Webhooks
from tests.web.conftest import FakeEngine

pytestmark = pytest.mark.real_clock

OK = b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /hooks/a HTTP/1.1\r\nHost: x\r\n"

ODD = [
    b"",
    b"\r\n\r\n",
    b"\x00" * 64,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 64,
    b"nonsense\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /hooks/a\r\n\r\n",
    b"GET /hooks/a HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /hooks/a HTTP/1.1 extra\r\nHost: x\r\n\r\n",
    b"GET  /hooks/a  HTTP/1.1\r\nHost: x\r\n\r\n",
    b"G\xc3\xa9T /hooks/a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET http://[::1/hooks/a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x:99999/hooks/a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x/hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET //hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET ///// HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET ?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /hooks/%zz/%/%e0%80/%00?%zz=%&%ff=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /hooks/\xff\xfe/\xe9?\xff=\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /hooks/a/../../etc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /hooks/a?" + b"&".join(b"k%d=1" % i for i in range(500)) + b" HTTP/1.0\r\n\r\n",
    b"GET /hooks/" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nX\xff: \xfe\xff\r\nConnection: close\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nX: \xfe\xff\r\nConnection: close\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\n : empty\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x85garbage",
    b'GET /hooks/a HTTP/1.1\r\nHost: x\r\nCookie: a=\x01;;;=;"\r\nRange: bytes=x\r\nConnection: close\r\n\r\n',
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: 1e3\r\n\r\n",
    POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    POST + b"Content-Length: 10\r\n\r\nabc",
    POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefghij\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 20_000 + b"\r\na\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nbad trailer\xff\r\n\r\n",
    POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
    POST + b"Expect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    POST + b"Expect: miracles\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    POST + b"X-Forwarded-For: \xff, , ;;,[::,1.2.3.4.5\r\nConnection: close\r\n\r\n",
]


def _statuses(answer: bytes) -> list[int]:
    return [int(line.split(b" ")[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


def _assert_sane(answer: bytes) -> None:
    assert all(status < 500 for status in _statuses(answer)), answer
    assert b"Traceback" not in answer


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[:48]))
async def test_odd_requests_get_no_5xx_and_no_traceback(
    serve: Any, logged: list[str], odd: bytes, private: bool
) -> None:
    async with serve(public={"trusted_proxies": ["127.0.0.1"]}) as site:
        _assert_sane(await site.raw(odd, private=private, timeout=0.05))
        for _, request in site.engine.requests:
            repr(request).encode()
        assert _statuses(await site.raw(OK)) == [200]
    assert logged == []


async def test_a_sender_who_hung_up_before_the_body_is_not_a_defect(logged: list[str]) -> None:
    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)  # of a connection that is gone
    request = make_mocked_request("POST", "/hooks/a", headers={"Content-Length": "5"}, payload=content)
    webhooks = Webhooks(SystemClock())
    webhooks.open(FakeEngine())
    assert (await webhooks(request)).status == 400
    assert not logged


async def test_a_refused_request_is_not_quoted(serve: Any, logged: list[str]) -> None:
    async with serve() as site:
        answer = await site.raw(b"POST /hooks/a/t0ken-in-path NONSENSE\r\nX: t0ken\r\n\r\n")
    assert _statuses(answer) == [400]
    assert b'{"error":{"reason":"malformed HTTP request"}}' in answer
    assert b"t0ken" not in answer
    assert logged == []


@pytest.mark.parametrize("seed", range(5))
async def test_mangled_requests_get_no_5xx_and_no_traceback(serve: Any, logged: list[str], seed: int) -> None:
    chance = random.Random(seed)
    async with serve(public={"trusted_proxies": ["127.0.0.1"]}) as site:
        for _ in range(200):
            request = bytearray(chance.choice(ODD)[:2000] or OK)
            for _ in range(chance.randint(1, 8)):
                offset = chance.randrange(len(request))
                request[offset : offset + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
                request = request or bytearray(b" ")
            cut = chance.randrange(len(request) + 1)
            _assert_sane(await site.raw(bytes(request[:cut]), bytes(request[cut:]), timeout=0.01))
        site.engine.requests.clear()
        assert _statuses(await site.raw(OK)) == [200]
    assert logged == []
