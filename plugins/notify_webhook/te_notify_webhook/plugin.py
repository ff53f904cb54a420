"""Registers the notifier with the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from te_core.api import NotifierSpec, hookimpl
from te_notify_webhook.notifier import WebhookNotifier
from te_notify_webhook.options import WebhookNotifierOptions


@hookimpl
def te_notifiers() -> Iterable[NotifierSpec[Any]]:
    """Yield the notifier's specification."""
    yield NotifierSpec(
        name="webhook",
        settings=WebhookNotifierOptions,
        factory=WebhookNotifier,
        summary="posts events to an address",
    )
