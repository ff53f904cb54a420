"""``te configure weights``: set each symbol's leverage and the weight of each source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, print_lines, prose, show, table
from te_core.cli.saving import Edit, save
from te_core.wizards.prompts import confirm, prompt

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.settings.schema import Settings

LARGEST_LEVERAGE = 20
"""Maximum without ``--force``; the exchange's own maximum always applies."""

LEVERAGE = "leverage"


@dataclass(slots=True)
class Row:
    """One symbol while it is edited."""

    symbol: str
    leverage: int
    weights: dict[str, Decimal]
    before: tuple[int, Mapping[str, Decimal]]
    """Leverage and weights in the settings."""
    new: bool
    """Whether it has no section yet."""
    most: int | None = None
    """The largest leverage that any account's exchange allows; None if unknown."""

    @property
    def total(self) -> Decimal:
        """Return the share of an account's equity that all sources together control; at most 1."""
        return sum(self.weights.values(), Decimal(0))

    def left(self, source: str) -> Decimal:
        """Return the weight that the other sources leave for one: 1 minus theirs."""
        return 1 - self.total + self.weights.get(source, Decimal(0))

    def set_leverage(self, text: str, *, force: bool) -> None:
        """Apply an answer. Raises ``ValueError`` if it is out of range."""
        if not text.isdecimal() or not 1 <= int(text) <= (10**6 if force else LARGEST_LEVERAGE):
            above = "" if force else f"; more than {LARGEST_LEVERAGE} needs --force"
            raise ValueError(f"{text}: expected a whole number from 1 to {LARGEST_LEVERAGE}{above}")
        if self.most is not None and int(text) > self.most:
            raise ValueError(f"{text}: no account's exchange allows more than {self.most}")
        self.leverage = int(text)

    def set_weight(self, source: str, text: str) -> None:
        """Apply an answer; 0 disables the source for this symbol. Raises ``ValueError`` if it is out of range."""
        try:
            weight = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text}: expected a weight from 0 to 1") from None
        if not 0 <= weight <= self.left(source):
            raise ValueError(f"{text}: expected a weight from 0 to 1, and only {self.left(source):f} is left")
        self.weights[source] = weight

    def edits(self) -> Iterator[Edit]:
        """Yield the edits to write."""
        leverage, weights = self.before
        section_path = ("symbols", self.symbol)
        if self.new or self.leverage != leverage:
            yield Edit((*section_path, LEVERAGE), self.leverage)
        if self.new:
            yield Edit(
                (*section_path, "weights"), {source: float(weight) for source, weight in self.weights.items()}
            )
            return
        for source, weight in self.weights.items():
            if weights.get(source) != weight:
                yield Edit((*section_path, "weights", source), float(weight))


def configure_weights(paths: Paths, changes: list[str] | None, *, yes: bool, force: bool) -> None:
    """Prompt for leverage and weights of each symbol, and write them.

    ``changes``: ``SYMBOL.leverage=N`` and ``SYMBOL.SOURCE=WEIGHT`` instead of questions.
    """
    from te_core.settings.layers import read
    from te_core.settings.loading import settings_from

    texts = read(paths.settings)
    settings = settings_from(texts, os.environ)
    rows = _rows(settings, changes or ())
    know_most(paths, settings, rows.values())
    if not settings.sources:
        raise Failure("the settings have no source yet", next_step="te configure tradingview")
    if changes:
        changed = _apply(rows, settings, changes, force=force)
    elif not rows:
        raise Failure("no source maps a symbol yet", next_step="te configure mappings")
    else:
        changed = [row for row in rows.values() if _ask(row, list(settings.sources), force=force)]
    edits = [edit for row in changed for edit in row.edits()]
    if not edits:
        print_lines("nothing changed")
        return
    _summarise(rows.values(), list(settings.sources))
    save(paths, texts, edits, ask=not (changes or yes))


def _rows(settings: Settings, changes: Iterable[str]) -> dict[str, Row]:
    """Return the symbols in the settings, in the mappings, and in ``changes``."""
    from te_core.wizards.mappings import is_symbol

    mapped = (symbol for source in settings.sources.values() for symbol in source.symbols.values())
    named = (change.partition("=")[0].partition(".")[0].strip().upper() for change in changes)
    symbols = dict.fromkeys([*settings.symbols, *mapped, *filter(is_symbol, named)])
    return {symbol: row_of(settings, symbol) for symbol in symbols}


