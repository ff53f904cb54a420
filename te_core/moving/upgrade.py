"""Finds what an upgrade changes: incompatible plugins, the journal's schema, defaults and keys of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from te_core import __version__
from te_core.app.last_run import LastRun
from te_core.contracts.exchange import Severity
from te_core.errors import JournalError
from te_core.journal.copies import read_facts
from te_core.journal.schema import REVISIONS
from te_core.plugins.report import PluginReport, PluginStatus
from te_core.settings.problems import SettingsInvalid
from te_core.settings.schema import Settings

_UNFIT = (PluginStatus.FAILED, PluginStatus.INCOMPATIBLE, PluginStatus.CONFLICT, PluginStatus.MISSING)
_ANY = ("sources", "accounts", "notifiers", "risk_checks", "observers", "symbols")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change by an upgrade, and what to do about it. An ERROR must be resolved before the start."""

    severity: Severity
    what: str
    text: str
    remedy: str = ""


def check_plugins(reports: Iterable[PluginReport], last: LastRun | None) -> Iterator[Change]:
    """Yield plugins that are incompatible with this core, and plugins whose version changed since the last run."""
    before = last.plugins if last is not None else {}
    for report in reports:
        name = f"plugin {report.name}"
        if report.status in _UNFIT:
            yield Change(
                severity=Severity.ERROR,
                what=name,
                text=report.reason or str(report.status),
                remedy="te plugins",
            )
        elif report.name in before and before[report.name] != report.version:
            text = f"{before[report.name]} ran last, {report.version} is installed"
            yield Change(severity=Severity.OK, what=name, text=text)


def check_journal(path: Path) -> tuple[Sequence[Change], str]:
    """Return what the first start changes in the journal, and the version that wrote it; "" if there is none."""
    if not path.exists():
        return (), ""
    try:
        facts = read_facts(path)
    except JournalError as error:
        return (Change(severity=Severity.ERROR, what="journal", text=str(error)),), ""
    if facts.revision == REVISIONS[-1]:
        text = f"schema {facts.revision}, current for this version"
        return (Change(severity=Severity.OK, what="journal", text=text),), facts.written_by
    text = f"schema {facts.revision} becomes {REVISIONS[-1]} at the first start; this cannot be undone"
    change = Change(severity=Severity.WARNING, what="journal", text=text, remedy="te backup")
    return (change,), facts.written_by


def check_version(last: LastRun | None, written_by: str) -> Iterator[Change]:
    """Yield the version that ran here last."""
    before = last.version if last is not None else written_by
    if not before:
        yield Change(severity=Severity.OK, what="version", text=f"{__version__}; none has run here before")
    elif before != __version__:
        yield Change(
            severity=Severity.OK,
            what="version",
            text=f"{before} ran last, {__version__} is installed",
            remedy="see CHANGELOG.md",
        )
    else:
        yield Change(severity=Severity.OK, what="version", text=f"{__version__}, same as last run")
    if last is None and before:
        yield Change(
            severity=Severity.WARNING,
            what="defaults",
            text=f"those of {before} were not recorded, so changes cannot be shown",
            remedy="see CHANGELOG.md",
        )


def check_settings(invalid: SettingsInvalid) -> Iterator[Change]:
    """Yield what this version refuses in the settings, including renamed or removed keys."""
    for problem in invalid.problems:
        key, reason = getattr(problem, "key", ""), getattr(problem, "reason", str(problem))
        yield Change(
            severity=Severity.ERROR, what=key or "settings", text=reason, remedy="edit it, then: te check"
        )


def check_defaults(last: LastRun | None, now: LastRun, settings: Settings) -> Iterator[Change]:
    """Yield keys whose default changed since the last run, if the settings do not set them."""
    for key, before in last.defaults.items() if last is not None else ():
        after = now.defaults.get(key, before)
        if after == before:
            continue
        for section, stated, name in _settings_of(settings, key):
            if not _has(stated, name):
                yield Change(
                    severity=Severity.WARNING,
                    what=section,
                    text=f"default {before} becomes {after}",
                    remedy=f"to keep it: {name} = {before}",
                )


def _settings_of(settings: Settings, key: str) -> Iterator[tuple[str, Mapping[str, object], str]]:
    """Yield (path, values the section sets, name within it) for a key of ``LastRun.defaults``."""
    group, _, rest = key.partition(".")
    if group not in _ANY:
        section = getattr(settings, group, None)
        stated = section.model_dump(exclude_unset=True) if section is not None else {}
        yield key, stated, rest
        return
    owner, colon, name = rest.partition(":")
    for title, section in getattr(settings, group).items():
        if not colon:
            own = rest.removeprefix("*.")
            yield f"{group}.{title}.{own}", section.model_dump(exclude_unset=True), own
        elif section.plugin == owner:
            yield f"{group}.{title}.{name}", section.options, name


def _has(tree: Mapping[str, object], name: str) -> bool:
    """Return whether a tree contains a dotted name."""
    head, _, rest = name.partition(".")
    if head not in tree:
        return False
    below = tree[head]
    return _has(below, rest) if rest and isinstance(below, Mapping) else True
