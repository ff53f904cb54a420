"""The conformance cases by exchange, from a real run: ``python -m tests.exchanges.table [--write]``.

``--write`` writes them to ``docs/exchanges.md``; ``--results FILE …`` reads JUnit files of pytest instead.
"""

from __future__ import annotations

import argparse
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from te_core.contracts.exchange import Capabilities
from te_core.testing.conformance import ExchangeConformance
from te_exchange_ccxt.plugin import CCXT
from te_exchange_paper.plugin import PAPER
from tests.exchanges import unified
from tests.exchanges.trading import PLUGINS, spec_of

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "exchanges.md"
CASES, CAPABILITIES, UNIFIED = "cases", "capabilities", "unified"
PASSED, FAILED, SKIPPED = "yes", "**FAILS**", "skipped"


@dataclass
class Column:
    """The outcome of each case for one test class, and the reasons of skipped cases."""

    outcomes: dict[str, str] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)

    def take(self, case: str, outcome: str, reason: str = "") -> None:
        """Add one test's outcome; a failure of any variant counts."""
        if outcome == SKIPPED:
            self.skips[case] = reason
        worse = (FAILED, PASSED, SKIPPED)
        known = self.outcomes.get(case, SKIPPED)
        self.outcomes[case] = min(known, outcome, key=worse.index)


def cases() -> list[str]:
    """Return the suite's cases, such as ``e01_flat_to_long``."""
    names = [name for name, _ in inspect.getmembers(ExchangeConformance, inspect.iscoroutinefunction)]
    return sorted(name.removeprefix("test_") for name in names if name.startswith("test_e"))


def run(results: Path) -> int:
    """Run every plugin's conformance tests, more in parallel than there are processors: mostly they wait."""
    files = [str(path) for path in sorted((ROOT / "plugins").glob("*/tests/test_*_conformance.py"))]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        str(2 * (os.cpu_count() or 1)),
        f"--junitxml={results}",
        *files,
    ]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", "--tb=short"], cwd=ROOT, check=False
    ).returncode


def columns(results: Iterable[Path]) -> dict[str, Column]:
    """Read pytest's results, by test class without its ``Test``. The last outcome of a repeated test counts."""
    tests = {
        (test.get("classname", "").rpartition(".Test")[2], test.get("name", "")): test
        for file in results
        for test in ElementTree.parse(file).iter("testcase")
    }
    found: dict[str, Column] = {}
    for (name, test_name), test in tests.items():
        column = found.setdefault(name, Column())
        case = test_name.partition("[")[0].removeprefix("test_")
        skipped = test.find("skipped")
        if skipped is not None:
            column.take(case, SKIPPED, skipped.get("message", ""))
        else:
            bad = test.find("failure") is not None or test.find("error") is not None
            column.take(case, FAILED if bad else PASSED)
    return dict(sorted(found.items()))


def case_table(found: Mapping[str, Column]) -> str:
    """Return a table of cases by test class, then the reasons of skipped cases."""
    lines = [f"| case | {' | '.join(found)} |", "| --- |" + " --- |" * len(found)]
    for case in cases():
        cells = [column.outcomes.get(case, "not run") for column in found.values()]
        lines.append(f"| {title(case)} | {' | '.join(cells)} |")
    lines += ["", "Skipped:", ""]
    lines += [
        f"- {name}, {title(case)}: {reason}."
        for name, column in found.items()
        for case, reason in sorted(column.skips.items())
    ]
    return "\n".join(lines)


def title(case: str) -> str:
    """Return ``e01_flat_to_long`` as a title."""
    number, _, rest = case.partition("_")
    return f"{number.upper()} {rest.replace('_', ' ')}"


def capability_table() -> str:
    """Return the table of what each plugin declares."""
    declared: dict[str, Capabilities] = {
        **{name: spec_of(name).capabilities for name in PLUGINS},
        "ccxt": CCXT.capabilities,
        "paper": PAPER.capabilities,
    }
    rows: dict[str, Callable[[Capabilities], str]] = {
        "an order is found by its client order id": lambda c: yes(c.order_lookup),
        "a repeated client order id is rejected": lambda c: yes(c.duplicate_ids_refused),
        "characters in a client order id": lambda c: str(c.client_order_ids.length),
        "has a hedge mode, which is refused": lambda c: yes(c.hedge_mode),
        "orders state leverage and margin mode": lambda c: yes(c.leverage_in_order),
        "pushes changes": lambda c: yes(c.private_stream),
        "holds stops": lambda c: yes(c.stops),
        "margin modes": lambda c: ", ".join(sorted(c.margin_modes)),
        "an order that is not found was lost after": lambda c: f"{c.visibility_window.total_seconds():g} s",
    }
    lines = [f"| | {' | '.join(declared)} |", "| --- |" + " --- |" * len(declared)]
    lines += [
        f"| {what} | {' | '.join(tell(found) for found in declared.values())} |"
        for what, tell in rows.items()
    ]
    return "\n".join(lines)


def yes(value: object) -> str:
    """Return "yes" or "no"."""
    return "yes" if value else "no"


def block(document: str, name: str) -> str:
    """Return the text between a block's marks."""
    return document.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def with_block(document: str, name: str, text: str) -> str:
    """Return the document with a new text in a block."""
    head, begin, rest = document.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"\n<!-- /{name} -->")
    if not (begin and end):
        raise SystemExit(f"{DOCUMENT.name} has no block {name!r}")
    return head + begin + text + end + tail


def write(found: Mapping[str, Column]) -> None:
    """Write the tables to the document."""
    document = DOCUMENT.read_text(encoding="utf-8")
    document = with_block(document, CASES, case_table(found))
    document = with_block(document, UNIFIED, unified.table())
    DOCUMENT.write_text(with_block(document, CAPABILITIES, capability_table()), encoding="utf-8")


def main(arguments: Iterable[str] | None = None) -> int:
    """Run, print and, if asked, write; return pytest's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.exchanges.table", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/exchanges.md")
    parser.add_argument("--results", type=Path, nargs="+", help="JUnit files of an earlier run")
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    with tempfile.TemporaryDirectory() as folder:
        results = options.results or [Path(folder) / "results.xml"]
        code = 0 if options.results else run(results[0])
        found = columns(results)
    print(case_table(found))
    if options.write:
        write(found)
    return code


if __name__ == "__main__":
    sys.exit(main())
