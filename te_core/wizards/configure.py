"""``te configure``: a section of the settings, key by key, with what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from te_core.app.paths import Place
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import say
from te_core.cli.saving import save
from te_core.wizards.mappings import configure_mappings
from te_core.wizards.weights import configure_weights

if TYPE_CHECKING:
    from te_core.wizards.draft import Draft


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
        bool, typer.Option("--try/--no-try", help="Try credentials at the exchange before saving them.")
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
    match name:
        case "credentials":
            from te_core.wizards.credentials import configure_credentials

            configure_credentials(place, changes, yes=yes, tries=tries)
        case "mappings":
            configure_mappings(place, changes, yes=yes)
        case "weights":
            configure_weights(place, changes, yes=yes, force=force)
        case _:
            _configure(place, name, new, changes, yes=yes)


def _configure(place: Place, name: str, new: str, changes: list[str] | None, *, yes: bool) -> None:
    from te_core.wizards.asking import ask_all, draft_of, edits_of, read_texts

    texts = read_texts(place)
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


def _set(draft: Draft, changes: list[str]) -> None:
    from te_core.wizards.asking import take
    from te_core.wizards.draft import Refused

    for change in changes:
        key, equals, value = change.partition("=")
        try:
            if not equals:
                raise Refused("write it as KEY=VALUE")
            parameter = draft.find(key.strip())
            take(draft, parameter, value.strip())
        except Refused as refused:
            raise Failure(f"--set {key}: {refused}", code=ExitCode.INVALID) from None


def _summarise(draft: Draft) -> None:
    from te_core.cli.settings_tree import UNSET
    from te_core.wizards.parameters import in_words

    say("", f"[{draft.group}.{draft.name}]" + ("  new" if draft.new else ""))
    for path, value in draft.changes.items():
        parameter = draft.all[path]
        shown = (
            f"default {parameter.default}" if value is UNSET else "…" if parameter.secret else in_words(value)
        )
        say(f"  {parameter.name} = {shown}")
