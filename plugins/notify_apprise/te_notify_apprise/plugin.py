"""Registers the notifier with the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from te_core.api import NotifierSpec, hookimpl
from te_notify_apprise.notifier import AppriseNotifier
from te_notify_apprise.options import AppriseOptions


@hookimpl
def te_notifiers() -> Iterable[NotifierSpec[Any]]:
    """Yield the notifier's specification."""
    yield NotifierSpec(
        name="apprise",
        settings=AppriseOptions,
        factory=AppriseNotifier,
        summary="notifies by mail, Telegram, Discord, ntfy, Pushover and any other service that Apprise supports",
    )
