"""Copy code into the pages for authors: whole files, and tables of the contract and the test kit.

``python -m tests.architecture.author_pages`` updates the copies; a test fails while a page differs.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from te_core.api import ExchangeAccount, Notifier, SignalSource
from te_core.testing.exchange_harness import Ability, ExchangeHarness
from te_core.testing.notifier_conformance import NotifierConformance
from te_core.testing.notifier_harness import NotifierAbility, NotifierHarness
from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import SourceAbility, SourceHarness

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "authors"
FILE = re.compile(r"^(?P<head>```\w+ file=(?P<file>examples/\S+))\n.*?^```$", re.M | re.S)
TABLE = re.compile(r"^<!-- (?P<name>[\w-]+) -->\n.*?^<!-- /(?P=name) -->$", re.M | re.S)
READ = "`NotReady`, `RateLimited`, `AuthError`"
CHANGE = f"{READ}, `OrderRejected`"
ORDER = f"{CHANGE} (`InsufficientMargin`, `DuplicateClientOrderId`), `OutcomeUnknown`"


class Row(NamedTuple):
    """A method in the table of the contract."""

    called: str
    """When it is called."""
    raises: str
    """What it may raise."""
    cases: str
    """Numbers of the suite's cases that check it."""


METHODS: Mapping[str, Row] = {
    "open": Row("first, and again after each failed attempt, on a new instance", READ, "E13 E20"),
    "close": Row("last, once, also if `open` failed", "nothing", "E64"),
    "identity": Row("once after `open`", READ, "E32"),
    "instruments": Row("after `open`, and regularly, for the symbols in the settings", READ, "E08 E09 E19"),
    "equity": Row(
        "before an increase if what is known is too old, and every `engine.resync`", READ, "E26 E29 E61 E62"
    ),
    "positions": Row(
        "before an order if no push was recent enough, after it, and every `engine.resync`",
        READ,
        "E17 E18 E21 E27 E28 E29 E61 E62",
    ),
    "prices": Row("as `equity`, for the symbols that have a target", READ, "E24 E29 E61 E62"),
    "set_leverage": Row(
        "before an increase whose leverage differs; not with `leverage_in_order`", CHANGE, "E06 E25 E28 E31"
    ),
    "set_margin_mode": Row(
        "before `set_leverage`, of a flat symbol whose mode differs; not with `leverage_in_order`",
        CHANGE,
        "E07 E31",
    ),
    "place_order": Row(
        "for each part of a change of position, after its intent is on disk",
        ORDER,
        "E01 E02 E03 E04 E05 E09 E10 E11 E12 E15 E19 E22 E23 E31 E63",
    ),
    "find_order": Row("after `OutcomeUnknown`, an open report, and a restart", READ, "E14 E16"),
    "order_cost": Row(
        "once an order's outcome is known, and a few times more while price or fee is missing", READ, "E50"
    ),
    "cash_flows": Row(
        "when the balance moved by more than orders explain, if the capabilities name kinds of payments",
        READ,
        "E51",
    ),
    "funding": Row("every five minutes while `limits.funding_guard` is set", READ, ""),
    "trading_terms": Row("before `te selftest` orders something", READ, ""),
    "place_stop": Row("when a stop has to rest; with the capability `stops`", ORDER, "E33 E38 E42"),
    "cancel_stop": Row("when a stop must not rest any more; with `stops`", CHANGE, "E36 E40"),
    "find_stop": Row(
        "when what became of a stop is not known, or it rests no more; with `stops`", READ, "E34 E35 E37"
    ),
    "stops": Row("after `open` and every `engine.resync`; with `stops`", READ, "E39"),
    "diagnose": Row("by `te doctor`", READ, "E60"),
    "request_budgets": Row("at every scrape of the metrics", "nothing; it is not `async`", "E65"),
    "watch": Row("after `open`, and again whenever it ended; with `private_stream`", READ, "E30"),
}
"""Methods of ``ExchangeAccount``. Without a case, only the type of the result is checked."""
SOURCE_METHODS: Mapping[str, Row] = {
    "run": Row(
        "once, after the factory; again on a new instance after each failure, with growing pauses",
        "`NotReady`, `AuthError`; what `context.publish` raises",
        "S01 S02 S03 S04 S05 S06 S07 S08 S10 S20 S21 S31 S33 S34 S35 S40 S41 S42",
    ),
    "screen": Row("for a request whose body is slow to arrive", "nothing; it is not `async`", "S52"),
    "on_webhook": Row(
        "for each request to `/hooks/<name>`, concurrently",
        "`NotReady` and `JournalError`, which are answered 503",
        "S01 S02 S03 S04 S05 S06 S07 S08 S10 S11 S20 S21 S34 S50 S51 S52 S53 S54",
    ),
    "close": Row("last, once, also if `run` never began", "nothing", "S32"),
    "status": Row("at any time, for `te status` and the page", "nothing; it is not `async`", "S21 S30"),
    "report": Row("at any time, for the plugin's commands", "nothing; it is not `async`", "S21 S30"),
}
"""Methods of ``SignalSource``."""
NOTIFIER_METHODS: Mapping[str, Row] = {
    "notify": Row(
        "for one event after the other",
        "`NotReady`, `AuthError`, `NoticeRefused`",
        "N01 N02 N03 N04 N05 N06 N07 N08 N09 N10 N12",
    ),
    "answer": Row(
        "on a second instance, if the settings have `control = true`", "`NotReady`, `AuthError`", ""
    ),
    "status": Row("at any time, of the instance that answers", "nothing; it is not `async`", "N09"),
    "close": Row("last, once", "nothing", "N11"),
}
"""Methods of ``Notifier``."""


