"""What this package offers to the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from te_core.api import NotifierSpec, hookimpl
from te_notify_telegram.notifier import TelegramNotifier
from te_notify_telegram.options import TelegramOptions


@hookimpl
def te_notifiers() -> Iterable[NotifierSpec[Any]]:
    """Offer the notifier."""
    yield NotifierSpec(
        name="telegram",
        settings=TelegramOptions,
        factory=TelegramNotifier,
        answers=True,
        summary="tells in Telegram, and answers those who may ask and command there",
    )
