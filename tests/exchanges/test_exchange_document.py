"""docs/exchanges.md lists what the plugins declare and which cases there are."""

from __future__ import annotations

import re

import pytest

from te_emulators.venues import STAND_INS
from tests.exchanges import table, unified
from tests.exchanges.trading import PLUGINS, spec_of


@pytest.fixture(scope="module")
def document() -> str:
    return table.DOCUMENT.read_text(encoding="utf-8")


def rows(document: str) -> dict[str, dict[str, str]]:
    """Return the cells of the table by case and column."""
    head, _, *body = (line for line in table.block(document, table.CASES).splitlines() if line[:1] == "|")
    names = [cell.strip() for cell in head.split("|")[2:-1]]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in body]
    return {case: dict(zip(names, found, strict=True)) for case, *found in cells}


def test_what_plugins_declare_is_in_the_document(document: str) -> None:
    assert table.block(document, table.CAPABILITIES) == table.capability_table()


def test_what_ccxt_offers_is_in_the_document(document: str) -> None:
    assert table.block(document, table.UNIFIED) == unified.table()


def test_every_case_is_in_the_document_and_was_run(document: str) -> None:
    assert list(rows(document)) == [table.title(case) for case in table.cases()]
    told = {outcome for found in rows(document).values() for outcome in found.values()}
    assert told <= {table.PASSED, table.SKIPPED}


def test_every_exchange_is_documented_with_and_without_streams(document: str) -> None:
    names = set(next(iter(rows(document).values())))
    expected = {name.capitalize() for name in (*PLUGINS, "generic")}
    stand_ins = {f"Generic{name.capitalize()}" for name in STAND_INS}
    assert stand_ins | expected | {f"{name}WithStreams" for name in expected} | {"Paper"} <= names


def test_a_case_is_skipped_only_if_a_plugin_declares_so(document: str) -> None:
    duplicates, pushes, fees, payments = (
        table.title(next(case for case in table.cases() if case.startswith(number)))
        for number in ("e15", "e30", "e50", "e51")
    )
    held_there = [
        table.title(case) for case in table.cases() if "e33" <= case[:3] < "e50" and case[:3] != "e41"
    ]
    for exchange in PLUGINS:
        can = spec_of(exchange).capabilities
        repeated = [] if can.duplicate_ids_refused else [duplicates]
        left_out = [*([] if can.stops else held_there), *([] if can.tells_fees else [fees])]
        left_out += [] if can.cash_flows else [payments]
        for column, expected in (
            (exchange.capitalize(), [*repeated, pushes, *left_out]),
            (f"{exchange.capitalize()}WithStreams", [*repeated, *left_out]),
        ):
            skipped = [case for case, found in rows(document).items() if found[column] == table.SKIPPED]
            assert skipped == expected
            assert all(re.search(rf"^- {column}, {case}: .", document, re.MULTILINE) for case in skipped)
