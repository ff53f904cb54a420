"""``te configure``: a section of the settings, key by key, with what each means."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Place
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.mappings import configure_mappings
from te_core.cli.output import complain, say
from te_core.cli.saving import Edit, save
from te_core.cli.weights import configure_weights
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
            help="A source, account or notifier of the settings, a plugin, credentials, mappings, or weights.",
            show_default=False,
        ),
    ],
    *,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a key without asking; - takes it out. Repeatable."
        ),
    ] = None,
    new: Annotated[str, typer.Option(metavar="NAME", help="Make another instance of the plugin.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking once more.")] = False,
    tries: Annotated[
        bool,
        typer.Option(
            "--try/--no-try", help="Of credentials: try them at the exchange before they are saved."
        ),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Of weights: allow a leverage above 20.")] = False,
) -> None:
    """Ask for every setting of a source, an account or a notifier, and write settings.toml and .secrets.toml.

    Of all sources and accounts: "credentials" asks for what each cannot work without, and tries it; "mappings" asks
    which spelling of a source is which symbol, "weights" how far each source may steer it.
    Enter keeps a value, - goes back to the default, Ctrl-C ends and writes nothing.

    \b
    Example: te configure credentials
             te configure bittensor
             te configure sn8 --set interval=30s --set scoring.min_trades=20
             te configure bybit --new bybit-main
             te configure mappings --set tradingview.TAOUSDT.P=TAOUSDT
             te configure weights --set TAOUSDT.tradingview=0.2 --set TAOUSDT.leverage=2
    """
    place = Place.of(context)
    if name == "credentials":
        from te_core.cli.keys import configure_credentials

        configure_credentials(place, changes, yes=yes, tries=tries)
    elif name == "mappings":
        configure_mappings(place, changes, yes=yes)
    elif name == "weights":
        configure_weights(place, changes, yes=yes, force=force)
    else:
        _configure(place, name, new, changes, yes=yes)


def _configure(place: Place, name: str, new: str, changes: list[str] | None, *, yes: bool) -> None:
    texts = _texts(place)
    draft = draft_of(place, texts, name, new, asking=not changes)
    if changes:
        _set(draft, changes)
    else:
        ask_all(draft)
    if not draft.changes and not draft.new:
        say("nothing changed")
        return
    _summarise(draft)
    save(place, texts, edits_of(draft), ask=not (changes or yes))
    if draft.new and draft.group == "sources":
        say(
            f"it steers nothing before a symbol gives it weight: te configure weights --set SYMBOL.{draft.name}=0.1"
        )


# -- which section


def _texts(place: Place) -> Texts:
    """Read the files; where there are no settings yet, they begin with what such a file is for."""
    from te_core.settings.layers import read
    from te_core.setup.settings_file import INTRODUCTION

    texts = read(place.settings)
    missing = texts.settings is None and not texts.problems
    return replace(texts, settings=INTRODUCTION) if missing else texts


def draft_of(place: Place, texts: Texts, name: str, new: str = "", *, asking: bool = False) -> Draft:
    """Return the section that a name means. Raises ``Failure`` where there is none."""
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
            take(draft, parameter, value.strip())
        except Refused as refused:
            raise Failure(f"--set {key}: {refused}", code=ExitCode.INVALID) from None


def take(draft: Draft, parameter: Parameter, text: str) -> None:
    """Apply an answer; ``-`` goes back to the default. Raises ``Refused``."""
    if text == _UNSET:
        draft.unset(parameter)
    else:
        draft.answer(parameter, text)


def ask_all(draft: Draft) -> None:
    """Ask for every key that the plugin takes, and the most important ones of the core's."""
    say(f"[{draft.group}.{draft.name}]  Enter keeps a value, - goes back to the default, Ctrl-C ends.", "")
    for parameter in draft.asked():
        ask_for(draft, parameter)


def ask_for(draft: Draft, parameter: Parameter) -> None:
    """Ask for one key until the answer holds; Enter keeps what is there."""
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
                take(draft, parameter, text)
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


def edits_of(draft: Draft) -> list[Edit]:
    """Return what is to be written."""
    start = (draft.group, draft.name)
    made = [Edit((*start, "plugin"), draft.plugin)] if draft.new else []
    changes = draft.changes.items()
    return made + [Edit((*start, *path), value, secret=draft.all[path].secret) for path, value in changes]
