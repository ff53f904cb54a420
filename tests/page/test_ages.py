"""Ages: filled in when a page is sent, not when it is rendered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from te_core.page.ages import age, aged, span

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (9.9, "9 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7200, "2 h"),
        (86_400 * 2, "2 d"),
    ],
)
def test_spans_are_whole(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_what_was_drawn_grows_older() -> None:
    html = f"<p>{age(NOW - timedelta(seconds=5), 'for')} {age((NOW - timedelta(hours=3)).isoformat(), 'ago')}</p>"
    assert ">for 5 s</time>" in aged(html, NOW)
    assert ">3 h ago</time>" in aged(html, NOW)
    assert ">for 65 s</time>" in aged(html, NOW + timedelta(minutes=1))
    assert age(None) == "-"


def test_a_time_from_outside_cannot_break_out() -> None:
    assert "<b>" not in age('"><b>')
