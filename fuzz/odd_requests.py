"""Invalid requests, as bytes for the wire.

What is wrong with most is the body; the others use a wrong address, or break the rules of HTTP. Those carry bodies
that are wrong as well, except where refusing a good alert is the point: wrong tokens and wrong methods.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from fuzz.odd_bodies import odd_body
from fuzz.odd_values import OddValues
from harness.alerts import alert

GOOD = json.dumps(alert("BTCUSDT", size="77/100", event_id="never to be accepted")).encode()
BAD = b'{"symbol": "QQQQQQQQ", "direction": "long", "size": "1/100"}'


@dataclass(frozen=True, slots=True)
class Case:
    """A request that must be refused."""

    kind: str
    request: bytes
    alone: bool = False
    """It breaks its connection, and silence is an acceptable answer."""


def request(
    target: bytes | str,
    body: bytes = BAD,
    *,
    method: bytes = b"POST",
    headers: tuple[bytes, ...] = (),
    length: bool = True,
) -> bytes:
    """Return a request as bytes."""
    target = target.encode("utf-8", "surrogatepass") if isinstance(target, str) else target
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: 127.0.0.1", *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class OddRequests:
    """Generates cases endlessly; the same seed generates the same ones. ``token`` is the right one."""

    def __init__(self, token: str, number: int) -> None:
        self._random = Random(number)
        self._odd = OddValues.make(number)
        self._token = token
        self._path = f"/hooks/tradingview/{token}"
        self._makers: dict[Callable[[], Case], int] = {
            self._body: 74,
            self._wrong_token: 8,
            self._wrong_path: 5,
            self._wrong_method: 3,
            self._odd_headers: 5,
            self._broken_headers: 2,
            self._broken_chunks: 2,
            self._broken_protocol: 1,
        }

    def __iter__(self) -> Iterator[Case]:
        makers, weights = list(self._makers), list(self._makers.values())
        while True:
            (maker,) = self._random.choices(makers, weights)
            yield maker()

    def _body(self) -> Case:
        kind, body = odd_body(self._random, self._odd)
        return Case(kind, request(self._path, body, headers=self._content_type()))

    def _content_type(self) -> tuple[bytes, ...]:
        types = (
            b"application/json",
            b"text/plain; charset=utf-8",
            b"multipart/form-data; boundary=x",
            b"\xff/\xfe",
            b"",
        )
        return (b"Content-Type: " + self._random.choice(types),)

    # -- the wrong address

    def _wrong_token(self) -> Case:
        """Return a good alert with a wrong token, each from another address."""
        token, random = self._token, self._random
        wrong = random.choice(
            (
                *(
                    "",
                    "x",
                    token[:-1],
                    token + "x",
                    token[1:],
                    token.swapcase(),
                    token[::-1],
                    token * 5,
                    token + "%00",
                ),
                *(
                    "%20" + token,
                    token + "/x",
                    "../" + token,
                    "%ff" * 20,
                    "A" * 43,
                    "A" * 4000,
                    "%2e%2e",
                    "null",
                    "0",
                ),
                base64.b64encode(token.encode()).decode().rstrip("="),
                "".join(random.choice("%0aZ~-_.!'") for _ in range(random.randint(1, 60))),
            )
        )
        sender = ".".join(str(random.randrange(1, 255)) for _ in range(4))
        target, body = random.choice(
            (
                (f"/hooks/tradingview/{wrong}", GOOD),
                (f"/hooks/tradingview?token={wrong}", GOOD),
                (f"/hooks/tradingview/{wrong}?token={token}", GOOD)
                if wrong
                else ("/hooks/tradingview?token=", GOOD),
                ("/hooks/tradingview", GOOD.replace(b"{", b'{"token": %b, ' % json.dumps(wrong).encode(), 1)),
                ("/hooks/tradingview", GOOD.replace(b"{", b'{"token": ["%b"], ' % token.encode(), 1)),
                ("/hooks/tradingview", GOOD),
            )
        )
        forwarded = random.choice(
            (sender, f"10.0.0.1, {sender}", f"[2001:db8::{random.randrange(9999):x}]:443", "what")
        )
        return Case(
            "wrong token", request(target, body, headers=(b"X-Forwarded-For: " + forwarded.encode(),))
        )

    def _wrong_path(self) -> Case:
        token, random = self._token, self._random
        odd = random.choice(self._odd.texts).encode("utf-8", "surrogatepass")
        quoted = b"".join(b"%%%02x" % byte for byte in odd)
        target = random.choice(
            (
                *(
                    b"/",
                    b"//",
                    b"/hooks",
                    b"/hooks/",
                    b"//hooks/tradingview",
                    b"/Hooks/tradingview/%b" % token.encode(),
                ),
                *(
                    b"/healthz",
                    b"/api/v1/state",
                    b"/metrics",
                    b"/hooks/../api/v1/state",
                    b"/hooks/%2e%2e/state",
                    b"/?x",
                ),
                *(
                    b"/hooks/nobody/x",
                    b"/hooks/%00",
                    b"/hooks/%ff/%fe",
                    b"/hooks/%",
                    b"/hooks/%zz/x",
                    b"/.env",
                    b"/a" * 2000,
                ),
                *(
                    b"/hooks/" + quoted,
                    b"/hooks/tradingview/" + quoted,
                    b"/" + quoted,
                    b"/hooks/nobody?" + quoted,
                ),
                b"/hooks/tradingview/%b?" % token.encode()
                + b"&".join(b"a%d=%b" % (n, quoted) for n in range(100)),
                b"http://127.0.0.1/hooks/tradingview/%b" % token.encode(),
                b"/hooks/tradingview/%b/more" % token.encode(),
            )
        )
        return Case("wrong path", request(target))

    def _wrong_method(self) -> Case:
        methods = (
            b"GET",
            b"PUT",
            b"DELETE",
            b"PATCH",
            b"HEAD",
            b"OPTIONS",
            b"TRACE",
            b"PROPFIND",
            b"PURGE",
            b"QUERY",
        )
        method = self._random.choice(methods)
        return Case("wrong method", request(self._path, GOOD, method=method, headers=self._content_type()))

    # -- odd, but HTTP

    def _odd_headers(self) -> Case:
        random = self._random
        odd = random.choice(self._odd.binaries).translate(None, bytes(range(32)) + b"\x7f")
        headers = random.choice(
            (
                (b"X-Odd: " + odd,),
                (b"X-Forwarded-For: " + odd,),
                (b"X-Forwarded-For: 1.2.3.4",) * random.randint(2, 50),
                (b"Cookie: a=;;;=" + odd,),
                (b"Authorization: Basic " + base64.b64encode(odd),),
                (b"Expect: 100-continue",),
                (b"Accept-Encoding: " + b"gzip," * 500,),
                (b"Content-Encoding: " + random.choice((b"gzip", b"br", b"deflate", b"zstd", b"odd")),),
                (b"Range: bytes=9-1", b"If-Match: *", b"Upgrade: h2c"),
                tuple(b"X-%d: %d" % (number, number) for number in range(random.randint(1, 90))),
                (b"X-Long: " + b"x" * random.randint(1000, 8000),),
            )
        )
        _, body = odd_body(random, self._odd)
        return Case("odd headers", request(self._path, body, headers=headers))

    # -- not HTTP any more

    def _broken_headers(self) -> Case:
        random, odd = self._random, self._random.choice(self._odd.binaries)
        headers = random.choice(
            (
                (
                    b"Content-Length: "
                    + random.choice((b"-1", b"1e3", b"+5", b"0x5", b"9" * 30, b"5, 5", b"five", b" ")),
                ),
                (b"Content-Length: 3", b"Content-Length: 4"),
                (b"Content-Length: 60", b"Transfer-Encoding: chunked"),
                (
                    b"Transfer-Encoding: "
                    + random.choice((b"gzip", b"chunked, chunked", b"chunked, identity", b"x" * 99)),
                ),
                (b"Content-Length: %d" % (len(BAD) + random.randint(1, 99_999)),),
                (b"no colon",),
                (b" : empty",),
                (b"X\xff: y",),
                (b"X: a\0b",),
                (b"X : y", b"\tfolded"),
                (b"X-Long: " + b"x" * random.randint(8200, 200_000),),
                tuple(b"X-%d: y" % number for number in range(random.choice((130, 5000)))),
                (odd,),
            )
        )
        return Case("broken headers", request(self._path, headers=headers, length=False), alone=True)

    def _broken_chunks(self) -> Case:
        random, odd = self._random, self._random.choice(self._odd.binaries)
        size = b"%x" % len(BAD)
        chunks = random.choice(
            (
                *(
                    b"zz\r\n" + BAD,
                    b"-5\r\n" + BAD,
                    b"f" * 40 + b"\r\n",
                    b"5\r\n" + BAD,
                    size + b"\r\n" + BAD,
                    b"\r\n\r\n",
                ),
                *(
                    size + b"\r\n" + BAD + b"0\r\n\r\n",
                    size + b"\n" + BAD + b"\n0\n\n",
                    b"0x" + size + b"\r\n" + BAD,
                ),
                *(
                    b"1\r\n" * 5000,
                    b"1;" + b"x" * 20_000 + b"\r\n{\r\n0\r\n\r\n",
                    b"ffff\r\n" + b"x" * 65_535 + b"\r\n" * 2,
                ),
                *(
                    size + b"\r\n" + BAD + b"\r\n0\r\nTrailer: " + b"x" * 9000 + b"\r\n\r\n",
                    b"0\r\n\r\n",
                    odd,
                    size + odd,
                ),
                b"".join(b"1\r\n%c\r\n" % byte for byte in BAD) + b"0\r\n\r\n",
            )
        )
        head = request(self._path, b"", headers=(b"Transfer-Encoding: chunked",), length=False)
        return Case("broken chunks", head + chunks, alone=True)

    def _broken_protocol(self) -> Case:
        random, odd = self._random, self._random.choice(self._odd.binaries)
        whole = request(self._path)
        data = random.choice(
            (
                *(
                    b"",
                    b"\r\n\r\n",
                    b"\0" * 64,
                    odd,
                    odd * 50,
                    odd + b"\r\n\r\n",
                    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" * 9,
                ),
                *(
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                    b"GET\r\n\r\n",
                    b"GET /hooks\r\n\r\n",
                    b"POST / HTTP/9.9\r\n\r\n",
                    b"\n" * 999,
                ),
                *(
                    b"POST  /  HTTP/1.1\r\n\r\n",
                    b"POST / HTTP/1.1 x\r\n\r\n",
                    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"* * *\r\n\r\n",
                ),
                *(
                    b"post / HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"PO\xc3ST / HTTP/1.1\r\n\r\n",
                    b"POST http://[::1/ HTTP/1.1\r\n\r\n",
                ),
                *(
                    whole[: random.randrange(len(whole))],
                    whole + odd,
                    whole + whole[: random.randrange(len(whole))],
                    whole * 3,
                ),
                *(
                    whole.replace(b"\r\n", b"\n"),
                    whole.replace(b"HTTP/1.1", b"HTTP/1.0"),
                    whole.replace(b" ", b"\t", 2),
                ),
                *(
                    b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                    b"POST /hooks/x\xff\xfe?\xfe=\xff HTTP/1.1\r\nHost: a\r\n\r\n",
                ),
            )
        )
        return Case("broken protocol", data, alone=True)
