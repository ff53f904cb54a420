"""``te status --watch``: redraw one page that fits the terminal; keep the last one while the engine does not answer."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from te_core.cli.client import EngineDown
from te_core.cli.columns import Line, cut_line, for_terminal
from te_core.cli.failure import Failure
from te_core.cli.output import RICH_STYLES
from te_core.cli.status_screen import ALL, HELD, OFF_TARGET, Layout, Screen, screen
from te_core.clock import SystemClock
from te_core.reporting.figures import age
from te_core.reporting.view import View, view

FILTERS = {"a": ALL, "h": HELD, "t": OFF_TARGET}
KEYS = "n/p page  a all  h held  t not at target  ! attention  q quit"
INTERRUPT = b"\x03"
LATE = 3.0
"""Seconds without an answer before the screen says so."""


def repeat(fetch: Callable[[], None], every: float) -> None:
    """Call ``fetch`` every so many seconds until interrupted, for a program that reads the output."""
    pause = threading.Event()
    while True:
        fetch()
        pause.wait(every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The selection made with keys."""

    page: int = 1
    rows: str = ALL
    attention: bool = False

    def after(self, key: str, pages: int) -> Choice:
        """Return the selection after a key press."""
        if key in FILTERS:
            return Choice(rows=FILTERS[key])
        if key == "!":
            return Choice(attention=not self.attention)
        step = {"n": 1, " ": 1, "p": -1}.get(key, 0)
        return replace(self, page=min(max(self.page + step, 1), pages))


class Watch:
    """Draws what ``fetch`` returns, every so many seconds and at each key press. ``plain``: ASCII only."""

    def __init__(self, fetch: Callable[[], Any], every: float, *, utc: bool, plain: bool) -> None:
        self._fetch = fetch
        self._every = every
        self._utc = utc
        self._plain = plain
        self._clock = SystemClock()
        self._choice = Choice()
        self._pages = 1
        self._seen: View = view(fetch())  # raises if no engine is running
        self._seen_at = self._clock.monotonic()
        self._silent = ""

    def run(self) -> None:
        """Draw until ``q`` or an interrupt. Requests run in a thread, so keys always work."""
        from concurrent.futures import Future, ThreadPoolExecutor

        from rich.console import Console
        from rich.live import Live

        console = Console(highlight=False)
        asking, answer = ThreadPoolExecutor(1), Future[Any]()
        with _terminal() as (pressed, wake), Live(console=console, screen=True, auto_refresh=False) as live:
            due = self._clock.monotonic() + self._every
            answer.set_result(None)
            while True:
                live.update(self._drawn(console.size.width, console.size.height), refresh=True)
                for key in pressed(max(due - self._clock.monotonic(), 0.0)):
                    if key == "q":
                        return
                    self._choice = self._choice.after(key, self._pages)
                if self._clock.monotonic() < due:
                    continue
                due = self._clock.monotonic() + self._every
                if answer.done():
                    answer = asking.submit(self._refresh)
                    answer.add_done_callback(lambda _: wake())
                elif self._clock.monotonic() - self._seen_at > LATE + self._every:
                    self._silent = "no answer"

    def _refresh(self) -> None:
        try:
            self._seen = view(self._fetch())
            self._seen_at, self._silent = self._clock.monotonic(), ""
        except (EngineDown, OSError):
            self._silent = "no answer"
        except Failure as failure:
            self._silent = str(failure)

    def _drawn(self, width: int, height: int) -> Any:
        from rich.text import Text

        made = Text(no_wrap=True, overflow="crop", end="")
        lines = self.lines(width, height)
        for number, line in enumerate(lines):
            for text, style in for_terminal(line, plain=self._plain):
                made.append(text, RICH_STYLES.get(style))
            made.append("\n" if number < len(lines) - 1 else "")
        return made

    def lines(self, width: int, height: int) -> list[Line]:
        """Return the lines of one screen, as many as fit; while the engine does not answer, the last ones in grey."""
        layout = Layout(
            width=width,
            height=height - 1,
            page=self._choice.page,
            rows=self._choice.rows,
            attention=self._choice.attention,
            utc=self._utc,
            turn="n",
            more="!",
        )
        page: Screen = screen(self._seen, layout)
        self._pages = page.pages
        lines = list(page.lines[: height - 1])
        if self._silent:
            silent_for = age(self._clock.monotonic() - self._seen_at)
            lines = [tuple((text, "dim") for text, _ in line) for line in lines]
            lines[:1] = [((f" {self._silent} for {silent_for} ", "chip"), (" last known state:", "dim"))]
        lines += [()] * (height - 1 - len(lines))
        chosen = "attention" if layout.attention else layout.rows
        where = f"page {page.page}/{page.pages}, {chosen}  "
        return [cut_line(line, width) for line in (*lines, ((where, "bold"), (KEYS, "dim")))]


@contextmanager
def _terminal() -> Iterator[tuple[Callable[[float], str], Callable[[], object]]]:
    """Read single keys. Yields a function that waits up to so many seconds for keys, and one that ends the wait."""
    import termios
    import tty

    woken, wake = os.pipe()
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    # Ctrl-C is a key like any other: pressed twice, it would interrupt the restoration of the terminal.
    signal.signal(signal.SIGINT, lambda *_: os.write(wake, INTERRUPT))
    resized = signal.signal(
        signal.SIGWINCH, lambda *_: os.write(wake, b".")
    )  # also when the terminal is resized

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([terminal, woken], [], [], seconds)
        if woken in ready and INTERRUPT in os.read(woken, 1024):
            return "q"
        if terminal not in ready:
            return ""
        return os.read(terminal, 64).decode(errors="replace").lower() or "q"  # the terminal is gone

    try:
        tty.setcbreak(terminal)
        yield pressed, lambda: os.write(wake, b".")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command ends now
        signal.signal(signal.SIGWINCH, resized)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        for descriptor in (woken, wake):
            os.close(descriptor)
