"""Sessions of browsers: who gets one, how long it lasts, and what their file reveals."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from te_core.page.sessions import (
    CODE_LASTS,
    MOST,
    WRONG_TOKENS,
    Role,
    Session,
    SessionFile,
    Sessions,
    form_key,
)
from te_core.settings.files import replace_file
from te_core.testing.virtual_clock import VirtualClock

TOKENS = {Role.CONTROL: "control-token-of-some-length", Role.VIEW: "view-token-of-some-length"}
HOUR = timedelta(hours=1)


def counted() -> Callable[[], str]:
    """Return secrets that differ."""
    made = iter(range(10_000))
    return lambda: f"secret number {next(made)}"


class DirectFile(SessionFile):
    """Written synchronously: there are no threads on the virtual clock."""

    async def write(self, text: str) -> None:
        replace_file(self.path, text, mode=0o600)


def sessions(
    file: Path, tokens: dict[Role, str] = TOKENS, secret: Callable[[], str] | None = None
) -> Sessions:
    return Sessions(
        DirectFile(file), tokens, clock=VirtualClock(), new_secret=secret or counted(), lasts=HOUR
    )


async def test_a_token_opens_its_role_and_nothing_else_opens_any(tmp_path: Path) -> None:
    found = sessions(tmp_path / "s.json")
    assert found.role_of(TOKENS[Role.CONTROL], "a") is Role.CONTROL
    assert found.role_of(TOKENS[Role.VIEW], "a") is Role.VIEW
    for wrong in ("", "x", TOKENS[Role.VIEW] + " ", TOKENS[Role.VIEW][:-1], "é", "\ud800"):
        assert found.role_of(wrong, "a") is None, wrong


async def test_a_session_lasts_while_it_is_used_and_ends_an_hour_later(tmp_path: Path) -> None:
    found = sessions(tmp_path / "s.json")
    cookie, session = await found.open(Role.VIEW)
    for _ in range(5):
        await asyncio.sleep(HOUR.total_seconds() - 1)
        again = await found.find(cookie)
        assert again is not None
        assert (again.key, again.role) == (session.key, Role.VIEW)
    await asyncio.sleep(HOUR.total_seconds() + 1)
    assert await found.find(cookie) is None
    assert not found.is_open(session)


async def test_a_closed_session_is_over_and_a_stranger_has_none(tmp_path: Path) -> None:
    found = sessions(tmp_path / "s.json")
    cookie, session = await found.open(Role.CONTROL)
    assert await found.find(cookie + "x") is None
    await found.close(session)
    assert await found.find(cookie) is None


async def test_a_restart_keeps_sessions_and_a_new_token_ends_them(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    found = sessions(file)
    control, _ = await found.open(Role.CONTROL)
    view, _ = await found.open(Role.VIEW)
    restarted = sessions(file)
    assert await restarted.find(control) is not None
    assert await restarted.find(view) is not None
    changed = sessions(file, {**TOKENS, Role.VIEW: "another-view-token-altogether"})
    assert await changed.find(control) is not None
    assert await changed.find(view) is None


async def test_the_file_is_its_owners_and_opens_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    cookie, session = await sessions(file).open(Role.CONTROL)
    text = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cookie not in text
    assert not any(token in text for token in TOKENS.values())
    assert await sessions(file).find(session.key) is None  # the file does not contain a usable cookie


async def test_a_damaged_file_costs_a_sign_in_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    for text in (
        "",
        "[]",
        "{",
        '{"sessions": [{"key": 1}]}',
        '{"sessions": [{"role": "king", "token": ""}]}',
    ):
        file.write_text(text)
        cookie, _ = await sessions(file).open(Role.VIEW)
        assert await sessions(file).find(cookie) is not None


async def test_there_are_never_more_sessions_than_are_kept(tmp_path: Path) -> None:
    found = sessions(tmp_path / "s.json")
    opened: list[tuple[str, Session]] = []
    for _ in range(MOST + 3):
        await asyncio.sleep(1)
        opened.append(await found.open(Role.VIEW))
    kept = [session for _, session in opened if found.is_open(session)]
    assert kept == [session for _, session in opened[3:]]


async def test_a_link_opens_once_and_for_a_minute_only(tmp_path: Path) -> None:
    found = sessions(tmp_path / "s.json")
    code = found.make_code(Role.VIEW)
    assert found.redeem(code, "a") is Role.VIEW
    assert found.redeem(code, "a") is None
    late = found.make_code(Role.CONTROL)
    await asyncio.sleep(CODE_LASTS + 1)
    assert found.redeem(late, "a") is None


async def test_wrong_tokens_are_throttled_and_the_right_one_works(
    tmp_path: Path,
) -> None:
    found = sessions(tmp_path / "s.json")
    for _ in range(WRONG_TOKENS):
        found.role_of("wrong", "a")
    assert not found.locked_out("a")
    found.role_of("wrong", "a")
    assert found.locked_out("a")
    assert not found.locked_out("b")
    assert found.role_of(TOKENS[Role.CONTROL], "a") is Role.CONTROL
    await asyncio.sleep(61)
    assert not found.locked_out("a")


def test_forms_of_two_sessions_differ() -> None:
    assert form_key("one") != form_key("two")
    assert form_key("one") == form_key("one")
