"""What the pages for authors copy from the code: whole files, and tables of the contract and the test kit.

``python -m tests.architecture.author_pages`` copies it again; a test fails while a page differs.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from te_core.api import ExchangeAccount
from te_core.testing.exchange_harness import Ability, ExchangeHarness

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "authors"
FILE = re.compile(r"^(?P<head>```\w+ file=(?P<file>examples/\S+))\n.*?^```$", re.M | re.S)
TABLE = re.compile(r"^<!-- (?P<name>[\w-]+) -->\n.*?^<!-- /(?P=name) -->$", re.M | re.S)
READ = "`NotReady`, `RateLimited`, `AuthError`"
CHANGE = f"{READ}, `OrderRejected`"
ORDER = f"{CHANGE} (`InsufficientMargin`, `DuplicateClientOrderId`), `OutcomeUnknown`"


class Row(NamedTuple):
    """``called``: when. ``raises``: what may be raised. ``cases``: numbers of the suite's cases that check it."""

    called: str
    raises: str
    cases: str


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
"""Methods of ``ExchangeAccount``. Without a case, only the types of what is returned are checked."""


def files() -> Mapping[Path, str]:
    """Return each page as it should read."""
    return {page: filled(page.read_text(encoding="utf-8")) for page in sorted(PAGES.glob("*.md"))}


def filled(page: str) -> str:
    """Return a page with the present text of every file and table."""
    page = FILE.sub(
        lambda found: f"{found['head']}\n{(ROOT / found['file']).read_text(encoding='utf-8')}```", page
    )
    return TABLE.sub(
        lambda found: f"<!-- {found['name']} -->\n{TABLES[found['name']]()}\n<!-- /{found['name']} -->", page
    )


def public_methods(kind: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Return the methods that a class defines for others, in the order of its source."""
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


def methods_table() -> str:
    """Return every method of an account: when it is called, what it may raise, which cases check it."""
    rows = (
        (signature(found), METHODS[name].called, METHODS[name].raises, METHODS[name].cases or "none")
        for name, found in public_methods(ExchangeAccount)
    )
    return table(("method", "called", "may raise", "cases"), rows)


def abilities_table() -> str:
    """Return every ability, with its docstring."""
    rows = ((f"`{ability.name}`", ABILITY_TEXTS.get(ability.name, "")) for ability in Ability)
    return table(("`Ability`", "what the exchange's side can do"), rows)


def harness_table() -> str:
    """Return every method of a harness, with its docstring's first sentence."""
    rows = (
        (signature(found), first_sentence(found.__doc__), "required" if is_required(found) else "")
        for _, found in public_methods(ExchangeHarness)
    )
    return table(("`ExchangeHarness`", "what it does", ""), rows)


def is_required(method: Callable[..., object]) -> bool:
    """Return whether a subclass has to define the method."""
    return bool(getattr(method, "__isabstractmethod__", False))


def _ability_texts() -> dict[str, str]:
    """Return the docstrings of the members, which Python drops; without one, the method that it needs."""
    source = inspect.getsource(Ability)
    found = dict(re.findall(r'^    ([A-Z_]+) = [^\n]*\n    """(.*?)"""', source, re.M | re.S))
    methods = {
        "TRADE_BY_HAND": ExchangeHarness.trade,
        "LEVERAGE_BY_HAND": ExchangeHarness.set_leverage,
        "LIQUIDATE": ExchangeHarness.liquidate,
        "PAY_FUNDING": ExchangeHarness.pay_funding,
        "TRANSFER": ExchangeHarness.transfer,
    }
    texts = {name: " ".join(text.split()).replace("``", "`") for name, text in found.items()}
    return {name: f"`{method.__name__}` works" for name, method in methods.items()} | texts


ABILITY_TEXTS = _ability_texts()
TABLES: Mapping[str, Callable[[], str]] = {
    "account-methods": methods_table,
    "abilities": abilities_table,
    "harness": harness_table,
}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
