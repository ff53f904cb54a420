"""``te configure credentials``: set the required keys of each source and account, and test them before saving."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, print_lines, print_note, show, table
from te_core.cli.saving import Edit, check, save, with_edits
from te_core.wizards.asking import apply_answer, ask_for, ask_sections, draft_of, edits_of
from te_core.wizards.draft import Refused
from te_core.wizards.prompts import confirm

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.settings.layers import Texts
    from te_core.wizards.draft import Draft

GROUPS = ("sources", "accounts")


def configure_credentials(paths: Paths, changes: list[str] | None, *, yes: bool, tries: bool) -> None:
    """Prompt for credentials section by section, or apply ``SECTION.KEY=VALUE``; write them after one confirmation."""
    import os

    from te_core.settings.layers import read
    from te_core.settings.loading import settings_from

    texts = read(paths.settings)
    settings = settings_from(texts, os.environ)
    names = [f"{group}.{name}" for group in GROUPS for name in getattr(settings, group)]
    edits: list[Edit] = []
    if changes:
        for draft in _apply(paths, texts, names, changes):
            if tries and not _works(paths, texts, [*edits, *edits_of(draft)], draft):
                raise Failure(
                    "nothing was written",
                    next_step="correct them, or save them untested: the same command with --no-try",
                )
            edits += edits_of(draft)
    else:
        for name in names:
            edits += _ask(paths, texts, edits, draft_of(paths, texts, name), tries=tries)
    if not edits:
        print_lines("nothing changed")
        return
    save(paths, texts, edits, ask=not (changes or yes))


def _apply(paths: Paths, texts: Texts, names: list[str], changes: list[str]) -> list[Draft]:
    drafts: dict[str, Draft] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        section, _, option = key.strip().partition(".")
        title = next((name for name in names if section in {name, name.partition(".")[2]}), "")
        try:
            if not equals or not title:
                raise Refused(f"expected SECTION.KEY=VALUE, with SECTION one of {', '.join(names)}")
            draft = drafts.get(title) or draft_of(paths, texts, title)
            drafts[title] = draft
            apply_answer(draft, draft.find(option), text.strip())
        except Refused as refused:
            raise Failure(f"--set {key}: {refused}", code=ExitCode.INVALID) from None
    return list(drafts.values())


def _ask(paths: Paths, texts: Texts, before: list[Edit], draft: Draft, *, tries: bool) -> list[Edit]:
    """Prompt for one section; return its edits."""
    needed = draft.credentials()
    if not needed:
        return []
    print_lines("", f"[{draft.group}.{draft.name}]  plugin {draft.plugin}", bold=True)
    while True:
        for parameter in needed:
            ask_for(draft, parameter)
        if confirm(f"more settings of {draft.name}?", default=False):
            ask_sections([draft])
        if not draft.changes:
            return []
        if not tries or _works(paths, texts, [*before, *edits_of(draft)], draft):
            return edits_of(draft)
        match typer.prompt("a ask again, s save anyway, l leave it unchanged", default="a").strip().lower():
            case "s" if _holds(paths, texts, [*before, *edits_of(draft)]):
                return edits_of(draft)
            case "l":
                return []


def _holds(paths: Paths, texts: Texts, edits: list[Edit]) -> bool:
    """Return whether the edits are valid; print why not."""
    from te_core.settings.problems import SettingsInvalid

    try:
        check(paths, with_edits(texts, edits))
    except SettingsInvalid as invalid:  # such as a key that another account uses
        complain(*(f"  {problem}" for problem in invalid.problems))
        return False
    return True


def _works(paths: Paths, texts: Texts, edits: list[Edit], draft: Draft) -> bool:
    """Connect to an account with the edited settings and show the findings; return whether there was no error."""
    from te_core.cli.doctor import connected
    from te_core.cli.instances import load, redactor_of
    from te_core.logs import configure_logs
    from te_core.reporting.doctor import show as shown

    if draft.group != "accounts" or all(draft.all[path].path[0] == "enabled" for path in draft.changes):
        return True
    if not _holds(paths, texts, edits):
        return False
    resolved, registry, _ = load(paths, as_at_start=True, texts=with_edits(texts, edits))
    options = resolved.account_options.get(draft.name)
    if options is None:
        complain(f"  {resolved.unavailable.get(f'accounts.{draft.name}', 'cannot be tested')}")
        return False
    redactor = redactor_of(resolved.settings, registry)
    configure_logs(resolved.settings.logs.model_copy(update={"file": None}), redactor, folder=paths.state)
    print_note(f"testing {draft.name} …")
    spec = registry.exchanges[draft.plugin]
    with TemporaryDirectory() as folder:  # a running engine may be using the account's own folder
        found = asyncio.run(connected(Path(folder), draft.name, options, spec, resolved.settings))
    rows: list[dict[str, Any]] = [shown(finding) for finding in found]
    columns = ("severity", "check", "finding", "remedy")
    cells = (
        tuple(redactor.redact(str(row[key] or "")) for key in ("severity", "check", "text", "remedy"))
        for row in rows
        if row["severity"] != "ok" or row["check"] not in resolved.settings.symbols
    )
    show(table(draft.name, columns, cells))
    return not any(row["severity"] == "error" for row in rows)
