"""Quality levels of plugins: what each needs, in one table by which plugins are checked and documents are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from te_core import __version__
from te_core.plugin_kit.evidence import TAIL, Evidence, Outcome
from te_core.plugin_kit.recorder import SUITES
from te_core.plugin_kit.traces import shorten

CORE = "te-core"
FAR = Version("9999")
"""A version of the core that nobody has tried a plugin with."""
EMULATOR_LACKS = "the emulator cannot"
"""How the suite's reason begins where a case is skipped for what the emulator cannot do."""
WORKFLOWS = (".github/workflows/*.y*ml", ".gitlab-ci.yml", ".forgejo/workflows/*.y*ml", ".woodpecker.y*ml")


class Level(IntEnum):
    """How far a plugin is. Each level needs what those below it need."""

    NONE = 0
    BRONZE = 1
    SILVER = 2
    GOLD = 3

    def __str__(self) -> str:
        """Write it in lower case."""
        return self.name.lower()


MEANING = {
    Level.BRONZE: "The plugin loads and is described.",
    Level.SILVER: "The plugin is checked by types, tests and the conformance suite.",
    Level.GOLD: "The plugin is fit for other people's money: failures were tested, and someone is responsible for it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a requirement is met."""

    met: bool | None
    """None if it could not be checked."""
    detail: Sequence[str] = ()
    """Why not, one line each."""
    remedy: str = ""
    """What to do."""


MET = Verdict(met=True)
NOT_LOADED = Verdict(met=None, detail=["not checked, since the plugin does not load"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that a level needs."""

    name: str
    level: Level
    text: str
    check: Callable[[Evidence], Verdict]
    kinds: frozenset[str] = frozenset()
    """Of plugins that need it; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A need and what became of it."""

    need: Need
    verdict: Verdict


def judge(evidence: Evidence) -> tuple[Level, Sequence[Finding]]:
    """Return the level that a plugin has reached, and what became of every need that concerns it."""
    found = [
        Finding(need=need, verdict=need.check(evidence))
        for need in NEEDS
        if not need.kinds or need.kinds & evidence.kinds
    ]
    reached = Level.NONE
    for level in (Level.BRONZE, Level.SILVER, Level.GOLD):
        if not all(one.verdict.met for one in found if one.need.level is level):
            break
        reached = level
    return reached, found


def table() -> Iterator[str]:
    """Write the needs as a Markdown table for each level, a line each."""
    for level, meaning in MEANING.items():
        yield from (
            f"## {str(level).capitalize()}",
            "",
            meaning,
            "",
            "| requirement | meaning |",
            "|---|---|",
        )
        for need in NEEDS:
            if need.level is level:
                whose = f" ({', '.join(sorted(need.kinds))} only)" if need.kinds else ""
                yield f"| `{need.name}` | {need.text}{whose} |"
        yield ""


# -- bronze


def _metadata(evidence: Evidence) -> Verdict:
    project = evidence.project.metadata
    dynamic = project.get("dynamic", ())
    missing = [
        name
        for name in ("version", "description", "requires-python")
        if name not in dynamic and not project.get(name)
    ]
    if missing:
        return Verdict(met=False, detail=[f"[project] lacks {', '.join(missing)}"], remedy="add it there")
    return MET


def _core(evidence: Evidence) -> Verdict:
    bounds = f'dependencies = ["{CORE}>=0.1,<0.2"]'
    try:
        needs = [Requirement(text) for text in evidence.project.metadata.get("dependencies", ())]
    except InvalidRequirement as error:
        return Verdict(met=False, detail=[f"dependencies: {error}"], remedy="see PEP 508")
    asked = [need.specifier for need in needs if canonicalize_name(need.name) == CORE]
    if not asked:
        return Verdict(met=False, detail=[f"dependencies do not name {CORE}"], remedy=bounds)
    if not asked[0].contains(__version__, prereleases=True):
        return Verdict(
            met=False, detail=[f"{CORE}{asked[0]} refuses this core, {__version__}"], remedy=bounds
        )
    if FAR in asked[0] or not any(part.operator in {">=", ">", "~=", "=="} for part in asked[0]):
        return Verdict(met=False, detail=[f"{CORE}{asked[0]} lacks a bound"], remedy=bounds)
    return MET


def _loads(evidence: Evidence) -> Verdict:
    detail: list[str] = []
    for name, report in evidence.loaded.items():
        if report["status"] != "loaded":
            detail.append(f"{name}: {report['status']}: {report['reason']}")
            detail += shorten(report.get("traceback", ""), evidence.project.folder)
    return Verdict(met=False, detail=detail) if detail else MET


def _settings(evidence: Evidence) -> Verdict:
    if not evidence.specs:
        return NOT_LOADED
    loose = [
        f"the settings of the {s['kind']} accept unknown keys"
        for s in evidence.specs
        if not s["refuses_unknown"]
    ]
    silent = [
        f"{option['name']}: its meaning is not stated"
        for spec in evidence.specs
        for option in spec["options"]
        if not option["meaning"]
    ]
    if not loose and not silent:
        return MET
    remedy = 'model_config = ConfigDict(extra="forbid"), and a description or a docstring under every key'
    return Verdict(met=False, detail=[*loose, *silent], remedy=remedy)


# -- silver


def _typing(evidence: Evidence) -> Verdict:
    packages = [path for path in evidence.project.packages if path.is_dir()]
    unmarked = [f"{path.name} has no py.typed" for path in packages if not (path / "py.typed").exists()]
    if unmarked:
        return Verdict(met=False, detail=unmarked, remedy="add an empty file of that name to the package")
    if not evidence.loads:
        return NOT_LOADED
    if evidence.typing is None:
        return Verdict(met=None, detail=["mypy did not run"], remedy="pip install mypy")
    if not evidence.typing.passed:
        return Verdict(met=False, detail=_tail(evidence.typing.output), remedy="mypy --strict finds nothing")
    return MET


def _tests(evidence: Evidence) -> Verdict:
    if not evidence.loads:
        return NOT_LOADED
    if evidence.tests is None:
        return Verdict(
            met=None,
            detail=["the tests did not run"],
            remedy='pip install "te-core[testing]", without --no-tests',
        )
    if not evidence.tests.passed or not evidence.tests.outcomes:
        return Verdict(met=False, detail=_tail(evidence.tests.output), remedy="every test passes")
    return MET


def _cases(evidence: Evidence, kinds: Iterable[str]) -> dict[str, Outcome]:
    found = evidence.tests.outcomes if evidence.tests else {}
    return {name: outcome for name, outcome in found.items() if outcome.suite in kinds}


def _conformance(evidence: Evidence) -> Verdict:
    if evidence.tests is None:
        return Verdict(met=None, detail=["the tests did not run"])
    kinds = sorted(evidence.kinds & TESTED)
    without = [kind for kind in kinds if not _cases(evidence, {kind})]
    if without:
        names = {kind: f"{name} of {module}" for (module, name), kind in SUITES.items()}
        missing = [f"no test class is a {names[kind]}" for kind in without]
        return Verdict(met=False, detail=missing, remedy=f"te plugin new {without[0]} NAME shows one")
    failed = [name for name, case in _cases(evidence, kinds).items() if case.outcome == "failed"]
    return Verdict(met=False, detail=failed, remedy="pytest -k conformance") if failed else MET


def _readme(evidence: Evidence) -> Verdict:
    file = _first(evidence.project.folder, "README*")
    if file is None:
        return Verdict(met=False, detail=["there is no README"], remedy="say how it is installed and set up")
    text = file.read_text(encoding="utf-8", errors="replace")
    names = (str(option["name"]) for spec in evidence.specs for option in spec["options"])
    unnamed = [name for name in names if name not in text]
    if unnamed:
        detail = f"{file.name} does not name the settings {', '.join(unnamed)}"
        return Verdict(met=False, detail=[detail], remedy="a table of keys, defaults and meanings")
    return MET


def _licence(evidence: Evidence) -> Verdict:
    stated = bool(evidence.project.metadata.get("license"))
    if stated and _first(evidence.project.folder, "LICEN[CS]E*"):
        return MET
    return Verdict(
        met=False, detail=["no licence, or no text of it"], remedy='license = "MIT" and a file LICENSE'
    )


# -- gold


def _tried_failures(evidence: Evidence) -> Verdict:
    cases = _cases(evidence, TESTED)
    if not cases:
        return Verdict(met=None, detail=["the conformance suite did not run"])
    lacking = {
        case.reason
        for case in cases.values()
        if case.outcome == "skipped" and case.reason.startswith(EMULATOR_LACKS)
    }
    if lacking:
        return Verdict(
            met=False,
            detail=sorted(lacking),
            remedy="add it to the abilities of the harness",
        )
    return MET


def _ci(evidence: Evidence) -> Verdict:
    if _first(evidence.project.folder, *WORKFLOWS):
        return MET
    return Verdict(met=False, detail=["no workflow is found"], remedy="te plugin new writes one")


def _changes(evidence: Evidence) -> Verdict:
    if _first(evidence.project.folder, "CHANGELOG*", "CHANGES*"):
        return MET
    return Verdict(met=False, detail=["there is no CHANGELOG"], remedy="one fact that a user notices a line")


def _contact(evidence: Evidence) -> Verdict:
    if evidence.project.metadata.get("urls"):
        return MET
    return Verdict(met=False, detail=["[project.urls] is empty"], remedy='add Source = "…" and Issues = "…"')


def _first(folder: Path, *patterns: str) -> Path | None:
    return next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)


def _tail(output: Sequence[str]) -> Sequence[str]:
    return [line for line in output if line.strip()][-TAIL:]


TESTED = frozenset(SUITES.values())
"""The kinds of plugin that have a conformance suite."""
NEEDS = (
    Need(
        name="metadata",
        level=Level.BRONZE,
        text="`[project]` states version, description and supported Python versions",
        check=_metadata,
    ),
    Need(
        name="core",
        level=Level.BRONZE,
        text="it requires the core with a lower and an upper bound, and this core is within them",
        check=_core,
    ),
    Need(
        name="loads",
        level=Level.BRONZE,
        text="a fresh process imports it, and its hooks return what the engine accepts",
        check=_loads,
    ),
    Need(
        name="settings",
        level=Level.BRONZE,
        text="its settings refuse unknown keys, and every key is documented (for `te configure`)",
        check=_settings,
    ),
    Need(
        name="typing",
        level=Level.SILVER,
        text="it has `py.typed`, and `mypy --strict` finds nothing",
        check=_typing,
    ),
    Need(name="tests", level=Level.SILVER, text="it has tests, and all of them pass", check=_tests),
    Need(
        name="conformance",
        level=Level.SILVER,
        text="the suite of its kind runs (`ExchangeConformance`, `SourceConformance`, `NotifierConformance`), and no "
        "case fails",
        check=_conformance,
        kinds=TESTED,
    ),
    Need(name="readme", level=Level.SILVER, text="its README describes every setting", check=_readme),
    Need(
        name="licence", level=Level.SILVER, text="it declares a licence and includes its text", check=_licence
    ),
    Need(
        name="troubles",
        level=Level.GOLD,
        text="no case of the suite is skipped because the emulator lacks an ability: lost responses, bad keys, "
        "outages, rate limits, partial fills, failing reads, manual trades",
        check=_tried_failures,
        kinds=TESTED,
    ),
    Need(name="ci", level=Level.GOLD, text="a workflow checks every change", check=_ci),
    Need(name="changes", level=Level.GOLD, text="a CHANGELOG lists user-visible changes", check=_changes),
    Need(
        name="contact",
        level=Level.GOLD,
        text="`[project.urls]` links to the source and to a place for reporting problems",
        check=_contact,
    ),
)
"""Everything that any level needs."""
