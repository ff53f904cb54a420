"""The suite for notifiers, with the Bot API on loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from te_core.testing.http_harness import HttpFault
from te_core.testing.http_loopback import answers
from te_core.testing.notifier_conformance import NotifierConformance
from te_core.testing.notifier_harness import WAIT, HttpNotifierHarness, NotifierAbility
from te_emulators.telegram.server import TOKEN, BotApi
from te_notify_telegram.plugin import te_notifiers

pytestmark = pytest.mark.wired_clock
CHAT = 101


def refusal(status: int, description: str, **parameters: float) -> HttpFault:
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    return answers(status, json.dumps(body).encode())


class BotHarness(HttpNotifierHarness):
    """A chat with the bot."""

    (spec,) = te_notifiers()
    faults: Mapping[NotifierAbility, HttpFault] = {
        **HttpNotifierHarness.faults,
        NotifierAbility.REFUSE_THE_KEY: refusal(401, "Unauthorized"),
        NotifierAbility.REFUSE_THE_MESSAGE: refusal(400, "Bad Request: chat not found"),
        NotifierAbility.LIMIT_THE_RATE: refusal(
            429, f"Too Many Requests: retry after {WAIT:g}", retry_after=WAIT
        ),
    }

    def __init__(self) -> None:
        self.api = BotApi()
        super().__init__()

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_post("/bot{token}/{method}", self.api.serve)
        return made

    def options(self) -> Mapping[str, Any]:
        return {"token": TOKEN, "chats": [CHAT], "api": self.url}

    async def received(self) -> Sequence[str]:
        return self.api.texts(CHAT)


class TestTelegram(NotifierConformance):
    def make_receiver(self, folder: Path) -> BotHarness:
        return BotHarness()
