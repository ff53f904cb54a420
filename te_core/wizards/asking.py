"""Prompts for the keys of a settings section, group by group."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import typer

from te_core.cli.output import complain, print_lines, prose, show, table
from te_core.cli.saving import Edit
from te_core.wizards.draft import Draft, Group, Refused
from te_core.wizards.prompts import TAKE_OUT, prompt

_OTHER_LINES = 7
"""Screen lines reserved for headings and the question, next to a table of keys."""

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.settings.layers import Texts
    from te_core.wizards.parameters import Parameter

_AT_ONCE = 3
"""Groups that are shown one after the other; if there are more, the user chooses first."""


def read_texts(paths: Paths) -> Texts:
    """Read the files; if there are no settings yet, start with the introduction of a new file."""
    from te_core.settings.layers import read
    from te_core.setup.settings_file import INTRODUCTION

    texts = read(paths.settings)
    missing = texts.settings is None and not texts.problems
    return replace(texts, settings=INTRODUCTION) if missing else texts


def tree_of(texts: Texts) -> dict[str, Any]:
    """Return the merged settings: files, secrets and environment."""
    from te_core.settings import layers
    from te_core.settings.schema import Settings

    tree: dict[str, Any] = layers.plain(layers.merge(texts, os.environ, Settings).tree)
    return tree


def draft_of(paths: Paths, texts: Texts, name: str, new: str = "", *, asking: bool = False) -> Draft:
    """Return a draft of the section that a name refers to. Raises ``Failure`` if there is none."""
    from te_core.app import used_plugins
    from te_core.settings.loading import settings_from
    from te_core.wizards.sections import find, named

    settings = settings_from(texts, os.environ)
    found = find(settings, name, new, used_plugins.read(paths.state))
    title = found.name
    if found.new and not new and asking:
        title = typer.prompt(f"Name of the new section in [{found.group}]", default=title)
    if found.new:
        named(settings, found.group, title)
    data = tree_of(texts).get(found.group, {}).get(title, {})
    return Draft(
        section_path=(found.group, title), section=found.section, spec=found.spec, data=data, new=found.new
    )


def apply_answer(draft: Draft, parameter: Parameter, text: str) -> None:
    """Apply an answer; ``-`` restores the default. Raises ``Refused``."""
    if text == TAKE_OUT:
        draft.unset(parameter)
    else:
        draft.answer(parameter, text)


def ask_sections(drafts: Sequence[Draft], *, everything: bool = False) -> None:
    """Show the keys group by group and prompt for the chosen ones. ``everything``: for all of them."""
    parts = [(draft, group) for draft in drafts for group in draft.groups()]
    prose("Enter keeps a value, - restores its default, Ctrl-C writes nothing.")
    if not everything and len(parts) > _AT_ONCE:
        parts = _chosen_groups(parts)
    for draft, group in parts:
        print_lines("", _heading(draft, group), bold=True)
        found = list(group.parameters)
        if not everything:
            show(table("", ("", "key", "value", "meaning"), _rows(draft, found)))
            names = [p.path[-1] for p in found]
            found = [
                found[i]
                for i in _chosen("Which ones to change? Numbers or keys, a for all, Enter for none", names)
            ]
        for parameter in found:
            ask_for(draft, parameter)


def _rows(draft: Draft, found: list[Parameter]) -> list[tuple[int, str, str, str]]:
    """Return the table rows of keys; on a short terminal, each meaning is cut to one line."""
    keys = [(p.path[-1], _present(draft, p, short=True), p.meaning) for p in found]
    size = shutil.get_terminal_size()
    space = max(size.columns - sum(max(len(row[column]) for row in keys) for column in (0, 1)) - 9, 20)
    lines = sum(-(-len(meaning) // space) for _, _, meaning in keys)
    if sys.stdout.isatty() and lines + _OTHER_LINES > size.lines:
        keys = [(key, value, shorten(meaning, space, placeholder=" …")) for key, value, meaning in keys]
    return [(number, *row) for number, row in enumerate(keys, 1)]


def _chosen_groups(parts: list[tuple[Draft, Group]]) -> list[tuple[Draft, Group]]:
    one = len({draft.title for draft, _ in parts}) == 1
    headings = [group.title if one else _heading(draft, group) for draft, group in parts]
    keys = (", ".join(p.path[-1] for p in group.parameters) for _, group in parts)
    rows = ((n, *row) for n, row in enumerate(zip(headings, keys, strict=True), 1))
    print_lines("", f"[{parts[0][0].title}]" if one else "", bold=True)
    show(table("", ("", "group", "keys"), rows))
    return [parts[index] for index in _chosen("Which groups? Numbers, a for all, Enter for none", headings)]


def _heading(draft: Draft, group: Group) -> str:
    if not group.title or draft.title.endswith(group.title):
        return f"[{draft.title}]"
    return f"[{draft.title}] {group.title}"


def _chosen(question: str, names: Sequence[str]) -> list[int]:
    """Prompt until every word is a number or a name from the list; return their indices."""
    while True:
        words = re.split(r"[\s,]+", prompt(question))
        if words == ["a"]:
            return list(range(len(names)))
        numbers = [str(number) for number in range(1, len(names) + 1)]
        unknown = [word for word in words if word and word not in (*numbers, *names)]
        if not unknown:
            return [numbers.index(w) if w in numbers else names.index(w) for w in dict.fromkeys(words) if w]
        complain(f"  {unknown[0]}: no such number or name")


def ask_for(draft: Draft, parameter: Parameter) -> None:
    """Prompt for one key until the answer is valid; Enter keeps the current value."""
    from te_core.cli.settings_tree import UNSET

    prose(f"{parameter.name}: {parameter.meaning}", bold=True)
    if parameter.expected:
        prose(f"  {parameter.expected}")
    while True:
        text = prompt(f"  {_present(draft, parameter)}", hidden=parameter.secret)
        try:
            if text:
                apply_answer(draft, parameter, text)
            elif parameter.required and draft.value(parameter) is UNSET:
                raise Refused("a value is required")
        except Refused as refused:
            complain(f"  {refused}")
        else:
            return


def _present(draft: Draft, parameter: Parameter, *, short: bool = False) -> str:
    from te_core.cli.settings_tree import UNSET
    from te_core.wizards.words import in_words

    value = draft.value(parameter)
    if value is UNSET:
        if parameter.required:
            return "required"
        return "not set" if parameter.secret else f"default {parameter.default}"
    words = "is set" if parameter.secret else in_words(value)
    return words if short or parameter.secret else f"now {words}"


def edits_of(draft: Draft) -> list[Edit]:
    """Return the edits to write."""
    from te_core.cli.settings_tree import UNSET

    made = [Edit((*draft.section_path, "plugin"), draft.plugin)] if draft.new and draft.plugin else []
    return made + [
        Edit(
            (*draft.section_path, *(draft.path_of(path) if value is UNSET else path)),
            value,
            secret=draft.all[path].secret,
        )
        for path, value in draft.changes.items()
    ]
