"""The promise of docs/compatibility.md: no name or signature that plugins use changes unannounced."""

from __future__ import annotations

from tests.architecture import public_api

WRITE = "run: python -m tests.architecture.public_api"


def test_the_list_agrees_with_the_code() -> None:
    written = public_api.NOW.read_text(encoding="utf-8").splitlines()
    found = public_api.lines()
    missing = [f"- {line}" for line in written if line not in set(found)]
    new = [f"+ {line}" for line in found if line not in set(written)]
    assert not [*missing, *new], f"what plugins rely on has changed; name it in the changelog, then {WRITE}"


def test_what_differs_from_the_release_is_in_the_changelog() -> None:
    released = public_api.RELEASED.read_text(encoding="utf-8").splitlines()
    names = public_api.changed(public_api.lines(), released)
    missing = public_api.unmentioned(names, public_api.CHANGELOG.read_text(encoding="utf-8"))
    assert not missing, "the changelog's Unreleased part does not name them"


def test_a_planted_change_is_found() -> None:
    now = public_api.lines()
    assert len(now) > 500
    signal = next(line for line in now if line.startswith("api.Signal("))
    planted = [line.replace("depth:", "width:") if line == signal else line for line in now]
    assert public_api.changed(planted, now) == ["Signal"]
    gone = [line for line in now if not line.startswith("api.printable")]
    assert public_api.changed(gone, now) == ["printable"]
    log = "# Changes\n\n## Unreleased\n\n* `Signal` has a width.\n\n## 0.1\n\n* `printable`.\n"
    assert public_api.unmentioned(["Signal", "printable"], log) == ["printable"]
