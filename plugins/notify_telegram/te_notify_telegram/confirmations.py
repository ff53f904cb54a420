"""Commands whose plan was shown until they are confirmed: once, in time, by who asked for them, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from te_core.api import Command

MOST = 50
"""Commands that wait at most; the oldest give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that waits for its confirmation until ``ends`` (steady clock)."""

    command: Command
    chat: int
    user: int
    ends: float


class Confirmations:
    """``new_token`` makes what nobody can guess."""

    def __init__(self, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        self._pending: dict[str, Pending] = {}

    def add(self, pending: Pending) -> str:
        """Have a command wait; returns what its button says."""
        while len(self._pending) >= MOST:
            del self._pending[next(iter(self._pending))]
        token = self._new_token()
        self._pending[token] = pending
        return token

    def redeem(self, token: str, *, chat: int, user: int, now: float) -> Pending | str:
        """Return the command of a button, which is worth nothing from then on; or why it does nothing.

        Somebody else's press leaves it as it is.
        """
        pending = self._pending.get(token)
        if pending is None:
            return "this button does nothing any more"
        if (pending.chat, pending.user) != (chat, user):
            return "only who asked for it can confirm it"
        del self._pending[token]
        return pending if now < pending.ends else "too late: ask for it again"
