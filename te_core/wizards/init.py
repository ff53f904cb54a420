"""``te init``: write a first settings file from a few answers."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, print_lines, print_note
from te_core.texts import printable

if TYPE_CHECKING:
    from te_core.plugins.loading import InstanceSpec
    from te_core.plugins.registry import Registry
    from te_core.setup.answers import Answers, Instance, NewSource
    from te_core.wizards.draft import Draft

_SYMBOLS = "BTCUSDT ETHUSDT SOLUSDT"
_LEVERAGE = "2"


def init(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Signal source; may be repeated.")
    ] = None,
    exchange: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Exchange to trade on; may be repeated.")
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL", help="Symbol to trade; may be repeated.")
    ] = None,
    leverage: Annotated[str, typer.Option(help="Leverage of each symbol.")] = "",
    weight: Annotated[
        str, typer.Option(help="Share of an account that each source may steer per symbol, 0.01 to 1.")
    ] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME.KEY=VALUE", help="Key of a source or an exchange; may be repeated."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not prompt; accept the suggestions.")] = False,
) -> None:
    """Write a first settings.toml and .secrets.toml from a few answers, and check them.

    Enter accepts the suggestion in brackets, Ctrl-C quits and writes nothing. An option answers its question.

    \b
    Example: te init
             te init --exchange paper --symbol BTCUSDT --yes
             te init --exchange bybit --set bybit.api_key=… --set bybit.secret=…
    """
    paths = Paths.of(context)
    made = begin(
        paths,
        Given(
            sources=source,
            exchanges=exchange,
            symbols=symbol,
            leverage=leverage,
            weight=weight,
            keys=_keys(changes or []),
            asking=not yes,
        ),
    )
    _check_up(context)
    _next_steps(paths, made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Answers given by options; None and empty texts are prompted for."""

    sources: Sequence[str] | None = None
    exchanges: Sequence[str] | None = None
    symbols: Sequence[str] | None = None
    leverage: str = ""
    weight: str = ""
    keys: Mapping[str, Mapping[str, str]]
    asking: bool


