"""Manages sessions, one-time links, and the count of wrong tokens by address.

Only digests of cookies are stored, in memory and in the state folder: sessions survive a restart, and the file cannot
be used to sign in.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from loguru import logger

from te_core.clock import Clock
from te_core.settings.files import replace_file

FILE = "page-sessions.json"
MOST = 200
"""Maximum number of sessions; the one that ends first is dropped."""
CODE_LASTS = 60.0
"""Lifetime of a one-time link, in seconds."""
WRONG_TOKENS = 5
WITHIN = 60.0
"""Seconds within which more than ``WRONG_TOKENS`` wrong tokens lock an address out."""
MOST_ADDRESSES = 1000
_RENEW = 10
"""A session is renewed once a tenth of its lifetime has passed."""


class Role(StrEnum):
    """What a session may do."""

    CONTROL = "control"
    """Read, and send commands."""
    VIEW = "view"
    """Read only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser."""

    key: str
    """Digest of its cookie."""
    role: Role
    until: datetime

    @property
    def name(self) -> str:
        """Return its name in the journal and the log."""
        return self.key[:4]


class SessionFile:
    """The file in which sessions survive a restart; readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str:
        """Return the content of the file. Raises ``OSError``."""
        return self.path.read_text(encoding="utf-8")

    async def write(self, text: str) -> None:
        """Replace the file, in a thread. Raises ``OSError``."""
        await asyncio.to_thread(replace_file, self.path, text, mode=0o600)


class Sessions:
    """All sessions. ``tokens``: the token of each role. ``lasts``: lifetime without use."""

    def __init__(
        self,
        file: SessionFile,
        tokens: Mapping[Role, str],
        *,
        clock: Clock,
        new_secret: Callable[[], str],
        lasts: timedelta,
    ) -> None:
        self._file = file
        self._tokens = tokens
        self._clock = clock
        self._new_secret = new_secret
        self._lasts = lasts
        self._sessions: dict[str, Session] = {}
        self._codes: dict[str, tuple[float, Role]] = {}
        self._wrong: dict[str, deque[float]] = {}
        self._saving = asyncio.Lock()
        self._load()

    # -- tokens

    def role_of(self, token: str, address: str) -> Role | None:
        """Return the role of a token; None for a wrong one, which is counted for its address."""
        given = token.encode("utf-8", "replace")
        found = [role for role, own in self._tokens.items() if hmac.compare_digest(given, own.encode())]
        if found:
            return found[0]
        self._count_wrong(address)
        return None

    def locked_out(self, address: str) -> bool:
        """Return whether too many wrong tokens came from an address."""
        times = self._wrong.get(address)
        return times is not None and len(times) > WRONG_TOKENS and not self._is_old(times)

    def _is_old(self, times: deque[float]) -> bool:
        return times[0] < self._clock.monotonic() - WITHIN

    def _count_wrong(self, address: str) -> None:
        times = self._wrong.pop(address, None) or deque(maxlen=WRONG_TOKENS + 1)
        times.append(self._clock.monotonic())
        self._wrong[address] = times
        while len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]

    # -- one-time links

    def make_code(self, role: Role) -> str:
        """Return a code that opens a session once, within a minute."""
        now = self._clock.monotonic()
        self._codes = {key: one for key, one in self._codes.items() if one[0] > now}
        code = self._new_secret()
        self._codes[_digest(code)] = (now + CODE_LASTS, role)
        return code

    def redeem(self, code: str, address: str) -> Role | None:
        """Return the role of a code and invalidate it; None if it is used, too old or wrong."""
        until, role = self._codes.pop(_digest(code), (0.0, Role.VIEW))
        if until > self._clock.monotonic():
            return role
        self._count_wrong(address)
        return None

    # -- sessions

    async def open(self, role: Role) -> tuple[str, Session]:
        """Open a session; return its cookie and the session."""
        cookie = self._new_secret()
        session = Session(key=_digest(cookie), role=role, until=self._clock.now() + self._lasts)
        self._sessions[session.key] = session
        self._forget_old()
        await self._save()
        return cookie, session

    async def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie and renew it; None if there is none."""
        session = self._sessions.get(_digest(cookie))
        now = self._clock.now()
        if session is None or session.until <= now:
            return None
        renewed = now + self._lasts
        if renewed - session.until > self._lasts / _RENEW:
            session = replace(session, until=renewed)
            self._sessions[session.key] = session
            await self._save()
        return session

    def is_open(self, session: Session) -> bool:
        """Return whether a session is still open."""
        found = self._sessions.get(session.key)
        return found is not None and found.until > self._clock.now()

    async def close(self, session: Session) -> None:
        """End a session."""
        if self._sessions.pop(session.key, None) is not None:
            await self._save()

    # -- the file

    def _forget_old(self) -> None:
        now = self._clock.now()
        kept = [one for one in self._sessions.values() if one.until > now]
        kept.sort(key=lambda one: one.until)
        self._sessions = {one.key: one for one in kept[-MOST:]}

    def _load(self) -> None:
        """Load the sessions of an earlier run, except those opened with a different token."""
        try:
            rows = json.loads(self._file.read())["sessions"]
            found = [
                Session(
                    key=str(row["key"]), role=Role(row["role"]), until=datetime.fromisoformat(row["until"])
                )
                for row in rows
                if row["token"] == self._token_mark(Role(row["role"]))
            ]
            self._sessions = {one.key: one for one in found}
            self._forget_old()
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._sessions = {}
            logger.warning("page: cannot read {} ({}); all users must sign in again", self._file.path, error)

    async def _save(self) -> None:
        async with self._saving:
            rows = [
                {
                    "key": one.key,
                    "role": one.role,
                    "until": one.until.isoformat(),
                    "token": self._token_mark(one.role),
                }
                for one in self._sessions.values()
            ]
            text = json.dumps({"sessions": rows})
            try:
                await self._file.write(text)
            except OSError as error:
                logger.warning("page: cannot write sessions ({}); they end with this run", error)

    def _token_mark(self, role: Role) -> str:
        return _digest(f"{role} {self._tokens.get(role, '')}")[:16]


def form_key(cookie: str) -> str:
    """Return the key that every form of a session carries; pages of other sites cannot know it."""
    return hmac.digest(cookie.encode(), b"form", "sha256").hex()[:32]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