def files() -> Mapping[Path, str]:
    """Return each page with up-to-date copies."""
    return {page: filled(page.read_text(encoding="utf-8")) for page in sorted(PAGES.glob("*.md"))}


def filled(page: str) -> str:
    """Return a page with the current text of every file and table."""
    page = FILE.sub(
        lambda found: f"{found['head']}\n{(ROOT / found['file']).read_text(encoding='utf-8')}```", page
    )
    return TABLE.sub(
        lambda found: f"<!-- {found['name']} -->\n{TABLES[found['name']]()}\n<!-- /{found['name']} -->", page
    )


def public_methods(kind: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Return the public methods of a class, in the order of its source."""
    for name, found in vars(kind).items():
        if inspect.isfunction(found) and not name.startswith("_"):
            yield name, found


def signature(method: Callable[..., object]) -> str:
    """Return ``prices(symbols: Sequence[str]) → Known[…]`` of a method."""
    found = inspect.signature(method)
    given = [str(one) for name, one in found.parameters.items() if name != "self"]
    given = [re.sub(r": '([^']*)'", r": \1", one) for one in given]
    returned = str(found.return_annotation).strip("'")
    shown = f"`{method.__name__}({', '.join(given)})`" + ("" if returned == "None" else f" → `{returned}`")
    return shown.replace("|", r"\|")


def first_sentence(text: str | None) -> str:
    """Return the first sentence of a docstring in Markdown."""
    first = " ".join(textwrap.dedent(text or "").strip().split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", first)[0].rstrip(".").replace("``", "`").replace("|", r"\|")


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def methods_table(kind: type, methods: Mapping[str, Row]) -> str:
    """Return every method of a contract: when it is called, what it may raise, which cases check it."""
    rows = (
        (signature(found), methods[name].called, methods[name].raises, methods[name].cases or "none")
        for name, found in public_methods(kind)
    )
    return table(("method", "called", "may raise", "cases"), rows)


def abilities_table(kind: type[StrEnum], side: str) -> str:
    """Return every ability, with its docstring."""
    texts = ability_texts(kind)
    rows = ((f"`{ability.name}`", texts.get(ability.name, "")) for ability in kind)
    return table((f"`{kind.__name__}`", f"what the {side}'s side can do"), rows)


def harness_table(kind: type) -> str:
    """Return every method of a harness, with its docstring's first sentence."""
    rows = (
        (signature(found), first_sentence(found.__doc__), "required" if is_required(found) else "")
        for _, found in public_methods(kind)
    )
    return table((f"`{kind.__name__}`", "what it does", ""), rows)


def fields_table(kind: type) -> str:
    """Return the attributes that a subclass of a harness may set, with their docstrings."""
    field = re.compile(r'^    (\w+): [^\n]*?(?: = ([^\n]*))?\n    """(.*?)"""', re.M | re.S)
    rows = (
        (f"`{name}`", " ".join(text.split()).replace("``", "`"), f"`{default}`" if default else "required")
        for name, default, text in field.findall(inspect.getsource(kind))
    )
    return table(("attribute", "what it is", "default"), rows)


def cases_of(suite: type) -> list[tuple[str, str, str]]:
    """Return the number, the name and the docstring of every case of a suite, in the order of their numbers."""
    found = re.compile(r"test_([a-z]\d\d)_(.*)")
    cases = ((found.fullmatch(name), method) for name, method in inspect.getmembers(suite))
    return sorted(
        (case[1].upper(), case[2].replace("_", " "), " ".join((method.__doc__ or "").split()))
        for case, method in cases
        if case
    )


def cases_table(suite: type) -> str:
    """Return every case of a suite and what it is about."""
    rows = (
        (number, name, text.rstrip(".").replace("``", "`").replace("|", r"\|"))
        for number, name, text in cases_of(suite)
    )
    return table(("case", "name", "what it is about"), rows)


def is_required(method: Callable[..., object]) -> bool:
    """Return whether a subclass has to define the method."""
    return bool(getattr(method, "__isabstractmethod__", False))


def ability_texts(kind: type[StrEnum]) -> dict[str, str]:
    """Return the docstrings of the members, which Python drops; without one, the method that it needs."""
    found = dict(
        re.findall(r'^    ([A-Z_]+) = [^\n]*\n    """(.*?)"""', inspect.getsource(kind), re.M | re.S)
    )
    texts = {name: " ".join(text.split()).replace("``", "`") for name, text in found.items()}
    methods = NEEDED_METHODS if kind is Ability else {}
    return {name: f"`{method.__name__}` works" for name, method in methods.items()} | texts


NEEDED_METHODS: Mapping[str, Callable[..., object]] = {
    "TRADE_BY_HAND": ExchangeHarness.trade,
    "LEVERAGE_BY_HAND": ExchangeHarness.set_leverage,
    "LIQUIDATE": ExchangeHarness.liquidate,
    "PAY_FUNDING": ExchangeHarness.pay_funding,
    "TRANSFER": ExchangeHarness.transfer,
}
TABLES: Mapping[str, Callable[[], str]] = {
    "account-methods": partial(methods_table, ExchangeAccount, METHODS),
    "source-methods": partial(methods_table, SignalSource, SOURCE_METHODS),
    "notifier-methods": partial(methods_table, Notifier, NOTIFIER_METHODS),
    "abilities": partial(abilities_table, Ability, "exchange"),
    "source-abilities": partial(abilities_table, SourceAbility, "sender"),
    "notifier-abilities": partial(abilities_table, NotifierAbility, "receiver"),
    "harness": partial(harness_table, ExchangeHarness),
    "source-harness": partial(harness_table, SourceHarness),
    "notifier-harness": partial(harness_table, NotifierHarness),
    "source-fields": partial(fields_table, SourceHarness),
    "source-cases": partial(cases_table, SourceConformance),
    "notifier-cases": partial(cases_table, NotifierConformance),
}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
