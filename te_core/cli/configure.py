"""``te configure``: a section of the settings, key by key, with what each means."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Place
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, note, say
from te_core.texts import printable

if TYPE_CHECKING:
    from te_core.cli.draft import Draft
    from te_core.cli.parameters import Parameter
    from te_core.settings.layers import Texts

_UNSET = "-"


def configure(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A source, account or notifier of the settings, or a plugin.", show_default=False
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a key without asking; - takes it out. Repeatable."
        ),
    ] = None,
    new: Annotated[str, typer.Option(metavar="NAME", help="Make another instance of the plugin.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking once more.")] = False,
) -> None:
    """Ask for every setting of a source, an account or a notifier, and write settings.toml and .secrets.toml.

    Enter keeps a value, - goes back to the default, Ctrl-C ends and writes nothing.

    \b
    Example: te configure bittensor
             te configure sn8 --set interval=30s --set scoring.min_trades=20
             te configure bybit --new bybit-main
    """
    from te_core.settings.layers import read

    place = Place.of(context)
    texts = read(place.settings)
    draft = _draft(place, texts, name, new, asking=not changes)
    if changes:
        _set(draft, changes)
    else:
        _ask(draft)
    if not draft.changes and not draft.new:
        say("nothing changed")
        return
    _summarise(draft)
    edited = _edited(texts, draft)
    _check(place, edited)
    if not (changes or yes):
        typer.confirm("Write this?", default=True, abort=True)
    _write(place, texts, edited)
    _tell(place, draft)


# -- which section


def _draft(place: Place, texts: Texts, name: str, new: str, *, asking: bool) -> Draft:
    from te_core.app import used_plugins
    from te_core.cli.draft import Draft
    from te_core.cli.sections import find, named
    from te_core.settings import layers
    from te_core.settings.loading import settings_from
    from te_core.settings.schema import Settings

    settings = settings_from(texts, os.environ)
    found = find(settings, name, new, used_plugins.read(place.state))
    title = found.name
    if found.new and not new and asking:
        title = typer.prompt(f"Name of the new section below [{found.group}]", default=title)
    if found.new:
        named(settings, found.group, title)
    tree: dict[str, Any] = layers.plain(layers.merge(texts, os.environ, Settings).tree)
    data = tree.get(found.group, {}).get(title, {})
    return Draft(
        group=found.group, name=title, section=found.section, spec=found.spec, data=data, new=found.new
    )


# -- answers


def _set(draft: Draft, changes: list[str]) -> None:
    from te_core.cli.draft import Refused

    for change in changes:
        key, equals, value = change.partition("=")
        try:
            if not equals:
                raise Refused("write it as KEY=VALUE")
            parameter = draft.find(key.strip())
            _take(draft, parameter, value.strip())
        except Refused as refused:
            raise Failure(f"--set {key}: {refused}", code=ExitCode.INVALID) from None


def _take(draft: Draft, parameter: Parameter, text: str) -> None:
    if text == _UNSET:
        draft.unset(parameter)
    else:
        draft.answer(parameter, text)


def _ask(draft: Draft) -> None:
    say(f"[{draft.group}.{draft.name}]  Enter keeps a value, - goes back to the default, Ctrl-C ends.", "")
    for parameter in draft.asked():
        _ask_for(draft, parameter)


def _ask_for(draft: Draft, parameter: Parameter) -> None:
    from te_core.cli.draft import Refused
    from te_core.cli.parameters import UNSET

    say(f"{parameter.name}: {parameter.meaning}", bold=True)
    if parameter.choices:
        say(f"  one of: {', '.join(parameter.choices)}")
    while True:
        text = typer.prompt(
            printable(f"  {_present(draft, parameter)}"),
            default="",
            show_default=False,
            hide_input=parameter.secret,
        ).strip()
        try:
            if text:
                _take(draft, parameter, text)
            elif parameter.required and draft.value(parameter) is UNSET:
                raise Refused("it is needed")
        except Refused as refused:
            complain(f"  {refused}")
        else:
            return


def _present(draft: Draft, parameter: Parameter) -> str:
    from te_core.cli.parameters import UNSET, in_words

    value = draft.value(parameter)
    if value is UNSET:
        return "needed" if parameter.required else f"default {parameter.default}"
    return "is set" if parameter.secret else f"now {in_words(value)}"


def _summarise(draft: Draft) -> None:
    from te_core.cli.parameters import UNSET, in_words

    say("", f"[{draft.group}.{draft.name}]" + ("  new" if draft.new else ""))
    for path, value in draft.changes.items():
        parameter = draft.all[path]
        shown = (
            f"default {parameter.default}" if value is UNSET else "…" if parameter.secret else in_words(value)
        )
        say(f"  {parameter.name} = {shown}")


# -- files


def _edited(texts: Texts, draft: Draft) -> Texts:
    """Give the texts with the changes. Secrets go into .secrets.toml, and out of settings.toml."""
    from te_core.cli.parameters import UNSET
    from te_core.cli.settings_text import changed, holds

    settings, secrets = texts.settings or "", texts.secrets or ""
    if draft.new:
        settings = changed(settings, (draft.group, draft.name, "plugin"), draft.plugin)
    for path, value in draft.changes.items():
        full = (draft.group, draft.name, *path)
        hidden = draft.all[path].secret or holds(secrets, full)
        settings = changed(settings, full, UNSET if hidden else value)
        if hidden:
            secrets = changed(secrets, full, value)
    return replace(
        texts, settings=settings, secrets=secrets if secrets or texts.secrets is not None else None
    )


def _check(place: Place, edited: Texts) -> None:
    """Refuse what ``te check`` would. Raises ``SettingsInvalid``."""
    from te_core.cli.instances import load, redactor_of
    from te_core.journal.redaction import redacted

    resolved, registry, _ = load(place, as_at_start=True, texts=edited)
    redact = redactor_of(resolved.settings, registry).redact
    for key, reason in redacted(dict(resolved.unavailable), redact).items():
        note(f"{key}: {reason}")


def _write(place: Place, before: Texts, edited: Texts) -> None:
    from te_core.settings.files import replace_file
    from te_core.settings.layers import SECRETS_FILE, read
    from te_core.settings.secrets import MODE

    now = read(place.settings)
    if (now.settings, now.secrets) != (before.settings, before.secrets):
        raise Failure("the files were edited meanwhile: nothing was written", next_step="run it again")
    settings = place.settings.resolve()
    secrets = place.settings.with_name(SECRETS_FILE).resolve()
    try:
        if edited.settings is not None and edited.settings != before.settings:
            replace_file(settings, edited.settings, mode=stat.S_IMODE(settings.stat().st_mode))
        if edited.secrets is not None and edited.secrets != before.secrets:
            replace_file(secrets, edited.secrets, mode=MODE)
    except OSError as error:
        raise Failure(f"{error.filename or settings}: {error.strerror}: nothing was written there") from None


def _tell(place: Place, draft: Draft) -> None:
    from te_core.cli.client import running_engine
    from te_core.settings.layers import SECRETS_FILE, merge, read
    from te_core.settings.schema import Settings

    hidden = any(draft.all[path].secret for path in draft.changes)
    say(f"wrote {place.settings}" + (f" and {SECRETS_FILE}" if hidden else ""))
    places = merge(read(place.settings), os.environ, Settings).places
    for path in draft.changes:
        found = places.get((draft.group, draft.name, *path))
        if found is not None and found.file.startswith("environment"):
            note(f"{'.'.join(path)}: {found.file} says otherwise, and counts")
    if draft.new and draft.group == "sources":
        say(f"it steers nothing before a symbol gives it weight: weights = {{ {draft.name} = 0.1 }}")
    if running_engine(place):
        say("the running engine takes it up: te status shows it")
