"""``make docs``: gathers the pages of the whole repository and builds a site of them; every link leads somewhere.

Pages keep their places, so that what links to them in the repository links to them on the site. Pages that only the
site has are made here: the list of decisions, and the reference of what plugins import.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import partial

from release.projects import ROOT

SOURCE = ROOT / "build" / "site" / "source"
HTML = ROOT / "build" / "site" / "html"
LEFT_OUT = (".github/", "packages/", "tests/mutants/")
LINK = re.compile(r"\]\(([^)\s#]+)")
REFERENCE = {
    "te_core.md": ("API of the core", ("te_core.api",)),
    "contracts.md": (
        "Contracts",
        (
            "te_core.hookspecs",
            "te_core.contracts.source",
            "te_core.contracts.exchange",
            "te_core.contracts.notifier",
            "te_core.contracts.risk_check",
            "te_core.contracts.observer",
            "te_core.model.review",
            "te_core.contracts.control",
            "te_core.contracts.options",
        ),
    ),
    "testing.md": ("Test kit", ("te_core.testing",)),
}
"""Pages of the reference: title, and the modules on them."""
CONTENTS = {
    "Getting started": ("docs/quickstart", "docs/set-up", "docs/coming-from"),
    "Operating": (
        "docs/operations",
        "docs/cli",
        "docs/settings",
        "docs/stops",
        "docs/breakers",
        "docs/metrics",
        "docs/page",
        "docs/money",
        "docs/assistant",
        "docs/security",
        "SECURITY",
    ),
    "Sources": (
        "plugins/signals_tradingview/README",
        "docs/tradingview",
        "plugins/signals_bittensor/README",
        "docs/bittensor",
    ),
    "Exchanges": ("docs/exchanges", "plugins/exchange_*/README"),
    "Notices": ("docs/notices", "docs/telegram", "plugins/notify_*/README"),
    "Writing plugins": (
        "docs/authors/source",
        "docs/authors/exchange-on-ccxt",
        "docs/authors/exchange-from-scratch",
        "docs/authors/testing",
        "docs/authors/threads",
        "docs/authors/publishing",
        "docs/plugins",
        "docs/extending",
        "docs/compatibility",
        "docs/hostile-plugins",
        "docs/emulators",
        "docs/plugin-levels",
        "api/te_core",
        "api/contracts",
        "api/testing",
        "emulators/README",
        "examples/README",
        "examples/*/README",
    ),
    "Design": (
        "docs/architecture",
        "tests/weekend/README",
        "docs/adr/index",
        "CONTRIBUTING",
        "CODE_OF_CONDUCT",
        "CHANGELOG",
    ),
}
"""The table of contents; a star matches every page of that name."""


def main() -> None:
    gather()
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-j",
        "auto",
        str(SOURCE),
        str(HTML),
    ]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def gather() -> None:
    """Copy every page and what pages link to, and add the pages that are made."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for name in _tracked("*.md"):
        if name.startswith(LEFT_OUT):
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        text = LINK.sub(partial(_to_page, name), text)
        _write(
            "index.md" if name == "README.md" else name, text + (contents() if name == "README.md" else "")
        )
        for link in LINK.findall(text):
            linked = (ROOT / name).parent / link
            if "://" not in link and linked.is_file() and linked.suffix != ".md":
                _copy(str(linked.resolve().relative_to(ROOT)))
    for name in _tracked("docs/*.png"):
        _copy(name)
    _write("docs/adr/index.md", decisions())
    for name, (title, modules) in REFERENCE.items():
        _write(f"api/{name}", f"# {title}\n\n" + "".join(map(reference, modules)))
    shutil.copyfile(ROOT / "release" / "site_conf.py", SOURCE / "conf.py")


def reference(module: str) -> str:
    """Return the reference of a module, from its docstrings."""
    options = ":members:\n:member-order: bysource\n" + (
        ":imported-members:\n" if module == "te_core.api" else ":no-index:\n"
    )
    return (
        f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n"
        + "".join(f"   {option}\n" for option in options.splitlines())
        + "```\n\n"
    )


def contents() -> str:
    """Return the table of contents."""
    lines = [""]
    for caption, pages in CONTENTS.items():
        lines += ["```{toctree}", ":hidden:", ":glob:", f":caption: {caption}", "", *pages, "```", ""]
    return "\n".join(lines)


def decisions() -> str:
    """Return the list of decisions, newest first."""
    lines = ["# Decisions", "", "What was decided, and why. Newest first.", ""]
    for page in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"), reverse=True):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"* [{title}]({page.name})")
    lines += ["", "```{toctree}", ":hidden:", ":glob:", ":reversed:", "", "[0-9]*", "```"]
    return "\n".join(lines) + "\n"


def _to_page(page: str, found: re.Match[str]) -> str:
    """Let a link to a folder lead to its list of pages, and one to the README to the site's first page."""
    link = found.group(1)
    linked = (ROOT / page).parent / link
    if "://" not in link and linked.is_dir():
        return f"]({link.rstrip('/')}/index.md"
    if "://" not in link and linked.resolve() == ROOT / "README.md":
        return f"]({link.removesuffix('README.md')}index.md"
    return found.group(0)


def _tracked(pattern: str) -> list[str]:
    found = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, check=True, capture_output=True, text=True)
    return found.stdout.split()


def _copy(name: str) -> None:
    target = SOURCE / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / name, target)


def _write(name: str, text: str) -> None:
    target = SOURCE / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
