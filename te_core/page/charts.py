"""Renders charts as SVG: lines, areas, bars and sparklines. Pure; colours and dashes come from the style sheet.

Charts scale with their frame and never scroll. Each has a summary for screen readers; the templates add a table.
Coordinates are floats: exact digits do not matter in a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 80, 8, 10, 28
WIDEST = 60
"""Maximum width of a bar."""
COLUMNS = 300
"""Maximum number of points in a line: the minimum and maximum of each group of values."""

Number = Callable[[Decimal], str]
Point = tuple[datetime, Decimal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line. A value of None is unknown and leaves a gap."""

    name: str
    points: Sequence[Point]


def line(series: Sequence[Series], *, number: Number, summary: str, area: bool = False) -> str:
    """Render lines over time. ``number`` formats a value of the scale; ``area`` fills the area below the first."""
    kept = [(one.name, _runs(one.points)) for one in series]
    points = [point for _, runs in kept for run in runs for point in run]
    if not points:
        return _frame(_words("no data for this period"), summary)
    times = [at.timestamp() for at, _ in points]
    scale = _Scale(
        (min(times), max(times)),
        [float(value) for _, value in points],
        with_zero=not area and len(series) > 1,
    )
    parts = [*_grid(scale, number), *_days(scale)]
    for index, (_, runs) in enumerate(kept):
        for run in runs:
            path = _path(_thinned(run), scale)
            if area and index == 0:
                first, last = scale.x(run[0][0].timestamp()), scale.x(run[-1][0].timestamp())
                floor_y = _short(HEIGHT - BOTTOM)
                parts.append(
                    f'<path class="area" d="{path}V{floor_y}H{_short(first)}Z"/>' if last > first else ""
                )
            dot = " dot" if len(run) == 1 else ""
            parts.append(f'<path class="line l{index % 6}{dot}" d="{path}"/>')
    return _frame("".join(parts), summary)


def bars(values: Sequence[tuple[str, Decimal | None]], *, number: Number, summary: str) -> str:
    """Render one bar per value, up or down from zero; an unknown value is shown as a question mark."""
    known = [float(value) for _, value in values if value is not None]
    if not known:
        return _frame(_words("no data for this period"), summary)
    scale = _Scale((0, len(values)), known, with_zero=True)
    parts, each, zero = [*_grid(scale, number)], _labels_each(len(values)), scale.y(0.0)
    for index, (label, value) in enumerate(values):
        width = min(scale.x(index + 0.7) - scale.x(index), WIDEST)
        x = scale.x(index + 0.5) - width / 2
        middle = _short(scale.x(index + 0.5))
        if value is None:
            parts.append(f'<text class="tick mid" x="{middle}" y="{_short(zero - 4)}">?</text>')
        else:
            y = scale.y(float(value))
            parts.append(
                f'<rect class="{"up" if value >= 0 else "down"}" x="{_short(x)}" y="{_short(min(y, zero))}" '
                f'width="{_short(width)}" height="{_short(max(abs(y - zero), 0.5))}"/>'
            )
        if index % each == 0:
            parts.append(f'<text class="tick mid" x="{middle}" y="{HEIGHT - 8}">{escape(label)}</text>')
    return _frame("".join(parts), summary)


def spark(points: Sequence[Point], *, summary: str) -> str:
    """Render a small line without a scale."""
    runs = _runs(points)
    flat = [point for run in runs for point in run]
    if len(flat) < 2:
        return ""
    width, height = 84, 22
    times = [at.timestamp() for at, _ in flat]
    values = [float(value) for _, value in flat]
    begin, span = min(times), max(times) - min(times) or 1.0
    low, high = min(values), max(values)
    rise = high - low

    def point(at: datetime, value: Decimal) -> str:
        x = 2 + (at.timestamp() - begin) / span * (width - 4)
        y = height / 2 if not rise else 2 + (high - float(value)) / rise * (height - 4)
        return f"{_short(x)} {_short(y)}"

    path = "".join("M" + "L".join(point(at, value) for at, value in _thinned(run, 60)) for run in runs)
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(summary)}">'
        f'<path class="line l0" d="{path}"/></svg>'
    )


