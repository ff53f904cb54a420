"""``te logs``: show the engine's log file, including rotated and compressed ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer

from te_core.app.paths import Paths
from te_core.cli.client import setting
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_json_line, print_lines
from te_core.cli.past import AccountName, AsJson, SourceName, SymbolName
from te_core.cli.since import Since, Until, period
from te_core.clock import SystemClock

LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
WHERE = ("source", "account", "symbol", "notifier")
_LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) (?P<level>[A-Z]+) +(?P<rest>.*)", re.S)
_ABOUT = re.compile(r"((?:source|account|symbol|notifier)=\S*?)(: | )")
_NOWHERE = "until then logs go to the engine's stderr: pm2 logs, journalctl -u trade-engine, docker compose logs engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One log entry."""

    at: datetime
    level: str
    message: str
    about: Mapping[str, str] = field(default_factory=dict)
    """Source, account, symbol and notifier that the entry is about."""
    below: tuple[str, ...] = ()
    """Lines of a traceback."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """All fields of a JSON entry."""

    @property
    def text(self) -> str:
        """Return the entry as a line of the engine's text format."""
        where = " ".join(f"{name}={value}" for name, value in self.about.items())
        time = self.at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        return f"{time}Z {self.level:<7} {where}{': ' if where else ''}{self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries are wanted; None or empty for all."""

    since: datetime | None = None
    until: datetime | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    level: str = "TRACE"

    def fits(self, line: LogLine) -> bool:
        """Return whether an entry matches."""
        if (self.since is not None and line.at < self.since) or (
            self.until is not None and line.at >= self.until
        ):
            return False
        if line.level in LEVELS and LEVELS.index(line.level) < LEVELS.index(self.level):
            return False
        return all(line.about.get(name) == value for name, value in self.about.items())


def logs(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Also show new lines as they are written, until Ctrl-C.")
    ] = False,
    since: Since = "",
    until: Until = "",
    account: AccountName = "",
    symbol: SymbolName = "",
    source: SourceName = "",
    level: Annotated[
        Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"],
        typer.Option("--level", case_sensitive=False, help="This level and above."),
    ] = "TRACE",
    as_json: AsJson = False,
) -> None:
    """Show the engine's log, oldest first, including rotated and compressed files.

    It reads the file set in [logs], text or JSON; the engine need not be running. With --follow and without --since, it
    starts with the newest ten lines.

    \b
    Example: te logs --since 2h
             te logs --account bybit-main --symbol BTCUSDT --since fri
             te logs --level warning --since yesterday --json
             te logs --follow --account bybit-main
    """
    paths = Paths.of(context)
    begin, end = period(since, until, SystemClock().now())
    given = {"account": account, "symbol": symbol.upper(), "source": source}
    about = {name: value for name, value in given.items() if value}
    wanted = Wanted(since=begin, until=end, about=about, level=level)
    lines = _following(paths, wanted) if follow else found(log_files(paths), wanted)
    try:
        for line in lines:
            if as_json:
                print_json_line(line.fields or _as_json(line))
            else:
                print_lines(line.text, *line.below)
    except KeyboardInterrupt:
        if not follow:
            raise
        raise typer.Exit(ExitCode.OK) from None


def _following(paths: Paths, wanted: Wanted) -> Iterator[LogLine]:
    """Yield wanted entries that exist (the newest ten without ``since``), then new ones."""
    from te_core.cli.tailing import Tail, followed

    if wanted.until is not None:
        raise Failure("--until and --follow cannot be combined", code=ExitCode.INVALID)
    log_files(paths)  # raises if there is none
    file = log_file(paths)
    tail = Tail(file, lambda: log_files(paths))
    try:
        if wanted.since is None:
            tail.skip()
        else:
            yield from found(
                tail.before(log_files(paths)), wanted
            )  # opened first, so that no rotation is missed in between
        for number, lines in enumerate(followed(tail, file)):
            new = [line for line in parsed(lines) if wanted.fits(line)]
            yield from new[-10:] if number == 0 and wanted.since is None else new
    finally:
        tail.close()


def log_file(paths: Paths) -> Path:
    """Return the file that the engine writes. Raises ``Failure`` if the settings name none."""
    name = setting(paths, "logs", "file")
    if not name:
        raise Failure(
            "the settings name no log file",
            next_step=f'set file = "engine.log" in [logs]; {_NOWHERE}',
        )
    return paths.state / name


def log_files(paths: Paths) -> list[Path]:
    """Return the log file and its rotated files, oldest first. Raises ``Failure`` if there are none."""
    file = log_file(paths)
    files = [one for one in file.parent.glob(f"{file.name}*") if one.is_file()]
    if not files:
        raise Failure(
            f"there is no log file {file}",
            next_step="the engine creates it at its first start with [logs] file set",
        )
    return sorted(files, key=lambda one: (one.stat().st_mtime, one.name))


def found(files: Iterable[Path], wanted: Wanted) -> Iterator[LogLine]:
    """Yield wanted entries. A file that ends before ``since`` is not opened."""
    for file in files:
        ended = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        if wanted.since is not None and ended < wanted.since:
            continue
        with _opened(file) as lines:
            yield from (line for line in parsed(lines) if wanted.fits(line))


def _opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        import gzip

        return gzip.open(file, "rt", encoding="utf-8", errors="replace")
    return file.open(encoding="utf-8", errors="replace")


def parsed(lines: Iterable[str]) -> Iterator[LogLine]:
    """Parse entries from lines of either format; skip lines that belong to none."""
    entry: LogLine | None = None
    below: list[str] = []
    for raw in lines:
        line = raw.rstrip("\n")
        start = _of_json(line) if line.startswith("{") else _of_text(line)
        if start is None:
            if entry is not None and line.startswith("    "):
                below.append(line)
            continue
        if entry is not None:
            yield _with(entry, below)
        entry, below = start, []
    if entry is not None:
        yield _with(entry, below)


def _with(entry: LogLine, below: list[str]) -> LogLine:
    from dataclasses import replace

    return replace(entry, below=tuple(below)) if below else entry


def _of_json(line: str) -> LogLine | None:
    try:
        fields = json.loads(line)
        at = datetime.fromisoformat(fields["time"])
        trace = tuple(f"    {part}" for part in str(fields.get("traceback", "")).splitlines())
        about = {name: str(fields[name]) for name in WHERE if name in fields}
        return LogLine(
            at=at,
            level=str(fields["level"]),
            message=str(fields["message"]),
            about=about,
            below=trace,
            fields=fields,
        )
    except (ValueError, KeyError, TypeError):
        return None


def _of_text(line: str) -> LogLine | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    rest, about = found["rest"], dict[str, str]()
    while part := _ABOUT.match(rest):
        name, _, value = part[1].partition("=")
        about[name] = value
        rest = rest[part.end() :]
        if part[2] == ": ":
            break
    try:
        at = datetime.fromisoformat(found["time"])
    except ValueError:
        return None
    return LogLine(at=at, level=found["level"], message=rest, about=about)


def _as_json(line: LogLine) -> dict[str, Any]:
    trace = {"traceback": "\n".join(part[4:] for part in line.below)} if line.below else {}
    return {"time": line.at.isoformat(), "level": line.level, **line.about, "message": line.message, **trace}
