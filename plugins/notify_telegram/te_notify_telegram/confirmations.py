"""Commands that await confirmation: once, in time, by the same user in the same chat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from te_core.api import Command

MOST = 50
"""Maximum number of waiting commands; the oldest is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that waits for its confirmation until ``ends`` (monotonic clock)."""

    command: Command
    chat: int
    user: int
    ends: float


class Confirmations:
    """The waiting commands. ``new_token``: returns an unguessable token."""

    def __init__(self, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        self._pending: dict[str, Pending] = {}

    def add(self, pending: Pending) -> str:
        """Store a command until it is confirmed; return the token of its button."""
        while len(self._pending) >= MOST:
            del self._pending[next(iter(self._pending))]
        token = self._new_token()
        self._pending[token] = pending
        return token

    def redeem(self, token: str, *, chat: int, user: int, now: float) -> Pending | str:
        """Return the command of a button and invalidate the button; or return why it does nothing.

        A press by another user changes nothing.
        """
        pending = self._pending.get(token)
        if pending is None:
            return "this button no longer works"
        if (pending.chat, pending.user) != (chat, user):
            return "only the user who requested it can confirm it"
        del self._pending[token]
        return pending if now < pending.ends else "too late: request it again"
