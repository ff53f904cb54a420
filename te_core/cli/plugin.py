"""``te plugin``: what authors of plugins need: a package to begin with, a check, an engine that follows edits."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import paint, print_json, print_lines, print_note

if TYPE_CHECKING:
    from te_core.plugin_kit.kinds import Naming
    from te_core.plugin_kit.levels import Finding

app = typer.Typer(help="Write, check and try a plugin of your own.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="PATH", help="The plugin's folder.")]


class PluginKind(StrEnum):
    """The kinds of plugin that there are templates for."""

    SOURCE = "source"
    EXCHANGE = "exchange"
    CCXT_EXCHANGE = "ccxt-exchange"
    NOTIFIER = "notifier"


class Wanted(StrEnum):
    """The quality levels by name."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


@app.command()
def new(
    kind: Annotated[PluginKind, typer.Argument(help="What the plugin adds.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The plugin's name in settings.", show_default=False)],
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Folder in which to create the package.")
    ] = Path(),
    author: Annotated[str, typer.Option(help="Who wrote it, for metadata and licence.")] = "",
    exchange: Annotated[
        str, typer.Option(metavar="ID", help="The exchange's id in ccxt, if it is not NAME.")
    ] = "",
) -> None:
    """Write a package with a plugin that is installable, typed and tested, to be filled in.

    \b
    Example: te plugin new source oracle
             te plugin new exchange acme --dir ~/plugins
             te plugin new ccxt-exchange my_gate --exchange gate
    """
    from te_core.clock import SystemClock
    from te_core.plugin_kit.kinds import checked_author, naming
    from te_core.plugin_kit.writing import files, write

    named = naming(kind.value, name)
    author = checked_author(author) if author else ""
    if kind is PluginKind.CCXT_EXCHANGE:
        exchange = exchange or name
        _check_exchange(exchange, named)
    elif exchange:
        raise Failure(f"--exchange: a plugin of kind {kind} is not on ccxt", code=ExitCode.INVALID)
    _check_free(named)
    target = folder.expanduser().absolute() / named.distribution
    content = files(named, author=author, year=SystemClock().now().year, exchange_id=exchange)
    write(target, content)
    print_lines(f"wrote {target} ({len(content)} files)", "")
    for line in _next_steps(target, named):
        print_lines(line, bold=line.endswith(":"))


def _check_exchange(exchange: str, named: Naming) -> None:
    """Refuse an id that the installed ccxt does not know. Its list is its files: importing it takes a second."""
    import importlib.util

    from te_core.errors import nearest

    found = importlib.util.find_spec("ccxt")
    if found is None or not found.submodule_search_locations:
        print_note(
            "ccxt is not installed: whether it knows the exchange is not checked (pip install te-exchange-ccxt)"
        )
        return
    known = [
        path.stem for path in Path(next(iter(found.submodule_search_locations))).glob("async_support/*.py")
    ]
    if exchange not in known:
        hint = nearest(exchange, known)
        raise Failure(
            f"ccxt knows no exchange {exchange!r}{hint if 'did you mean' in hint else ''}",
            next_step=f"te plugin new ccxt-exchange {named.name} --exchange ID",
            code=ExitCode.INVALID,
        )


def _check_free(named: Naming) -> None:
    """Refuse a name that an installed plugin has: only one of them could run, or it would be replaced."""
    from te_core.plugins.discovery import discover

    others = {entry.distribution for entry in discover() if entry.name == named.name}
    if others:
        raise Failure(
            f"{', '.join(sorted(others))} offers a plugin named {named.name!r} already: only one of them could run",
            next_step="choose another name, or uninstall that one first",
            code=ExitCode.INVALID,
        )


def _next_steps(target: Path, named: Naming) -> Sequence[str]:
    return (
        "Next:",
        f"  cd {shlex.quote(str(target))}",
        '  pip install -e ".[test]"',
        "  pytest                   # its tests pass as they are",
        f"  te plugins               # lists {named.name}",
        "  te plugin dev .          # an engine that starts again when a file changes",
        "  te plugin check .        # metadata, types, tests, and the quality level",
        "README.md says what to change first.",
    )


@app.command()
def check(
    path: Folder = Path(),
    at_least: Annotated[
        Wanted, typer.Option(help="The level below which the exit code is 1.")
    ] = Wanted.BRONZE,
    no_tests: Annotated[bool, typer.Option("--no-tests", help="Do not run the tests.")] = False,
    badge: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a badge with the level (SVG).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a plugin: metadata, types, tests and conformance; report its quality level and what the next one needs.

    \b
    Example: te plugin check .
             te plugin check . --at-least silver --badge badge.svg
    Exit code: 1 also if a test or the type check fails, whatever the level
    """
    from te_core.plugin_kit import badge as badges
    from te_core.plugin_kit.evidence import gather
    from te_core.plugin_kit.levels import Level, judge
    from te_core.plugin_kit.project import read_project

    project = read_project(path)
    evidence = gather(project, tests=not no_tests)
    level, findings = judge(evidence)
    if badge is not None:
        _write_badge(badge, badges.svg(level))
    line = badges.line(level, (badge or Path("badge.svg")).name)
    if as_json:
        print_json(
            {
                "plugin": project.name,
                "level": str(level),
                "stated": project.stated_level,
                "badge": line,
                "needs": list(map(_as_json, findings)),
            }
        )
    else:
        paint([((project.name, "bold"),)])
        for finding in findings:
            _show(finding)
        print_lines("", f"level: {level}", f"badge: {line}")
        if (stated := project.stated_level) and Level[stated.upper()] > level:
            print_note(f"the keywords of pyproject.toml state {stated}, which te plugins shows: correct them")
        if badge is None:
            print_note("--badge badge.svg writes the picture")
    if evidence.failed or level < Level[at_least.name]:
        raise typer.Exit(ExitCode.FAILED)


def _as_json(finding: Finding) -> dict[str, object]:
    need, verdict = finding.need, finding.verdict
    return {
        "need": need.name,
        "level": str(need.level),
        "met": verdict.met,
        "detail": list(verdict.detail),
        "remedy": verdict.remedy,
    }


def _show(finding: Finding) -> None:
    need, verdict = finding.need, finding.verdict
    mark, style = {True: ("yes", "good"), False: ("no ", "critical"), None: ("?  ", "warning")}[verdict.met]
    paint([((f"  {mark} ", style), (f"{need.level!s:<7} {need.name:<12}", ""), (need.text, "dim"))])
    for line in verdict.detail:
        print_lines(f"        {line}")
    if verdict.remedy:
        print_lines(f"        → {verdict.remedy}")


def _write_badge(file: Path, picture: str) -> None:
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise Failure(f"--badge {file}: cannot be written: {error.strerror}") from None


@app.command()
def dev(path: Folder = Path()) -> None:
    """Run an engine with a plugin, and restart it in a fresh process whenever the plugin's files change.

    The engine has a folder and settings of its own (.te-dev in the plugin's folder) and uses none of yours. A source or
    notifier runs next to a paper account; an exchange's account is only observed, nothing is sent.

    \b
    Example: te plugin dev .
    """
    import asyncio

    from te_core.plugin_kit.developing import develop
    from te_core.plugin_kit.project import read_project

    folder = path.expanduser().resolve()
    read_project(folder)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(develop(folder, print_lines))
