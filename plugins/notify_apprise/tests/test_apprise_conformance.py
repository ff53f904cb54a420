"""The suite for notifiers, with a service on loopback. Apprise sends from threads, so time is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from te_core.testing.http_harness import HttpFault
from te_core.testing.notifier_conformance import NotifierConformance
from te_core.testing.notifier_harness import HttpNotifierHarness, NotifierAbility
from te_core.testing.real_clock import SystemClock
from te_notify_apprise.plugin import te_notifiers

pytestmark = pytest.mark.real_clock


class ServiceHarness(HttpNotifierHarness):
    """Accepts JSON with a title and a message. Apprise does not pass on how long a service asks to wait."""

    (spec,) = te_notifiers()
    clock = SystemClock()
    faults: Mapping[NotifierAbility, HttpFault] = {
        ability: fault
        for ability, fault in HttpNotifierHarness.faults.items()
        if ability is not NotifierAbility.LIMIT_THE_RATE
    }

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_post("/t0ken-0123456789", self.receive)
        return made

    async def receive(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.messages.append(f"{said['title']}\n{said['message']}")
        return web.Response()

    def options(self) -> Mapping[str, Any]:
        address = self.url.removeprefix("http://")
        return {"urls": [f"json://me:s3cret-password@{address}/t0ken-0123456789"], "timeout": "5s"}

    def secrets(self) -> Sequence[str]:
        return ("s3cret-password", "t0ken-0123456789")

    async def received(self) -> Sequence[str]:
        return tuple(self.messages)


class TestApprise(NotifierConformance):
    def make_receiver(self, folder: Path) -> ServiceHarness:
        return ServiceHarness()
