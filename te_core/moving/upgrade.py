"""What an upgrade changes here: plugins that no longer fit, the journal's schema, defaults and keys of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from te_core import __version__
from te_core.app.last_run import LastRun
from te_core.contracts.exchange import Severity
from te_core.journal.copies import CopyFacts
from te_core.journal.schema import REVISIONS
from te_core.plugins.report import PluginReport, PluginStatus
from te_core.settings.schema import Settings

_UNFIT = (PluginStatus.FAILED, PluginStatus.INCOMPATIBLE, PluginStatus.CONFLICT, PluginStatus.MISSING)
_ANY = ("sources", "accounts", "notifiers", "symbols")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that an upgrade changes, and what to do about it. An ERROR is to be dealt with before the start."""

    severity: Severity
    what: str
    text: str
    remedy: str = ""


def check_plugins(reports: Iterable[PluginReport], last: LastRun | None) -> Iterator[Change]:
    """Yield plugins that do not fit this core, and those that are another version than at the last run."""
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


def check_journal(facts: CopyFacts | None) -> Iterator[Change]:
    """Yield what the first start does to the journal."""
    if facts is None:
        return
    if facts.revision == REVISIONS[-1]:
        yield Change(
            severity=Severity.OK, what="journal", text=f"schema {facts.revision}, as this version writes it"
        )
    else:
        yield Change(
            severity=Severity.WARNING,
            what="journal",
            text=f"schema {facts.revision} becomes {REVISIONS[-1]} at the first start; there is no way back",
            remedy="te backup",
        )


def check_version(last: LastRun | None, written_by: str) -> Iterator[Change]:
    """Yield which version ran here last."""
    before = last.version if last is not None else written_by
    if not before:
        yield Change(severity=Severity.OK, what="version", text=f"{__version__}, and none ran here before")
    elif before != __version__:
        yield Change(
            severity=Severity.OK,
            what="version",
            text=f"{before} ran last, {__version__} is installed",
            remedy="CHANGELOG.md says what changed",
        )
    else:
        yield Change(severity=Severity.OK, what="version", text=f"{__version__}, as ran last")
    if last is None and before:
        yield Change(
            severity=Severity.WARNING,
            what="defaults",
            text=f"those of {before} were not recorded: what changed cannot be told",
            remedy="CHANGELOG.md says what changed",
        )


def check_defaults(last: LastRun | None, now: LastRun, settings: Settings) -> Iterator[Change]:
    """Yield keys whose default is another one and counts here, and keys that are gone and are set here."""
    if last is None:
        return
    for key, before in last.defaults.items():
        after = now.defaults.get(key)
        if after == before:
            continue
        if after is None:
            for place in _stated(settings, key):
                yield Change(
                    severity=Severity.ERROR,
                    what=place,
                    text="this version has no such key",
                    remedy="te check names what is meant, or take it out",
                )
        else:
            for place in _unstated(settings, key):
                yield Change(
                    severity=Severity.WARNING,
                    what=place,
                    text=f"default {before} becomes {after}",
                    remedy=f"to keep it: {place.rpartition('.')[2]} = {before}",
                )


def _stated(settings: Settings, key: str) -> Iterator[str]:
    """Yield the places where a key is set."""
    yield from (place for place, tree, name in _places(settings, key) if _has(tree, name))


def _unstated(settings: Settings, key: str) -> Iterator[str]:
    """Yield the places where a key's default counts."""
    yield from (place for place, tree, name in _places(settings, key) if not _has(tree, name))


def _places(settings: Settings, key: str) -> Iterator[tuple[str, Mapping[str, object], str]]:
    """Yield (place, what the section states, name in it) of a key of ``LastRun.defaults``."""
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
    """Whether a tree states a dotted name."""
    head, _, rest = name.partition(".")
    if head not in tree:
        return False
    below = tree[head]
    return _has(below, rest) if rest and isinstance(below, Mapping) else True
