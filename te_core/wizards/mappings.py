"""``te configure mappings``: map each source's spellings to the engine's symbols."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, print_lines, prose, show, table
from te_core.cli.saving import Edit, save
from te_core.wizards.pairs import candidates, doubt, read_pair, refused_spellings
from te_core.wizards.prompts import TAKE_OUT, confirm, prompt

if TYPE_CHECKING:
    from te_core.app.paths import Paths

_QUARANTINED = 1000
"""Number of refused messages that are searched for unmapped spellings."""


@dataclass(slots=True)
class Sheet:
    """The mapping of one source while it is edited."""

    source: str
    before: Mapping[str, str]
    """The mapping in the settings."""
    now: dict[str, str] = field(default_factory=dict)

    @property
    def is_changed(self) -> bool:
        """Return whether the mapping changed; the order counts."""
        return list(self.before.items()) != list(self.now.items())

    def known(self, spelling: str) -> str:
        """Return the mapped spelling that equals another one, ignoring case; empty if there is none."""
        return next((key for key in self.now if key.upper() == spelling.strip().upper()), "")

    def others(self, spelling: str, symbol: str) -> list[str]:
        """Return the other spellings that are mapped to a symbol."""
        return [key for key, target in self.now.items() if target == symbol and key != spelling]

    def put(self, spelling: str, symbol: str) -> None:
        """Map a spelling; an existing one keeps its position. Raises ``Failure`` for an invalid symbol."""
        self.now[self.known(spelling) or spelling] = checked(symbol)


def is_symbol(text: str) -> bool:
    """Return whether a text is a valid symbol of the engine."""
    try:
        checked(text)
    except Failure:
        return False
    return True


def checked(symbol: str) -> str:
    """Return a symbol in upper case. Raises ``Failure`` for an invalid one."""
    from pydantic import TypeAdapter, ValidationError

    from te_core.settings.section import SymbolName

    try:
        return TypeAdapter(SymbolName).validate_python(symbol.strip().upper())
    except ValidationError:
        raise Failure(
            f"{symbol!r}: expected a symbol of 2 to 32 letters and digits, such as BTCUSDT",
            code=ExitCode.INVALID,
        ) from None


def configure_mappings(paths: Paths, changes: list[str] | None, *, yes: bool) -> None:
    """Prompt for the mapping of each source, or apply ``SOURCE.SPELLING=SYMBOL``; write it after one confirmation."""
    from te_core.settings.layers import read
    from te_core.settings.loading import settings_from

    texts = read(paths.settings)
    settings = settings_from(texts, os.environ)
    sheets = [
        Sheet(name, section.symbols, dict(section.symbols)) for name, section in settings.sources.items()
    ]
    if not sheets:
        raise Failure("the settings have no source yet", next_step="te configure tradingview")
    if changes:
        _apply(sheets, changes)
    else:
        quarantine, market = _quarantine(paths), Market(paths, list(settings.symbols))
        for sheet in sheets:
            _edit(sheet, refused_spellings(quarantine, sheet.source), market)
    changed = [sheet for sheet in sheets if sheet.is_changed]
    if not changed:
        print_lines("nothing changed")
        return
    show(table("Mappings", ("source", "spelling", "symbol", "change"), _rows(sheets)))
    edits = [Edit(("sources", sheet.source, "symbols"), dict(sheet.now)) for sheet in changed]
    save(paths, texts, edits, ask=not (changes or yes))


def _rows(sheets: Iterable[Sheet]) -> Iterator[tuple[str, ...]]:
    for sheet in sheets:
        for spelling, symbol in sheet.now.items():
            old = sheet.before.get(spelling)
            yield (
                sheet.source,
                spelling,
                symbol,
                "" if old == symbol else "new" if old is None else f"was {old}",
            )
        for spelling in sheet.before.keys() - sheet.now.keys():
            yield sheet.source, spelling, "", "removed"


# -- without questions


def _apply(sheets: list[Sheet], changes: list[str]) -> None:
    by_source = {sheet.source: sheet for sheet in sheets}
    for change in changes:
        key, equals, symbol = (part.strip() for part in change.partition("="))
        source, _, spelling = key.partition(".")
        if not equals or not spelling or source not in by_source:
            raise Failure(
                f"--set {change}: expected SOURCE.SPELLING=SYMBOL, with a source of the settings "
                f"({', '.join(by_source)}); - as the symbol removes it",
                code=ExitCode.INVALID,
            )
        sheet = by_source[source]
        if symbol == "-":
            sheet.now.pop(sheet.known(spelling), None)
        else:
            sheet.put(spelling, symbol)


# -- with questions


@dataclass(slots=True)
class Market:
    """Tradable symbols: those in use, and those that the accounts of a running engine offer."""

    paths: Paths
    used: Sequence[str]

    def suggested(self, spelling: str) -> str:
        """Return the most likely symbol for a spelling, preferably one that an account offers."""
        from te_core.cli.offers import offers

        found = [name for name in candidates(spelling, self.used) if is_symbol(name)]
        offered = {symbol for account in (offers(self.paths, found) or {}).values() for symbol in account}
        return next((name for name in found if name in offered), found[0] if found else "")

    def doubt(self, symbol: str) -> str:
        """Return why a symbol cannot be traded; empty if it may be."""
        from te_core.cli.offers import offers

        found = offers(self.paths, [symbol]) if symbol not in self.used else None
        return f"no account offers {symbol}" if found and not any(found.values()) else ""


def _edit(sheet: Sheet, refused: Mapping[str, int], market: Market) -> None:
    print_lines("", f"[sources.{sheet.source}]", bold=True)
    if sheet.now:
        show(
            table("", ("", "spelling", "symbol"), ((n, *pair) for n, pair in enumerate(sheet.now.items(), 1)))
        )
        match _choice("k keep all, m modify one by one, n start fresh", "kmn", "k"):
            case "m":
                _one_by_one(sheet, market)
            case "n":
                sheet.now.clear()
    else:
        print_lines("nothing is mapped yet")
    for spelling, times in refused.items():
        alerts = "1 alert was" if times == 1 else f"{times} alerts were"
        if not sheet.known(spelling) and confirm(f"{alerts} refused for {spelling}. Map it?", default=True):
            _put(sheet, spelling, _symbol(market, spelling), market)
    prose("New mappings: the source's spelling, then your symbol, such as BTCUSD BTCUSDT. Enter finishes.")
    while text := prompt("new"):
        try:
            spelling, symbol = read_pair(text)
        except ValueError as error:
            complain(f"  {error}")
            continue
        known = sheet.known(spelling)
        if known and not confirm(f"  {known} is mapped to {sheet.now[known]}. Change it?"):
            continue
        _put(sheet, known or spelling, symbol or _symbol(market, spelling), market)


def _symbol(market: Market, spelling: str) -> str:
    """Prompt for the symbol of a spelling; Enter accepts the suggestion, - maps nothing."""
    suggested = market.suggested(spelling)
    if not suggested:
        return prompt("  your symbol")
    answer = prompt(f"  your symbol [{suggested}], - for none")
    return "" if answer == TAKE_OUT else answer or suggested


def _one_by_one(sheet: Sheet, market: Market) -> None:
    for spelling, symbol in list(sheet.now.items()):
        match _choice(f"  {spelling} is {symbol}: k keep, m modify, r remove", "kmr", "k"):
            case "m":
                _put(sheet, spelling, prompt(f"  your symbol [{symbol}]"), market)
            case "r":
                del sheet.now[spelling]


def _put(sheet: Sheet, spelling: str, symbol: str, market: Market) -> None:
    """Map one pair, after a confirmation if it looks like a mistake."""
    while True:
        if not symbol:
            print_lines("  not changed")
            return
        try:
            symbol = checked(symbol)
        except Failure as failure:
            complain(f"  {failure}")
            symbol = prompt("  your symbol, Enter for none")
        else:
            break
    why = doubt(spelling, symbol) or market.doubt(symbol)
    if why and not confirm(f"  {why}. Map it anyway?"):
        return
    others = sheet.others(spelling, symbol)
    if others and sheet.now.get(spelling) != symbol:
        both = f"  {', '.join(others)} {'is' if len(others) == 1 else 'are'} {symbol} too: b keep both, r replace"
        if _choice(both, "br", "b") == "r":
            for other in others:
                del sheet.now[other]
                print_lines(f"  {other} was removed")
    sheet.put(spelling, symbol)


def _choice(text: str, letters: str, default: str) -> str:
    while True:
        answer = prompt(f"{text} [{default}]").lower() or default
        if answer in letters and len(answer) == 1:
            return answer
        complain(f"  one of {', '.join(letters)}")


def _quarantine(paths: Paths) -> list[Mapping[str, Any]]:
    """Return recently refused messages from the engine or its journal; empty if there is neither."""
    from te_core.cli.client import EngineDown, ask

    path = f"/api/v1/quarantine?limit={_QUARANTINED}"
    try:
        return list(ask(paths, path)["quarantine"])
    except EngineDown:
        return _of_the_journal(paths)


def _of_the_journal(paths: Paths) -> list[Mapping[str, Any]]:
    from te_core.cli.client import setting
    from te_core.journal.journal import Journal
    from te_core.journal.pages import Wanted
    from te_core.reporting.history import JournalHistory

    file = paths.state / setting(paths, "journal", "file")
    if not file.exists():
        return []
    reader = Journal.open_readonly(file)
    try:
        return list(JournalHistory(reader).quarantine(Wanted(limit=_QUARANTINED))["quarantine"])
    finally:
        reader.close()
