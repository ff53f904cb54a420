"""Registers the notifier with the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from te_core.api import NotifierSpec, hookimpl
from te_notify_telegram.notifier import TelegramNotifier
from te_notify_telegram.options import TelegramOptions


@hookimpl
def te_notifiers() -> Iterable[NotifierSpec[Any]]:
    """Yield the notifier's specification."""
    yield NotifierSpec(
        name="telegram",
        settings=TelegramOptions,
        factory=TelegramNotifier,
        answers=True,
        summary="notifies in Telegram, and answers questions and commands of permitted users",
    )