def know_most(paths: Paths, settings: Settings, rows: Iterable[Row]) -> None:
    """Set the largest leverages, if every enabled account reports one."""
    from te_core.cli.loose_ends import largest_leverages

    found = {row.symbol: row for row in rows}
    largest = largest_leverages(paths, found)
    accounts = [name for name, section in settings.accounts.items() if section.enabled]
    for symbol, row in found.items():
        known = [most for name in accounts if (most := largest.get(name, {}).get(symbol))]
        row.most = max(known) if known and len(known) == len(accounts) else None


def row_of(settings: Settings, symbol: str) -> Row:
    """Return a symbol's row from the settings, or with defaults if it is new."""
    section = settings.symbols.get(symbol)
    leverage, weights = (section.leverage, section.weights) if section else (1, {})
    return Row(symbol, leverage, dict(weights), (leverage, weights), new=section is None)


# -- without questions


def _apply(rows: dict[str, Row], settings: Settings, changes: list[str], *, force: bool) -> list[Row]:
    from te_core.wizards.mappings import checked

    changed: dict[str, Row] = {}
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        symbol, _, what = key.partition(".")
        if not equals or (what != LEVERAGE and what not in settings.sources):
            raise Failure(
                f"--set {change}: expected SYMBOL.leverage=N or SYMBOL.SOURCE=WEIGHT, with a source of the "
                f"settings ({', '.join(settings.sources)})",
                code=ExitCode.INVALID,
            )
        symbol = checked(symbol)
        row = changed[symbol] = rows[symbol]
        try:
            if what == LEVERAGE:
                row.set_leverage(text, force=force)
            else:
                row.set_weight(what, "0" if text == "-" else text)
        except ValueError as error:
            raise Failure(f"--set {key}: {error}", code=ExitCode.INVALID) from None
    return list(changed.values())


# -- with questions


def _ask(row: Row, sources: list[str], *, force: bool) -> bool:
    """Prompt for one symbol; return whether it is to be traded, or was before."""
    print_lines("", row.symbol + ("  (new: mapped, but not traded yet)" if row.new else ""), bold=True)
    if row.new and not confirm(f"  trade {row.symbol}?", default=True):
        return False
    ask_leverage(row, force=force)
    for source in sources:
        ask_weight(row, source)
    return True


def ask_leverage(row: Row, *, force: bool) -> None:
    """Prompt until the answer is valid; Enter keeps the current leverage."""

    def ask() -> None:
        answer = prompt(f"  leverage, 1 to {LARGEST_LEVERAGE} [{row.leverage}]")
        row.set_leverage(answer or str(row.leverage), force=force or not answer)

    _until_valid(ask)


def ask_weight(row: Row, source: str) -> None:
    """Prompt until the answer is valid; Enter keeps the current weight."""

    def ask() -> None:
        now = row.weights.get(source)
        answer = prompt(
            f"  weight of {source}, {row.left(source):.2f} of 1.00 left [{0 if now is None else f'{now:f}'}]"
        )
        if answer:
            row.set_weight(source, answer)

    _until_valid(ask)


def _until_valid(ask: Callable[[], None]) -> None:
    """Prompt again as long as the answer raises ``ValueError``, showing why."""
    while True:
        try:
            return ask()
        except ValueError as error:
            complain(f"  {error}")


def _summarise(rows: Iterable[Row], sources: list[str]) -> None:
    """Show every symbol, and the exposure of an account if all sources are at full depth."""
    traded = [row for row in rows if not row.new or row.total]
    lines = [
        (
            row.symbol,
            row.leverage,
            *(f"{row.weights.get(source, Decimal(0)):f}" for source in sources),
            f"{row.total:.0%}",
            f"{row.total * row.leverage:.2f}",
        )
        for row in traded
    ]
    total = sum((row.total for row in traded), Decimal(0))
    exposure = sum((row.total * row.leverage for row in traded), Decimal(0))
    lines.append(("all", "", *("" for _ in sources), f"{total:.0%}", f"{exposure:.2f}"))
    show(table("Weights", ("symbol", LEVERAGE, *sources, "share of equity", "x equity"), lines))
    if total > 1:
        prose(
            f"together they may ask for {total:.0%} of an account; positions beyond its margin are not opened"
        )
