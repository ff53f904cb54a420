"""The public listener with its own TLS, and with TradingView's client certificate in addition to the token."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import ValidationError

from te_core.errors import ConfigError
from te_core.settings.listeners import ListenSettings
from te_core.web import connections, encrypting
from te_core.web.tls import is_tradingview

pytestmark = pytest.mark.real_clock

ONE = b"GET /hooks/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PUBLISHED = {
    NameOID.COUNTRY_NAME: "US",
    NameOID.STATE_OR_PROVINCE_NAME: "Ohio",
    NameOID.LOCALITY_NAME: "Westerville",
    NameOID.ORGANIZATION_NAME: "TradingView, Inc.",
    NameOID.COMMON_NAME: "TradingView Webhooks",
}


class Authority:
    """Signs certificates; ``file`` is its own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        made = self._build(self._name, self._key.public_key(), ca=True)
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def sign(self, file: str, **subject: str) -> Path:
        """Write a certificate with its key into one file."""
        return self.sign_as(file, {NameOID.COMMON_NAME: subject.get("name", "localhost")})

    def sign_as(self, file: str, subject: dict[x509.ObjectIdentifier, str]) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject.items()])
        made = self._build(name, key.public_key(), ca=False)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path = self._folder / file
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
        return path

    def _build(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if ca:
            signing = {"key_cert_sign": True, "crl_sign": True, "digital_signature": True}
            others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
            usage = x509.KeyUsage(
                **signing, **dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
            )
            builder = builder.add_extension(usage, critical=True)
        else:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def trusting(authority: Authority, own: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.file)
    context.check_hostname = False
    if own is not None:
        context.load_cert_chain(own)
    return context


async def ask(site: Any, context: ssl.SSLContext) -> tuple[bytes, str]:
    """Return the answer and the name in the listener's certificate."""
    port = site.servers.public.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    subject = writer.get_extra_info("peercert")["subject"]
    writer.write(ONE)
    answer = await reader.read()
    writer.close()
    return answer, subject[-1][0][1]


async def test_an_alert_comes_encrypted(serve: Any, authority: Authority) -> None:
    authority.sign("own.pem")
    async with serve(public={"certificate": "own.pem"}) as site:
        assert site.public.startswith("https://127.0.0.1:")
        answer, _ = await ask(site, trusting(authority))
        assert b" 200 " in answer
        assert site.request.client == "127.0.0.1"
        assert await site.raw(ONE) == b""  # without TLS
        assert len(site.engine.requests) == 1


async def test_a_renewed_certificate_is_used_at_once(serve: Any, authority: Authority, logged: Any) -> None:
    file = authority.sign("own.pem", name="first")
    async with serve(public={"certificate": "own.pem"}) as site:
        assert (await ask(site, trusting(authority)))[1] == "first"
        authority.sign("next.pem", name="second").replace(file)
        assert (await ask(site, trusting(authority)))[1] == "second"
        file.write_text("half a file")
        assert (await ask(site, trusting(authority)))[1] == "second"
        assert (await ask(site, trusting(authority)))[1] == "second"
        assert sum("the old one stays" in line for line in logged) == 1
        authority.sign("own.pem", name="third")
        os.utime(file, ns=(1, 1))
        assert (await ask(site, trusting(authority)))[1] == "third"


async def test_tradingviews_certificate_can_be_asked_for(serve: Any, authority: Authority) -> None:
    authority.sign("own.pem")
    own = {"certificate": "own.pem", "client_certificate": "tradingview", "client_ca": "ca.pem"}
    theirs = authority.sign_as("tradingview.pem", PUBLISHED)
    other = authority.sign_as("other.pem", {**PUBLISHED, NameOID.COMMON_NAME: "Somebody"})
    forged = Authority(authority.file.parent, "other-ca").sign_as("forged.pem", PUBLISHED)
    async with serve(public=own) as site:
        assert b" 200 " in (await ask(site, trusting(authority, theirs)))[0]
        assert b" 503 " in (await ask(site, trusting(authority, other)))[0]
        for unknown in (None, forged):
            with suppress(ssl.SSLError, ConnectionError):  # with TLS 1.3 it may also just be closed
                assert (await ask(site, trusting(authority, unknown)))[0] == b""
        assert len(site.engine.requests) == 1


async def early_bird(authority: Authority, url: str) -> bytes:
    """Send a request whose first bytes arrive before the server's loop polls for the first time."""
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(authority).wrap_bio(received, sent)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as bird:
        bird.sendall(sent.read())  # meanwhile the loop, whose thread this is, accepts nothing
        bird.setblocking(False)
        loop = asyncio.get_running_loop()

        async def until_done(step: Callable[[], Any]) -> Any:
            while True:
                with suppress(ssl.SSLWantReadError):
                    result = step()
                    await loop.sock_sendall(bird, sent.read())
                    return result
                await loop.sock_sendall(bird, sent.read())
                received.write(await loop.sock_recv(bird, 65536))

        async with asyncio.timeout(10):
            await until_done(tls.do_handshake)
            await until_done(lambda: tls.write(ONE))
            return bytes(await until_done(lambda: tls.read(65536)))


@pytest.mark.parametrize("run", [asyncio.run, pytest.importorskip("uvloop").run], ids=["asyncio", "uvloop"])
def test_a_client_that_is_faster_than_the_listener_is_served(
    serve: Any, authority: Authority, run: Callable[[Any], bytes]
) -> None:
    """On uvloop its first bytes were lost, and with them the alert, whenever the engine was busy."""
    authority.sign("own.pem")

    async def ask_early() -> bytes:
        async with serve(public={"certificate": "own.pem"}) as site:
            return await early_bird(authority, site.public)

    assert b" 200 " in run(ask_early())


async def test_unfinished_handshakes_block_no_alert(
    serve: Any, authority: Authority, monkeypatch: Any
) -> None:
    monkeypatch.setattr(connections, "MOST", 10)
    monkeypatch.setattr(encrypting, "_HANDSHAKE", 60)
    authority.sign("own.pem")
    async with serve(public={"certificate": "own.pem"}) as site:
        port = site.servers.public.port
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        for _ in range(3):
            assert b" 200 " in (await ask(site, trusting(authority)))[0]
        assert len(site.servers.public.connections) <= 10
        assert await crowd[0][0].read() == b""
        for _, writer in crowd:
            writer.close()


@pytest.mark.parametrize("text", [None, "", "no certificate"])
async def test_a_certificate_that_cannot_be_used_is_named(
    serve: Any, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "own.pem").write_text(text)
    with pytest.raises(ConfigError, match=r"listen\.public\.certificate = .*own\.pem"):
        async with serve(public={"certificate": "own.pem"}):
            pass


def test_without_a_certificate_its_companions_are_refused() -> None:
    for name, value in (("key", "a"), ("client_ca", "a"), ("client_certificate", "tradingview")):
        with pytest.raises(ValidationError, match="no effect without certificate"):
            ListenSettings.model_validate({"public": {name: value}})


def test_only_the_published_subject_is_tradingviews() -> None:
    subject = (
        (("countryName", "US"),),
        (("stateOrProvinceName", "Ohio"),),
        (("localityName", "Westerville"),),
        (("organizationName", "TradingView, Inc."),),
        (("commonName", "TradingView Webhooks"),),
    )
    assert is_tradingview({"subject": subject})
    assert not is_tradingview({"subject": subject[:-1]})
    assert not is_tradingview({"subject": (*subject, (("organizationalUnitName", "x"),))})
    assert not is_tradingview({})
    assert not is_tradingview(None)
