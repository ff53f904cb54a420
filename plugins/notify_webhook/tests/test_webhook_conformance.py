"""The suite for notifiers, with an address on loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from te_core.testing.notifier_conformance import NotifierConformance
from te_core.testing.notifier_harness import HttpNotifierHarness
from te_notify_webhook.plugin import te_notifiers

pytestmark = pytest.mark.wired_clock


class AddressHarness(HttpNotifierHarness):
    """Receives lines in the key "content", as chats do."""

    (spec,) = te_notifiers()

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_post("/hooks/t0ken-0123456789", self.receive)
        return made

    async def receive(self, request: web.Request) -> web.Response:
        self.lines.append(json.loads(await request.read())["content"])
        return web.Response(status=204)

    def options(self) -> Mapping[str, Any]:
        return {"url": f"{self.url}/hooks/t0ken-0123456789", "body": "message", "text_key": "content"}

    async def received(self) -> Sequence[str]:
        return tuple(self.lines)


class TestWebhook(NotifierConformance):
    def make_receiver(self, folder: Path) -> AddressHarness:
        return AddressHarness()
