"""A sender that is an HTTP server, for the conformance suite of sources that poll; mark it ``wired_clock``."""

from __future__ import annotations

from collections.abc import Mapping

from te_core.testing.http_harness import HttpFault
from te_core.testing.http_loopback import GONE, SILENT, HttpLoopback, answers
from te_core.testing.source_harness import SourceAbility, SourceHarness


class HttpSourceHarness(HttpLoopback[SourceAbility], SourceHarness):
    """A harness whose sender is an aiohttp application. A subclass adds ``application``, ``options`` and ``send``."""

    faults: Mapping[SourceAbility, HttpFault] = {
        SourceAbility.GO_AWAY: GONE,
        SourceAbility.HANG: SILENT,
        SourceAbility.SEND_GARBAGE: answers(200),
        SourceAbility.REFUSE_THE_KEY: answers(401),
    }
