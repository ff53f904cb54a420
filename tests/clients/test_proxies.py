"""An account's proxy carries all its requests and streams, and its password is shown nowhere."""

from __future__ import annotations

import asyncio
import ssl
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientHttpProxyError, ClientResponseError, TCPConnector, WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loguru import logger
from pydantic import ValidationError

from te_core.api import NotReady, OutcomeUnknown, http_session
from te_core.testing.stream_recorder import StreamRecorder
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_exchange_ccxt.options import CcxtOptions
from tests.clients.loopback_proxy import PASSWORD, QUOTED, USER, LoopbackProxy, proxying
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

BASIC = b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Everything that is logged, at any level."""
    found: list[str] = []
    sink = logger.add(
        lambda line: found.append(str(line)), level=0, format="{message}{exception}", diagnose=True
    )
    yield found
    logger.remove(sink)


def shows_no_password(*texts: str) -> None:
    for secret in (PASSWORD, QUOTED, BASIC):
        assert not [text for text in texts if secret in text]


def through(proxy: LoopbackProxy, /, **options: Any) -> dict[str, Any]:
    """Settings of an account at a host that only the proxy can resolve."""
    return {
        "url": "http://exchange.invalid",
        "ws_url": "ws://exchange.invalid",
        "allow_other_hosts": True,
        "proxy": proxy.url,
        **options,
    }


@pytest.mark.parametrize("name", sorted(PLUGINS))
async def test_everything_goes_through_an_accounts_proxy(name: str, tmp_path: Path, lines: list[str]) -> None:
    """KuCoin names the address of its streams itself: there, the emulator's own."""
    async with (
        running(name) as emulator,
        proxying(exchange=emulator.port) as proxy,
        connected(spec_of(name), emulator, tmp_path, **through(proxy, streams=True)) as account,
    ):
        await account.instruments(["BTCUSDT"])
        recorder = StreamRecorder()
        watching = asyncio.create_task(account.watch(recorder))
        try:
            async with asyncio.timeout(20):
                while not recorder.live:
                    await asyncio.sleep(0.02)
            report = await account.place_order(order("0.01"))
            assert (await account.positions()).value["BTCUSDT"].quantity
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        assert report.client_order_id
        assert {method for method, _ in proxy.asked} == {"GET", "POST"}
        assert proxy.carried, "WebSockets, too"
        assert proxy.refused == 0
    shows_no_password(*lines)


async def test_a_proxy_that_refuses_is_named_and_no_outcome(tmp_path: Path, lines: list[str]) -> None:
    async with proxying() as proxy:
        for address in (proxy.url.replace(USER, "nobody"), f"http://{USER}:{QUOTED}@127.0.0.1:1"):
            options = through(proxy, proxy=address, url="https://exchange.invalid", ws_url="wss://x.invalid")
            async with running("bybit") as emulator:
                with pytest.raises(NotReady, match="check proxy of this account") as raised:
                    async with connected(spec_of("bybit"), emulator, tmp_path, **options):
                        pass
            shows_no_password("".join(traceback.format_exception(raised.value)), repr(raised.value))
        assert proxy.refused
    shows_no_password(*lines)


async def test_an_order_that_breaks_in_the_proxy_is_in_doubt(tmp_path: Path) -> None:
    async with (
        running("bybit") as emulator,
        proxying(exchange=emulator.port) as proxy,
        connected(spec_of("bybit"), emulator, tmp_path, **through(proxy)) as account,
    ):
        await account.instruments(["BTCUSDT"])
        proxy.hosts["exchange.invalid"] = 1
        emulator.abort_connections()
        with pytest.raises(OutcomeUnknown):
            await account.place_order(order("0.01"))
        proxy.hosts["exchange.invalid"] = emulator.port
        await account.place_order(order("0.01", number=2))


async def test_accounts_behind_different_proxies_share_no_limits(tmp_path: Path) -> None:
    """Exchanges count by address, and each proxy has its own."""
    async with running("bybit") as emulator, proxying(exchange=emulator.port) as one:
        other = one.url.replace("127.0.0.1", "localhost")
        found = []
        for number, address in enumerate((one.url, other, one.url)):
            options = through(one, proxy=address)
            async with connected(spec_of("bybit"), emulator, tmp_path / str(number), **options) as account:
                found.append(account._connection._state)
        assert found[0] is found[2]
        assert found[0] is not found[1]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:3128",
        "socks5://127.0.0.1:1080",
        "https://127.0.0.1:3128",
        "http://",
        "http://127.0.0.1:none",
        "http://127.0.0.1:3128/path",
        "http://127.0.0.1:3128?a=b",
        f"ftp://desk:{QUOTED}@127.0.0.1",
    ],
)
def test_an_invalid_proxy_is_refused(address: str) -> None:
    with pytest.raises(ValidationError) as raised:
        CcxtOptions.model_validate({"api_key": "K", "secret": "S", "proxy": address})
    (problem,) = raised.value.errors()
    assert "an HTTP proxy such as http://user:password@127.0.0.1:3128 is needed" in problem["msg"]
    shows_no_password(problem["msg"])


def test_a_proxy_is_shown_as_a_secret() -> None:
    given = f"http://desk:{QUOTED}@127.0.0.1:3128"
    options = CcxtOptions.model_validate({"api_key": "K", "secret": "S", "proxy": given})
    shows_no_password(repr(options), options.model_dump_json())


# -- tunnels


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "secure.invalid")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("secure.invalid"), x509.IPAddress(ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


class Secure:
    """A server with TLS; ``headers`` of every request that came."""

    def __init__(self) -> None:
        self.port = 0
        self.headers: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer, redirect, or echo a WebSocket's messages."""
        self.headers.append(dict(request.headers))
        if request.path == "/moved":
            return web.Response(status=307, headers={"Location": "https://elsewhere.invalid/"})
        if request.path != "/socket":
            return web.Response(text=await request.text())
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket


@asynccontextmanager
async def secure(certificate: Path) -> AsyncIterator[Secure]:
    found = Secure()
    site = web.Application()
    site.router.add_route("*", "/{rest:.*}", found.answer)
    runner = web.AppRunner(site, shutdown_timeout=0)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


async def test_requests_and_streams_with_tls_go_through_a_tunnel(certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with (
        secure(certificate) as server,
        proxying(secure=server.port) as proxy,
        http_session(connector=TCPConnector(ssl=trusted), proxy=proxy.url) as session,
    ):
        async with session.post("https://secure.invalid/order", data="signed-in-clear") as response:
            assert await response.text() == "signed-in-clear"
        async with session.ws_connect("wss://secure.invalid/socket") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
        with pytest.raises(ClientResponseError, match=r"redirect to elsewhere\.invalid refused"):
            await session.post("https://secure.invalid/moved", data="signed-in-clear")
        assert set(proxy.asked) == {("CONNECT", "secure.invalid:443")}
        assert b"signed-in-clear" not in proxy.carried
        assert not [name for seen in server.headers for name in seen if name.lower().startswith("proxy-")]


async def test_a_refused_tunnel_names_the_status_and_no_password() -> None:
    async with (
        proxying() as proxy,
        http_session(proxy=proxy.url.replace(USER, "nobody")) as session,
    ):
        with pytest.raises(ClientHttpProxyError, match="407") as raised:
            await session.get("https://secure.invalid/?signature=abc")
        shows_no_password("".join(traceback.format_exception(raised.value)), repr(raised.value))
        assert "signature" not in str(raised.value)
