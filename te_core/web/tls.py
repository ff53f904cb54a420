"""The public listener's own certificate, and the client certificates that it requires."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.errors import ConfigError
from te_core.settings.listeners import ListenerSettings

TRADINGVIEW = {
    "countryName": "US",
    "stateOrProvinceName": "Ohio",
    "localityName": "Westerville",
    "organizationName": "TradingView, Inc.",
    "commonName": "TradingView Webhooks",
}
"""Subject of the certificate that TradingView's webhooks present (tradingview.com/support/solutions/43000529348)."""

_KEY = "listen.public"


class Certificate:
    """The TLS context of new connections, reloaded when one of its files has changed.

    Files are compared at each handshake: renewals arrive by renaming, by symbolic links and in mounted folders, and
    nothing is loaded that no connection needs. Relative names are next to ``settings.toml``.
    """

    def __init__(self, settings: ListenerSettings, folder: Path) -> None:
        """Load the files. Raise `ConfigError` for a file that cannot be used."""
        self._settings = settings
        self._folder = folder
        self._seen = self._state()
        self._present = self.context = self._load()
        self.context.sni_callback = self._greeted  # OpenSSL also calls it for clients without a server name

    def _greeted(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        state = self._state()
        if state != self._seen:
            self._seen = state
            try:
                self._present = self._load()
                logger.info("{}: reloaded the changed certificate", _KEY)
            except ConfigError as error:
                logger.error("cannot use the changed certificate; the old one stays active: {}", error)
        connection.context = self._present

    def _load(self) -> ssl.SSLContext:
        certificate, key, authority = self._files()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        assert certificate is not None
        try:
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"not a certificate and its key in PEM: {_told(error)}",
                key=f"{_KEY}.certificate",
                value=str(certificate),
            ) from None
        if self._settings.client_certificate is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                if authority is None:
                    context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
                else:
                    context.load_verify_locations(authority)
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"no certificates in PEM: {_told(error)}", key=f"{_KEY}.client_ca", value=str(authority)
                ) from None
        return context

    def _files(self) -> tuple[Path | None, ...]:
        settings = self._settings
        names = (settings.certificate, settings.key or settings.certificate, settings.client_ca)
        return tuple(self._folder / name if name else None for name in names)

    def _state(self) -> tuple[Any, ...]:
        return tuple(_file_state(file) for file in self._files() if file is not None)


def is_tradingview(certificate: Mapping[str, Any] | None) -> bool:
    """Return whether a verified client certificate has the subject that TradingView publishes."""
    return dict(_subject(certificate or {})) == TRADINGVIEW


def _subject(certificate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for names in certificate.get("subject", ()):
        yield from names


def _file_state(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _told(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