def offer(context: typer.Context) -> None:
    """Offer to create missing settings, if run at a terminal."""
    paths = Paths.of(context)
    if paths.settings.exists() or not _at_a_terminal():
        return
    print_lines(f"There is no {paths.settings} yet.")
    if typer.confirm("Answer a few questions to create it?", default=True):
        begin(paths, Given(keys={}, asking=True))
        _check_up(context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The answers that were written, and the registry of installed plugins."""

    answers: Answers
    registry: Registry


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def begin(paths: Paths, given: Given) -> Made:
    """Prompt and write both files. Raises ``Failure`` if settings exist already."""
    if paths.settings.exists():
        raise Failure(
            f"{paths.settings} exists already",
            next_step="to change it: te configure NAME, or edit it, then te check",
            code=ExitCode.INVALID,
        )
    registry = _installed(paths)
    if given.asking:
        print_lines(
            f"This creates {paths.settings}.",
            "Enter accepts the suggestion in [brackets], Ctrl-C quits. Separate names with spaces.",
        )
    answers = _answers(registry, given)
    _write(paths, answers)
    return Made(answers=answers, registry=registry)


# -- what can be chosen


def _installed(paths: Paths) -> Registry:
    """Import every installed plugin, and leave out broken ones with a note."""
    import asyncio

    from te_core.app import used_plugins
    from te_core.cli.instances import redact_for
    from te_core.plugins.registry import Registry

    registry = Registry(used=used_plugins.read(paths.state))
    asyncio.run(registry.ensure(list(registry.reports), {}))
    redact = redact_for(paths)
    for name, report in registry.reports.items():
        if report.reason:
            print_note(f"plugin {name} is left out: {redact(report.reason)}")
    if not registry.sources or not registry.exchanges:
        raise Failure("no source plugin or no exchange plugin is installed", next_step="te plugins")
    return registry


def _easiest_first(specs: Mapping[str, InstanceSpec], group: str) -> list[str]:
    """Sort plugins that work without keys first, such as paper accounts and webhook sources."""
    return sorted(specs, key=lambda name: (any(_draft(specs[name], group).lacking()), name))


# -- questions


def _answers(registry: Registry, given: Given) -> Answers:
    from te_core.setup.answers import Answers, suggested_weight

    sources = _chosen(
        "Where do signals come from?", "Sources", "sources", registry.sources, given.sources, given
    )
    exchanges = _chosen(
        "Where are positions held? Start with paper money.",
        "Exchanges",
        "accounts",
        registry.exchanges,
        given.exchanges,
        given,
    )
    known = [*sources, *exchanges]
    if unknown := next((name for name in given.keys if name not in known), ""):
        raise Failure(
            f"--set {unknown}: it is not one of the chosen: {', '.join(known)}", code=ExitCode.INVALID
        )
    if given.asking:
        print_lines("")
    symbols = _asked("Symbols", _SYMBOLS, _symbols, " ".join(given.symbols or ()), given)
    leverage = _asked("Leverage", _LEVERAGE, _leverage, given.leverage, given)
    suggested = suggested_weight(symbols=len(symbols), sources=len(sources))
    if given.asking and not given.weight:
        print_lines(
            "", "A source at full depth (1) moves an account to weight x equity x leverage on a symbol."
        )
    weight = _asked("Weight of each source", f"{suggested}", _weight(len(sources)), given.weight, given)
    return Answers(
        sources=[_source(registry.sources[name], symbols, given) for name in sources],
        accounts=[_instance(registry.exchanges[name], "accounts", given) for name in exchanges],
        symbols=symbols,
        leverage=leverage,
        weight=weight,
    )


def _chosen(
    title: str,
    question: str,
    group: str,
    specs: Mapping[str, InstanceSpec],
    chosen: Sequence[str] | None,
    given: Given,
) -> list[str]:
    names = _easiest_first(specs, group)
    if given.asking and not chosen:
        print_lines("", title)
        width = max(map(len, names))
        for name in names:
            print_lines(f"  {name.ljust(width)}  {specs[name].summary}")

    def known(text: str) -> list[str]:
        from te_core.errors import nearest
        from te_core.setup.answers import words

        found = words(text)
        for name in found:
            if name not in names:
                raise ValueError(f"there is no {name!r}{nearest(name, names)} (known: {', '.join(names)})")
        if not found:
            raise ValueError("name at least one")
        return found

    found: list[str] = _asked(question, names[0], known, " ".join(chosen or ()), given)
    return found


def _asked(question: str, suggested: str, parse: Callable[[str], Any], answer: str, given: Given) -> Any:
    """Return the parsed answer: from the option, or else prompted for until it is valid."""
    if answer or not given.asking:
        try:
            return parse(answer or suggested)
        except ValueError as error:
            raise Failure(f"{question.lower()}: {error}", code=ExitCode.INVALID) from None
    while True:
        try:
            return parse(typer.prompt(question, default=suggested).strip())
        except ValueError as error:
            complain(f"  {printable(str(error))}")


def _symbols(text: str) -> list[str]:
    from te_core.setup.answers import SYMBOL, words

    found = words(text.upper())
    for symbol in found:
        if not SYMBOL.fullmatch(symbol):
            raise ValueError(f"{symbol!r}: expected letters and digits only, such as BTCUSDT")
    if not found:
        raise ValueError("name at least one")
    return found


def _leverage(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ValueError("expected a whole number from 1 to 100")
    return int(text)


def _weight(sources: int) -> Callable[[str], Decimal]:
    def parse(text: str) -> Decimal:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise ValueError("expected a number such as 0.3") from None
        if not 0 < value * sources <= 1:
            raise ValueError(
                f"expected more than 0 and at most {Decimal(1) / sources:.4g}: weights of a symbol add up to at most 1"
            )
        return value

    return parse


# -- sources and accounts


def _source(spec: Any, symbols: Iterable[str], given: Given) -> NewSource:
    from te_core.setup.answers import NewSource

    made = _instance(spec, "sources", given)
    spellings = {spelling: symbol for symbol in symbols for spelling in spec.spellings(symbol)}
    return NewSource(
        name=made.name,
        summary=made.summary,
        options=made.options,
        hidden=made.hidden,
        missing=made.missing,
        spellings=spellings,
    )


def _draft(spec: InstanceSpec, group: str) -> Draft:
    from te_core.wizards.draft import Draft
    from te_core.wizards.sections import section_of

    return Draft(section_path=(group, spec.name), section=section_of(group), spec=spec, data={}, new=True)


def _instance(spec: InstanceSpec, group: str, given: Given) -> Instance:
    """Prompt for the required keys of a plugin. An empty answer skips the rest for now."""
    from te_core.setup.answers import Instance
    from te_core.wizards.draft import Refused

    draft = _draft(spec, group)
    for key, text in given.keys.get(spec.name, {}).items():
        try:
            draft.answer(draft.find(key), text)
        except Refused as refused:
            raise Failure(f"--set {spec.name}.{key}: {refused}", code=ExitCode.INVALID) from None
    if given.asking:
        _ask_for_the_rest(draft)
    missing = list(draft.lacking())
    if any(not parameter.secret for parameter in missing):
        draft.answer(draft.find("enabled"), "false")
    values = {draft.all[path].name: (draft.all[path].secret, value) for path, value in draft.changes.items()}
    return Instance(
        name=spec.name,
        summary=spec.summary,
        options={name: value for name, (secret, value) in values.items() if not secret},
        hidden={name: value for name, (secret, value) in values.items() if secret},
        missing=[parameter.name for parameter in missing],
    )


def _ask_for_the_rest(draft: Draft) -> None:
    from te_core.wizards.draft import Refused

    while parameter := next(iter(draft.lacking()), None):
        print_lines("", f"{draft.name}: {parameter.meaning}")
        text = typer.prompt(
            f"{draft.name} {parameter.name} (Enter: later)",
            default="",
            show_default=False,
            hide_input=parameter.secret,
        ).strip()
        if not text:
            return
        try:
            draft.answer(parameter, text)
        except Refused as refused:
            complain(f"  {refused}")


def _keys(changes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Parse ``NAME.KEY=VALUE`` arguments."""
    found: dict[str, dict[str, str]] = {}
    for change in changes:
        path, equals, value = change.partition("=")
        name, dot, key = path.strip().partition(".")
        if not (equals and dot and key):
            raise Failure(f"--set {path}: expected NAME.KEY=VALUE", code=ExitCode.INVALID)
        found.setdefault(name, {})[key] = value.strip()
    return found


# -- files


def _write(paths: Paths, answers: Answers) -> None:
    from te_core.cli.instances import load
    from te_core.settings import files, layers
    from te_core.settings.loading import load_settings
    from te_core.settings.secrets import MODE, generate_missing, private_token
    from te_core.setup.settings_file import secrets_text, settings_text

    secrets = paths.settings.with_name(layers.SECRETS_FILE)
    if secrets.exists():
        raise Failure(
            f"{secrets} exists already and was not changed",
            next_step="move it away, or write settings.toml next to it yourself",
            code=ExitCode.INVALID,
        )
    texts = layers.Texts(file=paths.settings, settings=settings_text(answers), secrets=secrets_text(answers))
    _, registry, _ = load(paths, as_at_start=True, texts=texts)  # raises for whatever `te check` would refuse
    try:
        paths.settings.parent.mkdir(parents=True, exist_ok=True)
        files.replace_file(secrets, texts.secrets or "", mode=MODE)
        files.replace_file(paths.settings, texts.settings or "", mode=0o644)
        settings = load_settings(paths.settings, os.environ)
        generate_missing(paths.settings, settings, registry)
        private_token(paths.settings, settings)
    except OSError as error:
        raise Failure(f"cannot write {error.filename or paths.settings}: {error.strerror}") from None
    print_lines("", f"wrote {paths.settings} and {layers.SECRETS_FILE}")


# -- and then


def _check_up(context: typer.Context) -> None:
    from te_core.cli.doctor import doctor

    print_lines("", "te doctor:")
    try:
        doctor(context, account=None, as_json=False)
    except typer.Exit:
        print_note("some of it does not work yet; each finding shows what to do. To check again: te doctor")


def _next_steps(paths: Paths, made: Made) -> None:
    from te_core.app.summary import first_alert

    te = "te" if paths == Paths.find(None) else f"te --settings {shlex.quote(str(paths.settings))}"
    print_lines("Next:", "")
    print_lines(f"  {te} run", bold=True)
    print_lines("    starts the engine in this terminal. In another one:", "")
    print_lines(f"  {te} plan", bold=True)
    print_lines("    shows what would be ordered now: nothing until a first signal arrives", "")
    live = [one.name for one in made.answers.accounts if _is_live(one.name, made.registry)]
    if live:
        print_lines(f"  {te} go {live[0]}", bold=True)
        print_lines(
            "    starts trading on that account; until then it only observes, and te plan shows what it would do",
            "",
        )
    for name, spec in made.registry.sources.items():
        spellings = next((source.spellings for source in made.answers.sources if source.name == name), {})
        if spec.webhook is not None and spellings:
            print_lines(f"  {first_alert(paths, name, spec.webhook, next(iter(spellings)))}", bold=True)
            print_lines("    sends a first alert by hand", "")
            break


def _is_live(plugin: str, registry: Registry) -> bool:
    spec = registry.exchanges.get(plugin)
    return spec is not None and not spec.capabilities.simulated
