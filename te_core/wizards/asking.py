"""How a section of the settings is asked for, key by key."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from te_core.cli.output import complain, say
from te_core.cli.saving import Edit
from te_core.texts import printable
from te_core.wizards.draft import Draft, Refused

if TYPE_CHECKING:
    from te_core.app.paths import Place
    from te_core.settings.layers import Texts
    from te_core.wizards.parameters import Parameter

_UNSET = "-"


def read_texts(place: Place) -> Texts:
    """Read the files; where there are no settings yet, they begin with what such a file is for."""
    from te_core.settings.layers import read
    from te_core.setup.settings_file import INTRODUCTION

    texts = read(place.settings)
    missing = texts.settings is None and not texts.problems
    return replace(texts, settings=INTRODUCTION) if missing else texts


def draft_of(place: Place, texts: Texts, name: str, new: str = "", *, asking: bool = False) -> Draft:
    """Return the section that a name means. Raises ``Failure`` where there is none."""
    from te_core.app import used_plugins
    from te_core.settings import layers
    from te_core.settings.loading import settings_from
    from te_core.settings.schema import Settings
    from te_core.wizards.sections import find, named

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
    from te_core.cli.settings_tree import UNSET

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
    from te_core.cli.settings_tree import UNSET
    from te_core.wizards.parameters import in_words

    value = draft.value(parameter)
    if value is UNSET:
        return "needed" if parameter.required else f"default {parameter.default}"
    return "is set" if parameter.secret else f"now {in_words(value)}"


def edits_of(draft: Draft) -> list[Edit]:
    """Return what is to be written."""
    start = (draft.group, draft.name)
    made = [Edit((*start, "plugin"), draft.plugin)] if draft.new else []
    changes = draft.changes.items()
    return made + [Edit((*start, *path), value, secret=draft.all[path].secret) for path, value in changes]
