"""The stream of changes on the wire."""

from __future__ import annotations

import http.client
import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.engine_process import TIMEOUT, EngineProcess
from tests.page.visiting import VIEW, Visitor

pytestmark = pytest.mark.real_clock


class Stream:
    """One viewer."""

    def __init__(self, visitor: Visitor, version: str = "", *, packed: bool = True, last: str = "") -> None:
        address = urlsplit(visitor.engine.announcement()["private"])
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
        headers = {"Cookie": visitor.cookie, "Sec-Fetch-Site": "same-origin"}
        headers |= {"Accept-Encoding": "gzip"} if packed else {}
        headers |= {"Last-Event-ID": last} if last else {}
        self.connection.request("GET", f"/live?seq={version}", headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        self._unpack = zlib.decompressobj(wbits=31) if packed else None
        self._text = ""
        self.bytes = 0

    def events(self) -> Iterator[tuple[str, str, Any]]:
        """Return events as they come, as (kind, id, data)."""
        while data := self.response.read1(65_536):
            self.bytes += len(data)
            self._text += (self._unpack.decompress(data) if self._unpack else data).decode()
            while "\n\n" in self._text:
                event, _, self._text = self._text.partition("\n\n")
                fields = dict(line.partition(": ")[::2] for line in event.splitlines())
                if "event" in fields:
                    yield fields["event"], fields.get("id", ""), json.loads(fields["data"])

    def until(self, wanted: Callable[[str, Any], Any]) -> tuple[str, str, Any]:
        """Return the first matching event."""
        return next(event for event in self.events() if wanted(event[0], event[2]))

    def close(self) -> None:
        """Leave."""
        self.response.close()
        self.connection.close()


def version_of(visitor: Visitor) -> str:
    found = re.search(r'data-version="([^"]+)"', visitor.get("/").text)
    assert found
    return found[1]


Layout = Callable[..., Stream]


@pytest.fixture
def look(viewer: Visitor) -> Iterator[Layout]:
    """Open streams of the viewer; they are closed at the end."""
    opened: list[Stream] = []

    def start(version: str = "", **options: Any) -> Stream:
        opened.append(Stream(viewer, version, **options))
        return opened[-1]

    yield start
    for stream in opened:
        stream.close()


@pytest.fixture
def viewer(paper: EngineProcess) -> Visitor:
    return Visitor(paper).sign_in(VIEW)


def test_a_current_viewer_is_sent_changes_and_each_event_at_once(
    viewer: Visitor, look: Layout, paper: EngineProcess
) -> None:
    paper.wait(paper.at_rest)
    for packed in (True, False):
        stream = look(version_of(viewer), packed=packed)
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-store"
        assert stream.response.headers.get("Content-Encoding") == ("gzip" if packed else None)
        size = "70/100" if packed else "50/100"
        paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size=size, price="65000")
        _, identity, data = stream.until(lambda kind, data: kind == "patch" and "r-BTCUSDT" in data["parts"])
        assert 'data-part="r-BTCUSDT"' in data["parts"]["r-BTCUSDT"]
        assert "r-ETHUSDT" not in data["parts"]
        assert int(identity.partition(".")[0]) > 0


def test_a_returning_viewer_gets_what_it_missed_a_new_one_all(
    viewer: Visitor, look: Layout, paper: EngineProcess
) -> None:
    known = version_of(viewer)
    paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="60/100", price="65000")
    paper.wait(paper.at_rest)
    _, _, missed = look("", last=known).until(lambda kind, _: kind == "patch")
    assert "r-BTCUSDT" in missed["parts"]
    assert "r-ETHUSDT" not in missed["parts"]
    number, layout, boot = known.split(".")
    _, _, everything = look(f"{number}.{layout}.{'0' * len(boot)}").until(lambda kind, _: kind == "patch")
    assert {"head", "attention", "totals", "a-paper", "r-BTCUSDT", "r-ETHUSDT", "s-tradingview"} <= set(
        everything["parts"]
    )
    kind, _, _ = next(look(f"{number}.{'0' * len(layout)}.{boot}").events())
    assert kind == "reload"
    paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")


def test_when_nothing_changes_only_beats_are_sent(
    viewer: Visitor, look: Layout, paper: EngineProcess
) -> None:
    paper.wait(paper.at_rest)
    stream = look(version_of(viewer))
    seen = []
    for kind, _, data in stream.events():
        seen.append((kind, sorted(data["parts"]) if kind == "patch" else []))
        if [one for one, _ in seen].count("beat") == 2:
            break
    # the account may be read meanwhile: its age restarts, and the value of its position may differ
    assert {part for _, parts in seen for part in parts} <= {
        "a-paper",
        "totals",
        "equity",
        "stream",
        "head",
        "limits",
    } | {
        "r-BTCUSDT",
        "r-ETHUSDT",
    }
    assert stream.bytes < 8_000


def test_the_stream_of_a_session_that_ends_ends(viewer: Visitor, look: Layout) -> None:
    stream = look(version_of(viewer))
    viewer.post("/logout", {"key": viewer.get("/").field("key")})
    assert [kind for kind, _, _ in stream.events() if kind == "gone"] == []  # and it comes to an end


def test_a_stop_is_announced_before_the_stream_ends(
    paper: EngineProcess, viewer: Visitor, look: Layout
) -> None:
    stream = look(version_of(viewer))
    paper.process.terminate()
    *_, (kind, _, data) = stream.events()
    assert (kind, data) == ("gone", {"reason": "the engine is stopping"})
    assert paper.exit_code() == 0
