"""``te add`` and ``te remove``: add or remove a symbol with its mapping, weights and leverage in one step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, print_note, show, table
from te_core.cli.saving import Edit, save, with_edits
from te_core.texts import printable
from te_core.wizards.mappings import Sheet, checked
from te_core.wizards.prompts import confirm
from te_core.wizards.weights import Row, ask_leverage, ask_weight, know_most, row_of

if TYPE_CHECKING:
    from te_core.settings.layers import Texts
    from te_core.settings.schema import Settings

add = typer.Typer(help="Add a symbol, an account, a source or a notifier.", no_args_is_help=True)
remove = typer.Typer(help="Remove a symbol.", no_args_is_help=True)

NAME = Annotated[str, typer.Argument(help="The engine's symbol, like TAOUSDT.", show_default=False)]
YES = Annotated[bool, typer.Option("--yes", "-y", help="Write without a final confirmation.")]


@add.command("symbol")
def add_symbol(
    context: typer.Context,
    name: NAME,
    *,
    spellings: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="SOURCE:SPELLING", help="A source's spelling of it; may be repeated."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weight", metavar="SOURCE=WEIGHT", help="Its weight for a source; may be repeated."),
    ] = None,
    leverage: Annotated[int | None, typer.Option(min=1, help="Leverage while no source states one.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Allow a leverage above 20.")] = False,
    yes: YES = False,
) -> None:
    """Add a symbol with its mapping, weights and leverage, and check that every account offers it.

    Without --weight, it prompts for them.

    \b
    Example: te add symbol TAOUSDT
             te add symbol TAOUSDT --from tradingview:TAOUSDT.P --weight tradingview=0.2 --leverage 2
    """
    paths, symbol = Paths.of(context), checked(name)
    texts, settings = _read(paths)
    if not settings.sources:
        raise Failure("the settings have no source yet", next_step="te configure tradingview")
    sheets = {name: Sheet(name, each.symbols, dict(each.symbols)) for name, each in settings.sources.items()}
    row = row_of(settings, symbol)
    know_most(paths, settings, [row])
    _set_leverage(row, leverage, force=force)
    if weights:
        _apply(sheets, row, spellings or [], weights)
    else:
        _ask(sheets, row, force=force)
    if not row.total:
        raise Failure(f"{symbol} has no weight, so nothing would trade it", code=ExitCode.INVALID)
    edits = [
        Edit(("sources", sheet.source, "symbols"), dict(sheet.now))
        for sheet in sheets.values()
        if sheet.is_changed
    ]
    edits += row.edits()
    missing = list(_not_offered(paths, settings, texts, edits, symbol))
    if missing and not (yes or confirm(f"{symbol} cannot be traded on every account. Add it anyway?")):
        raise typer.Abort
    save(paths, texts, edits, ask=not (yes or weights))


@add.command("account")
def add_account(
    context: typer.Context,
    plugin: Annotated[str, typer.Argument(help="An exchange plugin.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The new section's name.")] = "",
) -> None:
    """Add an account: the same as te configure PLUGIN --new NAME.

    \b
    Example: te add account bybit bybit-main
    """
    _add_section(context, plugin, name)


@add.command("source")
def add_source(
    context: typer.Context,
    plugin: Annotated[str, typer.Argument(help="A signal plugin.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The new section's name.")] = "",
) -> None:
    """Add a source: the same as te configure PLUGIN --new NAME.

    \b
    Example: te add source bittensor sn8
    """
    _add_section(context, plugin, name)


@add.command("notifier")
def add_notifier(
    context: typer.Context,
    plugin: Annotated[str, typer.Argument(help="A notifier plugin.", show_default=False)],
    name: Annotated[str, typer.Argument(help="The new section's name.")] = "",
) -> None:
    """Add a notifier: the same as te configure PLUGIN --new NAME.

    \b
    Example: te add notifier webhook phone
    """
    _add_section(context, plugin, name)


@remove.command("symbol")
def remove_symbol(context: typer.Context, name: NAME, yes: YES = False) -> None:
    """Remove a symbol from the settings. The engine then closes its positions in it, on every account.

    \b
    Example: te remove symbol TAOUSDT
    """
    paths, symbol = Paths.of(context), checked(name)
    texts, settings = _read(paths)
    edits = list(_without(settings, symbol))
    if not edits:
        raise Failure(f"{symbol} is not in the settings", code=ExitCode.INVALID)
    held = list(_held(paths, symbol))
    if held:
        show(table("To be closed", ("account", "position"), held))
    else:
        print_lines(f"{symbol}: no known position")
    save(paths, texts, edits, ask=not yes)


def _add_section(context: typer.Context, plugin: str, name: str) -> None:
    from te_core.wizards.configure import configure

    configure(
        context,
        plugin,
        changes=None,
        new=name or plugin,
        everything=False,
        yes=False,
        tries=True,
        force=False,
    )


def _read(paths: Paths) -> tuple[Texts, Settings]:
    from te_core.settings.layers import read
    from te_core.settings.loading import settings_from

    texts = read(paths.settings)
    return texts, settings_from(texts, os.environ)


# -- adding


def _apply(sheets: dict[str, Sheet], row: Row, spellings: list[str], weights: list[str]) -> None:
    given = dict(text.partition(":")[::2] for text in spellings)
    for text in weights:
        source, _, weight = (part.strip() for part in text.partition("="))
        _known(sheets, source)
        try:
            row.set_weight(source, weight)
        except ValueError as error:
            raise Failure(f"--weight {text}: {error}", code=ExitCode.INVALID) from None
        given.setdefault(source, "")
    for source, spelling in given.items():
        sheet = _known(sheets, source)
        if spelling or not sheet.others("", row.symbol):
            sheet.put(spelling or row.symbol, row.symbol)


def _set_leverage(row: Row, leverage: int | None, *, force: bool) -> None:
    try:
        row.set_leverage(str(leverage or row.leverage), force=force or not leverage)
    except ValueError as error:
        raise Failure(f"--leverage {error}", code=ExitCode.INVALID) from None


def _known(sheets: dict[str, Sheet], source: str) -> Sheet:
    if source not in sheets:
        raise Failure(f"there is no source {source} (known: {', '.join(sheets)})", code=ExitCode.INVALID)
    return sheets[source]


def _ask(sheets: dict[str, Sheet], row: Row, *, force: bool) -> None:
    ask_leverage(row, force=force)
    for sheet in sheets.values():
        ask_weight(row, sheet.source)
        mapped = sheet.others("", row.symbol)
        if row.weights.get(sheet.source) and not mapped:
            text = printable(f"  how {sheet.source} spells it [{row.symbol}]")
            sheet.put(typer.prompt(text, default=row.symbol, show_default=False).strip(), row.symbol)


def _not_offered(
    paths: Paths, settings: Settings, texts: Texts, edits: list[Edit], symbol: str
) -> Iterator[str]:
    """Show whether each account offers a symbol, and yield the accounts that cannot trade it."""
    from te_core.cli.offers import offers

    found = offers(paths, [symbol])
    if found is None:
        yield from _not_found(paths, texts, edits, symbol)
        return
    rows: list[tuple[str, str]] = []
    for name in (name for name, section in settings.accounts.items() if section.enabled):
        offered = found.get(name)
        if offered is None:
            rows.append((name, "cannot be queried at the moment"))
        elif symbol not in offered:
            rows.append((name, "the exchange does not offer it"))
        else:
            most = offered[symbol]["largest_leverage"]
            rows.append((name, f"offered, with leverage up to {most}" if most else "offered"))
            continue
        yield name
    show(table(symbol, ("account", "finding"), rows))


def _not_found(paths: Paths, texts: Texts, edits: list[Edit], symbol: str) -> Iterator[str]:
    """Connect to each enabled account, show the findings for a symbol, and yield the accounts with an error."""
    import asyncio
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from te_core.cli.doctor import connected
    from te_core.cli.instances import load, redactor_of
    from te_core.logs import configure_logs
    from te_core.reporting.doctor import NOT_LISTED
    from te_core.reporting.doctor import show as shown

    resolved, registry, _ = load(paths, as_at_start=True, texts=with_edits(texts, edits))
    settings = resolved.settings
    redactor = redactor_of(settings, registry)
    configure_logs(settings.logs.model_copy(update={"file": None}), redactor, folder=paths.state)
    alone = settings.model_copy(update={"symbols": {symbol: settings.symbols[symbol]}})
    rows: list[tuple[str, str, str]] = []
    for name, options in resolved.account_options.items():
        if not settings.accounts[name].enabled:
            continue
        print_note(f"asking {name} …")
        spec = registry.exchanges[settings.accounts[name].plugin]
        with TemporaryDirectory() as folder:  # a running engine may be using the account's own folder
            findings = asyncio.run(connected(Path(folder), name, options, spec, alone))
        found: list[dict[str, Any]] = [shown(finding) for finding in findings]
        told = [row for row in found if row["check"] == symbol or row["severity"] == "error"]
        rows += [(name, row["severity"], redactor.redact(row["text"])) for row in told]
    show(table(symbol, ("account", "severity", "finding"), rows))
    yield from (name for name, severity, text in rows if severity == "error" or text == NOT_LISTED)


# -- removing


def _without(settings: Settings, symbol: str) -> Iterator[Edit]:
    from te_core.cli.settings_tree import UNSET

    for name, source in settings.sources.items():
        kept = {spelling: target for spelling, target in source.symbols.items() if target != symbol}
        if len(kept) != len(source.symbols):
            yield Edit(("sources", name, "symbols"), kept)
    if symbol in settings.symbols:
        yield Edit(("symbols", symbol), UNSET)


def _held(paths: Paths, symbol: str) -> Iterator[tuple[str, str]]:
    from te_core.cli.client import EngineDown, ask

    try:
        accounts = ask(paths, "/api/v1/state")["accounts"]
    except EngineDown:
        return
    for name, account in accounts.items():
        position = (account.get("positions") or {}).get(symbol)
        if position:
            yield name, str(position["size"])