class _Scale:
    """Maps values and times to coordinates."""

    def __init__(self, across: tuple[float, float], values: Sequence[float], *, with_zero: bool) -> None:
        self.begin, self.end = across
        low, high = min(values), max(values)
        if with_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if high == low:
            margin = abs(high) * 0.01 or 1.0
            low, high = low - margin, high + margin
        self.step = _step((high - low) / 4)
        self.low, self.high = floor(low / self.step) * self.step, ceil(high / self.step) * self.step

    def x(self, at: float) -> float:
        span = self.end - self.begin or 1.0
        return LEFT + (at - self.begin) / span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def ticks(self) -> Iterator[float]:
        for index in range(round((self.high - self.low) / self.step) + 1):
            yield self.low + index * self.step


def _step(rough: float) -> float:
    """Return a round distance between ticks: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)


def _grid(scale: _Scale, number: Number) -> Iterator[str]:
    for value in scale.ticks():
        y = _short(scale.y(value))
        kind = "zero" if abs(value) < scale.step / 2 else "grid"
        text = escape(number(Decimal(repr(round(value, 10)))))
        yield f'<path class="{kind}" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield f'<text class="tick end" x="{LEFT - 6}" y="{_short(scale.y(value) + 3.5)}">{text}</text>'


def _days(scale: _Scale) -> Iterator[str]:
    """Yield tick labels at the start of hours, days or months, depending on the time span."""
    span = scale.end - scale.begin
    every, form = next(
        (
            (every, form)
            for every, form in (
                (3600, "%H:%M"),
                (4 * 3600, "%H:%M"),
                (86_400, "%a %d"),
                (7 * 86_400, "%d %b"),
                (30 * 86_400, "%d %b"),
                (91 * 86_400, "%b %Y"),
            )
            if span / every <= 8
        ),
        (365 * 86_400, "%Y"),
    )
    at = ceil(scale.begin / every) * every
    while at <= scale.end:
        label = datetime.fromtimestamp(at, tz=UTC).strftime(form)
        if LEFT + 16 < scale.x(at) < WIDTH - RIGHT - 14:
            yield f'<text class="tick mid" x="{_short(scale.x(at))}" y="{HEIGHT - 8}">{label}</text>'
        at += every


def _labels_each(count: int) -> int:
    return max(1, ceil(count / 10))


def _runs(points: Sequence[Point]) -> list[list[tuple[datetime, Decimal]]]:
    """Split a line at its gaps."""
    runs: list[list[tuple[datetime, Decimal]]] = [[]]
    for at, value in points:
        if value is not None:
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _thinned(
    run: Sequence[tuple[datetime, Decimal]], columns: int = COLUMNS
) -> Sequence[tuple[datetime, Decimal]]:
    """Reduce a line to the first, the last, and the minimum and maximum of each group, so that no peak is lost."""
    if len(run) <= columns:
        return run
    size = ceil(len(run) / (columns // 2))
    kept = [run[0]]
    for begin in range(0, len(run), size):
        group = run[begin : begin + size]
        ends = {id(one): one for one in (min(group, key=_value), max(group, key=_value))}
        kept += sorted(ends.values(), key=lambda one: one[0])
    return [*kept, run[-1]]


def _value(point: tuple[datetime, Decimal]) -> Decimal:
    return point[1]


def _path(run: Sequence[tuple[datetime, Decimal]], scale: _Scale) -> str:
    coordinates = (f"{_short(scale.x(at.timestamp()))} {_short(scale.y(float(value)))}" for at, value in run)
    path = "M" + "L".join(coordinates)
    return path if len(run) > 1 else f"{path}h.1"  # with round ends: a dot


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _words(text: str) -> str:
    return f'<text class="tick mid" x="{WIDTH // 2}" y="{HEIGHT // 2}">{escape(text)}</text>'


def _frame(inner: str, summary: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(summary)}">'
        f"{inner}</svg>"
    )
