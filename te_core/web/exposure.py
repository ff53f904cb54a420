"""The exposure of the listeners by their settings, as findings for the start and for ``te doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from te_core.contracts.exchange import Finding, Severity
from te_core.settings.listeners import ListenSettings, is_loopback

_PROXY = "put a reverse proxy with TLS in front and name it in trusted_proxies, or set certificate and key"


def exposure(settings: ListenSettings) -> Iterator[Finding]:
    """Return the findings that follow from the settings alone."""
    public, private = settings.public, settings.private
    where = f"{public.host}:{public.port}"
    if public.certificate is not None:
        yield _finding("public listener", Severity.OK, f"{where} with its own TLS")
    elif is_loopback(public.host):
        proxied = f" behind {', '.join(public.trusted_proxies)}" if public.trusted_proxies else ""
        yield _finding("public listener", Severity.OK, f"{where}, this machine only{proxied}")
    elif public.trusted_proxies:
        yield _finding("public listener", Severity.OK, f"{where} behind {', '.join(public.trusted_proxies)}")
    else:
        text = f"{where} can be reached from outside without TLS: anyone who sees the traffic has the token"
        yield _finding("public listener", Severity.WARNING, text, f"listen.public: {_PROXY}")
    if private.socket is not None:
        yield _finding("private listener", Severity.OK, f"socket {private.socket}, its owner only")
    elif is_loopback(private.host):
        yield _finding("private listener", Severity.OK, f"{private.host}:{private.port}, this machine only")
    else:
        text = f"{private.host}:{private.port} can be reached from outside without TLS"
        yield _finding("private listener", Severity.WARNING, text, "listen on 127.0.0.1, and use a tunnel")


def forwarded_by(peer: str) -> Finding:
    """Return the finding for an ``X-Forwarded-For`` from a peer that is not trusted."""
    text = (
        f"X-Forwarded-For from {peer}, which listen.public.trusted_proxies does not list: it is ignored, and every "
        "sender behind that proxy counts as the proxy's address, for allow and for the lock-out"
    )
    return _finding("proxy", Severity.WARNING, text, f'add "{peer}" to trusted_proxies if it is your proxy')


def _finding(check: str, severity: Severity, text: str, remedy: str = "") -> Finding:
    return Finding(severity=severity, check=check, text=text, remedy=remedy)
