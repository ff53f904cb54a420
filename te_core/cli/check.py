"""``te check``: check whether the engine would start with these settings and plugins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode
from te_core.cli.output import print_json, print_lines, print_note

if TYPE_CHECKING:
    from te_core.settings.listeners import ListenSettings


def check(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Check the settings and the plugins they name. Starts nothing, writes nothing.

    \b
    Example: te check
    Exit code: 0 ok, 1 something cannot be used (the rest can), 2 settings refused
    """
    found = _found(Paths.of(context))
    if as_json:
        print_json(found)
    else:
        for problem in (*found["problems"], *found["warnings"]):
            print_note(problem)
        for key, reason in found["unavailable"].items():
            print_note(f"{key}: {reason}")
        for line in _lines(found):
            print_lines(line)
    if found["problems"]:
        raise typer.Exit(ExitCode.INVALID)
    if found["unavailable"]:
        raise typer.Exit(ExitCode.FAILED)


def _found(paths: Paths) -> dict[str, Any]:
    from te_core.cli.instances import load, redactor_of
    from te_core.cli.loose_ends import largest_leverages, loose_ends
    from te_core.secrets import redacted
    from te_core.settings.problems import SettingsInvalid

    found: dict[str, Any] = {
        "settings": paths.settings,
        "problems": [],
        "warnings": [],
        "unavailable": {},
        "sources": [],
        "accounts": [],
        "notifiers": [],
        "risk_checks": [],
        "observers": [],
    }
    try:
        resolved, registry, pending = load(paths, as_at_start=True)
        if resolved.settings.listen.private.token is None:
            pending.append("listen.private.token")
    except SettingsInvalid as invalid:
        return found | {"problems": [str(problem) for problem in invalid.problems]}
    return found | {
        "warnings": [
            *resolved.warnings,
            *(f"{key} is missing: the first `te run` creates one in .secrets.toml" for key in pending),
            *loose_ends(resolved.settings, registry, largest_leverages(paths, resolved.settings.symbols)),
            *_exposed(resolved.settings.listen),
        ],
        "unavailable": redacted(resolved.unavailable, redactor_of(resolved.settings, registry).redact),
        "sources": list(resolved.source_options),
        "accounts": list(resolved.account_options),
        "notifiers": list(resolved.notifier_options),
        "risk_checks": list(resolved.risk_check_options),
        "observers": list(resolved.observer_options),
    }


def _exposed(settings: ListenSettings) -> Iterator[str]:
    from te_core.contracts.exchange import Severity
    from te_core.web.exposure import exposure

    for finding in exposure(settings):
        if finding.severity is not Severity.OK:
            yield f"{finding.check}: {finding.text}; {finding.remedy}"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if found["problems"]:
        yield f"{found['settings']}: refused; a running engine keeps its last good settings"
        return
    yield f"{found['settings']}: {'valid, but not all of it can run' if found['unavailable'] else 'ok'}"
    yield f"sources that can run: {', '.join(found['sources']) or 'none'}"
    yield f"accounts that can run: {', '.join(found['accounts']) or 'none'}"
    for kind in ("notifiers", "risk_checks", "observers"):
        if found[kind]:
            yield f"{kind.replace('_', ' ')} that can run: {', '.join(found[kind])}"
