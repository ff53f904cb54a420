"""The checks of ``te doctor`` on the machine: files, disk, clock, certificates, proxies, the user. Only reads.

``CHECKS`` has all of them; other parts of the engine may add findings of the same form.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import ssl
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from te_core.contracts.exchange import Finding, Severity
from te_core.settings.layers import SECRETS_FILE

SCARCE, EXHAUSTED = 1 << 30, 100 << 20
"""Bytes of free space below which there is a warning, and below which there is an error."""
OLD = timedelta(days=365)
"""Age of secrets from which they should be changed."""
TIMEOUT = 4.0
"""Seconds for all checks; ``te doctor`` waits 10 for everything."""
PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The engine's files, and what it was started with."""

    settings: Path
    state: Path
    env: Mapping[str, str]
    now: datetime
    uid: int | None
    """None on systems without user ids."""

    @classmethod
    def here(cls, *, settings: Path, state: Path, env: Mapping[str, str], now: datetime) -> Machine:
        """Return the machine of this process."""
        uid = None if sys.platform == "win32" else os.geteuid()
        return cls(settings=settings, state=state, env=env, now=now, uid=uid)

    @property
    def secrets(self) -> Path:
        """The file with the secrets."""
        return self.settings.with_name(SECRETS_FILE)


Check = Callable[[Machine], Iterator[Finding]]


async def examine_machine(machine: Machine) -> list[Finding]:
    """Run every check in a thread, as a disk may hang. A failed check is a finding, too; nothing is raised."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.to_thread(findings, machine)
    except TimeoutError:
        text = f"{machine.settings.parent} or {machine.state} did not answer within {TIMEOUT:g} s"
        return [
            Finding(severity=Severity.ERROR, check="disk", text=text, remedy="check for a disk that hangs")
        ]


def findings(machine: Machine) -> list[Finding]:
    """Run every check, and wait for the disk. A failed check is a finding, too."""
    found: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            found += check(machine)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            found.append(_warning(name, f"cannot be checked: {reason}", "check the folder by hand"))
    return found


def user(machine: Machine) -> Iterator[Finding]:
    """Warn if the engine runs as root."""
    if machine.uid == 0:
        yield _warning(
            "user",
            "the engine runs as root: a fault in any library can do anything on this machine",
            "run it as its own user: docs/security.md has a systemd unit",
        )


def files(machine: Machine) -> Iterator[Finding]:
    """Check whether other users may read secrets, change settings or write to the state folder."""
    if machine.uid is None:
        return
    checked = (
        (machine.secrets, 0o077, "others may read the keys in it", "chmod 600"),
        (machine.settings, 0o002, "any user may change what is traded", "chmod o-w"),
        (machine.state, 0o022, "others may replace the journal", "chmod go-w"),
    )
    wrong = False
    for path, forbidden, meaning, command in checked:
        if not path.exists():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & forbidden:
            wrong = True
            yield _warning("files", f"{path} has mode {mode:04o}: {meaning}", f"{command} {path}")
    if not wrong:
        yield _ok("files", "only their owner may read secrets, and write settings and state")


def tokens(machine: Machine) -> Iterator[Finding]:
    """Report how long no token or key was changed; the creation time of each is not recorded."""
    if not machine.secrets.exists():
        return
    changed = datetime.fromtimestamp(machine.secrets.stat().st_mtime, UTC)
    age = machine.now - changed
    text = f"no secret in {machine.secrets.name} was changed for {max(age.days, 0)} days"
    if age > OLD:
        yield _warning("tokens", text, "create new webhook tokens and exchange keys: docs/security.md")
    else:
        yield _ok("tokens", text)


def disk(machine: Machine) -> Iterator[Finding]:
    """Check the space that the journal and the logs can grow into."""
    free = shutil.disk_usage(_existing(machine.state)).free
    text = f"{free / (1 << 30):.1f} GiB are free where {machine.state} is"
    remedy = "free disk space: without it alerts are answered 503 and only reductions are sent, for a while"
    if free < EXHAUSTED:
        yield Finding(severity=Severity.ERROR, check="disk", text=text, remedy=remedy)
    elif free < SCARCE:
        yield _warning("disk", text, remedy)
    else:
        yield _ok("disk", text)


def clock(machine: Machine) -> Iterator[Finding]:
    """Check with the kernel whether the clock is synchronised; each account compares it with its exchange's."""
    del machine
    state = clock_state()
    if state is None:
        return
    if state == _TIME_ERROR:
        yield _warning("clock", "nothing synchronises this machine's clock", "timedatectl set-ntp true")
    else:
        yield _ok("clock", "this machine's clock is synchronised")


def certificates(machine: Machine) -> Iterator[Finding]:
    """Check that servers can be verified: slim images come without any certificate."""
    del machine
    known = ssl.create_default_context().cert_store_stats()["x509_ca"]
    paths = ssl.get_default_verify_paths()
    lazily = bool(paths.capath) and any(Path(paths.capath).iterdir())
    if known or lazily:
        yield _ok("tls", f"{ssl.OPENSSL_VERSION}; certificates of authorities are installed")
    else:
        yield Finding(
            severity=Severity.ERROR,
            check="tls",
            text="no certificate of any authority is installed: no exchange can be reached",
            remedy="install the package ca-certificates, or name a file in SSL_CERT_FILE",
        )


def proxies(machine: Machine) -> Iterator[Finding]:
    """Warn about proxies in the environment: the engine only uses those in the settings."""
    given = {name.upper() for name, value in machine.env.items() if value}
    if found := [name for name in PROXY_VARIABLES if name in given]:
        yield _warning(
            "proxy",
            f"{' and '.join(found)} in the environment is not used",
            'set proxy = "http://…" in the section of each account that needs one',
        )


CHECKS: Mapping[str, Check] = {
    "user": user,
    "files": files,
    "tokens": tokens,
    "disk": disk,
    "clock": clock,
    "tls": certificates,
    "proxy": proxies,
}
"""Every check, by the name of its findings."""

_TIME_ERROR = 5
"""What ``adjtimex`` returns if the clock is not synchronised (adjtimex(2))."""
_TIMEX_SIZE = 1024
"""More bytes than ``struct timex`` has on any machine; all zero, it changes nothing."""


def clock_state() -> int | None:
    """Return the kernel's state of the clock; None if it is not available."""
    if sys.platform != "linux":
        return None
    state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE)))
    return state if state >= 0 else None


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _ok(check: str, text: str) -> Finding:
    return Finding(severity=Severity.OK, check=check, text=text)


def _warning(check: str, text: str, remedy: str) -> Finding:
    return Finding(severity=Severity.WARNING, check=check, text=text, remedy=remedy)
