"""Ages of times in HTML that is rendered once and sent later.

A template writes only the time. The age is filled in when a page or a patch is sent; then the browser keeps counting.
"""

from __future__ import annotations

import re
from datetime import datetime

from markupsafe import Markup

_TIME = re.compile(r'<time datetime="([^"]+)" data-age="(for|ago|)"></time>')


def age(at: datetime | str | None, form: str = "") -> Markup:
    """Return a time element shown as its age: ``3 min``, ``for 3 min`` or ``3 min ago``, depending on ``form``."""
    if not at:
        return Markup("-")
    text = at if isinstance(at, str) else at.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-age="{}"></time>').format(text, form)


def aged(html: str, now: datetime) -> str:
    """Fill the ages into rendered HTML."""

    def written(found: re.Match[str]) -> str:
        form = found[2]
        text = span((now - datetime.fromisoformat(found[1])).total_seconds())
        words = {"for": f"for {text}", "ago": f"{text} ago"}.get(form, text)
        return f'<time datetime="{found[1]}" data-age="{form}">{words}</time>'

    return _TIME.sub(written, html)


def span(seconds: float) -> str:
    """Format a duration in whole units: ``9 s``, ``3 min``, ``5 h``, ``2 d``; ``app.js`` does the same."""
    whole = max(int(seconds), 0)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
