"""Recorded responses, served by an emulator instead of its own, or compared with its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from te_core.api import ExchangeSpec
from te_emulators.accounts import connected
from te_emulators.venues import running
from te_emulators.wire.call import Call, Reply, json_reply
from te_emulators.wire.server import WireServer
from tests.samples.reader import entries


def recorded(venue: str, name: str) -> Any:
    """Return the response of the entry of exactly that name; skips if the samples are absent."""
    (answer,) = (entry["response"] for entry in entries(venue) if entry["name"] == name)
    return answer


@asynccontextmanager
async def served(
    spec: ExchangeSpec[Any],
    folder: Path,
    at_first: Mapping[str, str] | None = None,
    /,
    **options: Any,
) -> AsyncIterator[tuple[Any, Serving]]:
    """An open account, and its exchange's responses by path; ``at_first``: already while it is opened."""
    async with running(spec.name) as server:
        serving = Serving(spec.name, server)
        serving.answer(at_first or {})
        async with connected(spec, server, folder, **options) as account:
            yield account, serving


class Serving:
    """``asked``: paths that were answered with a recording. ``sent``: the bodies of those requests."""

    def __init__(self, venue: str, server: WireServer) -> None:
        self._venue = venue
        self.server = server
        self.asked: list[str] = []
        self.sent: list[bytes] = []
        self._answers: dict[str, Any] = {}
        server.success = self._instead_of(server.success)  # type: ignore[assignment, method-assign]  # for this test
        server.failure = self._instead_of(server.failure)  # type: ignore[assignment, method-assign]

    def answer(self, names: Mapping[str, str]) -> None:
        """Answer those paths with entries of those names from now on."""
        self._answers |= {path: recorded(self._venue, name) for path, name in names.items()}

    def _instead_of(self, usual: Callable[[Call, Any], Reply]) -> Callable[[Call, Any], Reply]:
        """Instead of the emulator's own response: it refuses to change a setting to its current value."""

        def reply(call: Call, content: Any) -> Reply:
            if call.path not in self._answers:
                return usual(call, content)
            self.asked.append(call.path)
            self.sent.append(call.body)
            return json_reply(self._answers[call.path])

        return reply


async def tells_time(account: Any, milliseconds: int) -> bool:
    """Whether the measured clock skew is that to an exchange whose clock shows that time (since 1970)."""
    adapter = account._adapter
    before = adapter.exchange.milliseconds()
    skew = await adapter.clock_skew()
    return bool(before <= skew + milliseconds <= adapter.exchange.milliseconds())


def differences(answered: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Yield where two JSON values differ in keys or types, recursively; lists by their first elements.

    Null matches everything, as does an empty list, and JSON has one kind of number.
    """
    if answered is None or expected is None:
        return
    if _kind(answered) is not _kind(expected):
        yield f"{path}: {_kind(answered).__name__}, not {_kind(expected).__name__}"
    elif isinstance(expected, dict):
        yield from (f"{path}.{name}: only here" for name in sorted(set(answered) - set(expected)))
        yield from (f"{path}.{name}: missing" for name in sorted(set(expected) - set(answered)))
        for name in sorted(set(answered) & set(expected)):
            yield from differences(answered[name], expected[name], f"{path}.{name}")
    elif isinstance(expected, list) and answered and expected:
        yield from differences(answered[0], expected[0], f"{path}[]")


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)
