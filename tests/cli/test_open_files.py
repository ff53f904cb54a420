"""The limit of open files: as high as the system allows, and never used up by strangers."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from te_core.app.announcement import Announcement
from te_core.app.process import allow_many_files

if sys.platform == "win32":  # it has no module `resource` either
    pytest.skip("Windows has no such limit", allow_module_level=True)
else:
    import resource

FEW = 256
"""Files that a process may have open on some systems, at most."""


def test_strangers_cannot_use_up_few_files(folder: Any, started: Any) -> None:
    engine = started(folder, "sh", "-c", f'ulimit -n {FEW} && exec "$@"', "sh")
    announced = Announcement.read(folder.state)
    assert announced is not None
    ports = [int(urlsplit(url).port or 0) for url in (announced.public, announced.private)]
    with ExitStack() as crowd:
        for _ in range(FEW):
            for port in ports:
                with suppress(OSError):  # it is refused, or reset at once
                    crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
        sent = folder.te(
            "signal",
            "send",
            "--symbol",
            "BTCUSDT.P",
            "--direction",
            "long",
            "--size",
            "1",
            "--price",
            "64000",
        )
        assert sent.exit_code == 0, sent.output
        status = folder.json("status")
    assert status["engine"]["status"] == "ready"
    events = folder.json("events", "--kind", "listener")
    assert "connections from 127.0.0.1 are open" in str(events)
    assert engine.stop() == 0


@pytest.mark.parametrize(
    ("hard", "most", "allowed"),
    [
        (resource.RLIM_INFINITY, 10_240, 10_240),  # macOS: more than kern.maxfilesperproc is refused
        (resource.RLIM_INFINITY, 1 << 20, 65_536),
        (4_096, 1 << 20, 4_096),
        (1_024, 1 << 20, 1_024),
        (resource.RLIM_INFINITY, 256, 256),
    ],
)
def test_as_many_files_are_allowed_as_the_system_accepts(
    hard: int, most: int, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [256, hard]

    def set_limit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    allow_many_files()
    assert limits == [allowed, hard]
