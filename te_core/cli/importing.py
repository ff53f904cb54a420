"""``te import``: import an installation of the earlier program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, print_note, show, table
from te_core.texts import printable

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from te_core.cli.saving import Edit
    from te_core.model.signal import Signal
    from te_core.moving.import_plan import ImportPlan
    from te_core.settings.layers import Texts


def import_earlier(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of the earlier program.", show_default=False)],
    *,
    zone: Annotated[
        str, typer.Option(metavar="NAME", help="Time zone of its logs, if not this machine's.")
    ] = "",
    adopt: Annotated[
        bool | None,
        typer.Option(
            "--adopt/--no-adopt",
            help="Adopt the positions that accounts hold. Default: ask; with --yes, adopt where all of them match.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace existing sections.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
) -> None:
    """Import mappings, weights, miners' parameters, exchange keys and last signals of the earlier program.

    It shows everything before it writes, and never changes the folder. Stop the earlier program first: two programs
    on one account undo each other's orders.

    \b
    Example: te import ~/trade-engine
             te import /srv/old --zone Europe/Berlin
    """
    from te_core.clock import SystemClock
    from te_core.journal.lock import is_locked
    from te_core.moving.import_plan import plan_import
    from te_core.wizards.asking import read_texts

    paths = Paths.of(context)
    if is_locked(_journal(paths)):
        raise Failure(
            f"an engine is running in {paths.state}: it would trade on a half-finished import",
            next_step="stop it, then run this again",
            code=ExitCode.ENGINE,
        )
    texts = read_texts(paths)
    plan = plan_import(folder.expanduser().resolve(), zone=_zone(zone), now=SystemClock().now())
    there = _there(texts, plan)
    if there and not replace:
        raise Failure(
            f"{paths.settings} has {', '.join(there)} already; nothing was written",
            next_step="--replace replaces these sections; or import into an empty folder",
            code=ExitCode.INVALID,
        )
    _show(plan)
    _write(paths, texts, plan.adopting(list(_adopted(plan, adopt, yes=yes))), there, yes=yes)


def _write(paths: Paths, texts: Texts, plan: ImportPlan, there: Sequence[str], *, yes: bool) -> None:
    """Check the edits, show them, ask for confirmation, and write them."""
    from te_core.cli.saving import check, report, with_edits, write

    edits = list(_edits(plan, there))
    edited = with_edits(texts, edits)
    check(paths, edited)
    _show_texts(plan)
    signals = _news(paths, plan)
    print_lines(f"{len(signals)} last signals will be written to the journal, with their own timestamps")
    if not yes:
        typer.confirm("Is the earlier program stopped? Write this?", default=False, abort=True)
    if signals:
        _journalise(paths, signals)
    write(paths, texts, edited)
    report(paths, edits, None)
    _next_steps(plan)


def _journal(paths: Paths) -> Path:
    from te_core.cli.client import setting

    return paths.state / setting(paths, "journal", "file")


def _zone(name: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        raise Failure(
            f"--zone {name}: expected a time zone such as Europe/Berlin or UTC", code=ExitCode.INVALID
        ) from None


def _there(texts: Texts, plan: ImportPlan) -> list[str]:
    """Return the sections that already exist in the settings."""
    from te_core.cli.settings_text import holds

    files = [text for text in (texts.settings, texts.secrets) if text]
    paths = [(section.group, section.name) for section in plan.sections]
    return [".".join(path) for path in paths if any(holds(text, path) for text in files)]


def _show(plan: ImportPlan) -> None:
    print_lines("Found:", *(f"  {file}" for file in plan.files), "")
    if plan.notes:
        print_note("Not imported:", *(f"  {line}" for line in plan.notes))
        print_lines("")
    if plan.held:
        rows = [
            (
                each.account,
                each.symbol,
                f"{each.depth:f}",
                f"{each.wanted:f}",
                "" if each.matches else "differs",
            )
            for each in plan.held
        ]
        show(
            table(
                "Last known positions of the accounts",
                ("account", "symbol", "depth", "signals say", "note"),
                rows,
            )
        )


def _adopted(plan: ImportPlan, adopt: bool | None, *, yes: bool) -> Iterator[str]:
    """Yield the accounts whose positions are adopted."""
    for account, matches in plan.adoptable().items():
        if adopt is not None:
            wanted = adopt
        elif yes:
            wanted = matches
        else:
            differ = "" if matches else " Positions that differ will be traded to what the signals ask for."
            question = f"Adopt the positions of {account} (adopt = true)?{differ}"
            wanted = typer.confirm(printable(question), default=matches)
        if wanted:
            yield account
        else:
            print_note(
                f"{account}: its positions are not touched, and their symbols are not traded until they are flat"
            )


def _edits(plan: ImportPlan, there: Sequence[str]) -> Iterator[Edit]:
    from te_core.cli.saving import Edit
    from te_core.cli.settings_tree import UNSET
    from te_core.moving.import_plan import toml_value

    for section in plan.sections:
        path = (section.group, section.name)
        if ".".join(path) in there:
            yield Edit(path, UNSET)
        for key, value in section.values.items():
            yield Edit((*path, key), toml_value(value))
        for key, secret in section.hidden.items():
            yield Edit((*path, key), secret, secret=True)


def _show_texts(plan: ImportPlan) -> None:
    from te_core.moving.import_plan import shown
    from te_core.secrets import Redactor

    redact = Redactor(plan.secrets()).redact
    for file, text in zip(("settings.toml", ".secrets.toml"), shown(plan), strict=True):
        if text:
            print_lines(f"Into {file}:", "", bold=True)
            print_lines(*(redact(line) for line in text.splitlines()), "")


def _news(paths: Paths, plan: ImportPlan) -> list[Signal]:
    """Return the signals that are missing from the journal, or newer than those in it."""
    from te_core.journal.journal import Journal
    from te_core.moving.import_plan import news

    file = _journal(paths)
    if not file.exists():
        return list(plan.signals)
    reader = Journal.open_readonly(file)
    try:
        return news(plan.signals, reader.snapshot().signals)
    finally:
        reader.close()


def _journalise(paths: Paths, signals: Sequence[Signal]) -> None:
    """Append the signals before the settings name their sources, so that no engine sees the accounts without them."""
    import asyncio

    from te_core.app import state_folder
    from te_core.clock import SystemClock
    from te_core.journal.journal import Journal
    from te_core.settings.secrets import random_secret

    async def append() -> None:
        state_folder.prepare(paths.state, _journal(paths))
        journal = Journal.open(_journal(paths), clock=SystemClock(), new_id=random_secret)
        try:
            await journal.append(*signals)
        finally:
            journal.close()

    asyncio.run(append())


def _next_steps(plan: ImportPlan) -> None:
    listening: Any = [
        section.name for section in plan.sections if section.values.get("plugin") == "tradingview"
    ]
    print_lines("", "Next:", bold=True)
    print_lines("  te doctor                      # do the keys work?")
    print_lines("  te run                         # start it, and in another terminal:")
    print_lines("  te plan                        # empty where accounts hold their targets")
    print_lines("  te go ACCOUNT                  # lets a live account trade: before, it only observes")
    if listening:
        print_lines("  te tradingview template        # alerts need a new address, with its own token")
