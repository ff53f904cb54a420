"""Security headers of responses to browsers, and checks of their requests."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from te_core.page.sessions import form_key

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types te",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send Origin: null with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "Server": "trade-engine",
}

COOKIE = "te_session"


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name; no other host and no plain HTTP can set one that starts with ``__Host-``."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def came_from_own_page(request: web.Request) -> bool:
    """Return whether the browser reports that one of our own pages sent this request."""
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("Host", "")


def has_form_key(form: Mapping[str, object], cookie: str) -> bool:
    """Return whether a form belongs to a page of this session."""
    given = form.get("key")
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "replace"), form_key(cookie).encode()
    )


def local_path(text: str) -> str:
    """Return the text if it is a local path to redirect to, else the path of the first page."""
    own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if own and "\\" not in text and len(text) <= 500 else "/"
