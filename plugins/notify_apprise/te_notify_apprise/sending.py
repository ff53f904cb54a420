"""The part that blocks: Apprise itself. Everything here runs in a thread, its import (a second of work) included."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from te_core.api import ConfigError

if TYPE_CHECKING:
    from apprise import Apprise, AppriseAsset

_STATUS = re.compile(r"error=(\d{3})\b")
_TYPES = {
    "outage": "warning",
    "silent": "warning",
    "refused": "warning",
    "drift": "warning",
    "blocked": "warning",
    "breaker": "failure",
    "halt": "failure",
    "flatten": "failure",
    "recovery": "success",
    "heard": "success",
}
"""How Apprise marks a kind of event: a colour, a picture. The others are information."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A service did not take a notice. ``status``: what its server answered, where that is known."""

    service: str
    status: int | None = None


# Every failure would be a line of the engine's log, each time that it is tried again; an outage is logged once.
_LOGGER = logging.getLogger("apprise")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False


def send(url: str, number: int, title: str, body: str, kind: str) -> Failed | None:
    """Tell one service; blocks until it has answered. Raises ``ConfigError`` for an address that Apprise refuses."""
    from apprise import NotifyType

    service = _service(url, number)
    found = service.notify(
        body=body,
        title=title,
        notify_type=NotifyType(_TYPES.get(kind, "info")),
        body_format="text",
        log_level=logging.WARNING,
    )
    if found:
        return None
    # Of what Apprise says nothing but the figure is passed on: addresses hold tokens, in spellings of their own.
    said = [entry.message for result in found.results for entry in result.logs()]
    statuses = [int(status) for text in said for status in _STATUS.findall(text)]
    name = str(service[0].service_name)
    return Failed(service=name, status=statuses[-1] if statuses else None)


def _service(url: str, number: int) -> Apprise:
    from apprise import Apprise

    asset = _asset()
    made = Apprise.instantiate(url, asset=asset)
    if made is None:
        scheme = url.partition("://")[0]
        raise ConfigError(
            f"Apprise does not understand number {number}: there is no service {scheme}://, a part of the address is "
            "missing, or a package that the service needs is not installed"
        )
    service = Apprise(asset=asset)
    service.add(made)
    return service


def _asset() -> AppriseAsset:
    """Return how Apprise is to behave: in this thread only, on no disk, following no redirect."""
    from apprise import AppriseAsset, PersistentStoreMode

    return AppriseAsset(
        app_id="trade-engine",
        app_desc="trade-engine",
        app_url="",
        async_mode=False,
        http_redirects=False,
        interpret_escapes=False,
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=0,  # it would send from threads that nobody can leave behind
    )
