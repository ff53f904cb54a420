"""The blocking part: Apprise itself. All of it runs in a thread, including its import, which takes a second."""

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
"""Apprise's notification type (colour, icon) of event kinds; ``info`` for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A service did not accept a notice."""

    service: str
    status: int | None = None
    """Of its server's response, if known."""


# Otherwise every retry would log a line; the engine logs an outage once.
_LOGGER = logging.getLogger("apprise")
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False


def send(url: str, number: int, title: str, body: str, kind: str) -> Failed | None:
    """Send to one service; blocks until it answers. Raises ``ConfigError`` for an address that Apprise refuses."""
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
    # Only the status is passed on: Apprise's messages may contain tokens from addresses, in other spellings.
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
            f"Apprise cannot parse number {number}: there is no service {scheme}://, a part of the address is "
            "missing, or a package that the service needs is not installed"
        )
    service = Apprise(asset=asset)
    service.add(made)
    return service


def _asset() -> AppriseAsset:
    """Return the Apprise configuration: this thread only, nothing on disk, no redirects."""
    from apprise import AppriseAsset, PersistentStoreMode

    return AppriseAsset(
        app_id="trade-engine",
        app_desc="trade-engine",
        app_url="",
        async_mode=False,
        http_redirects=False,
        interpret_escapes=False,
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=0,  # otherwise it would send from threads that cannot be abandoned
    )
