"""``te configure``: show and change a section of the settings, key by key, with the meaning of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, print_lines, prose
from te_core.cli.saving import save
from te_core.wizards.mappings import configure_mappings
from te_core.wizards.prompts import confirm
from te_core.wizards.weights import configure_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from te_core.settings.layers import Texts
    from te_core.wizards.draft import Draft
    from te_core.wizards.parameters import Parameter

CHAPTERS = ("limits", "breakers", "engine", "listen", "notifiers")
"""Sections of the core, and all notifiers together."""


NAME = Annotated[
    str,
    typer.Argument(
        help="A source, account, notifier or plugin; or credentials, mappings, weights, "
        "limits, breakers, engine, listen, notifiers.",
        show_default=False,
    ),
]


def configure(
    context: typer.Context,
    name: NAME,
    *,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a key without prompting; - removes it. May be repeated."
        ),
    ] = None,
    new: Annotated[str, typer.Option(metavar="NAME", help="Create another instance of the plugin.")] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Prompt for every key, not only chosen ones.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without a final confirmation.")] = False,
    tries: Annotated[
        bool, typer.Option("--try/--no-try", help="Try credentials at the exchange before saving them.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="With weights: allow a leverage above 20.")] = False,
) -> None:
    """Show the settings of a source, an account or a notifier, prompt for those you choose, and write them.

    For all sources and accounts: "credentials" prompts for what each requires, and tests it; "mappings" for the symbol
    of each source's spelling; "weights" for each source's share of a symbol. For the engine: "limits" (including those
    of each account); "breakers"; "engine" (with logs, journal and notices); "listen"; "notifiers".
    Enter keeps a value, - restores the default, Ctrl-C quits and writes nothing.

    \b
    Example: te configure credentials
             te configure bittensor
             te configure sn8 --set interval=30s --set scoring.min_trades=20
             te configure limits --set account_exposure=50000 --set paper.leverage=3
             te configure bybit --new bybit-main
             te configure mappings --set tradingview.TAOUSDT.P=TAOUSDT
             te configure weights --set TAOUSDT.tradingview=0.2 --set TAOUSDT.leverage=2
    """
    paths = Paths.of(context)
    match name:
        case "credentials":
            from te_core.wizards.credentials import configure_credentials

            configure_credentials(paths, changes, yes=yes, tries=tries)
        case "mappings":
            configure_mappings(paths, changes, yes=yes)
        case "weights":
            configure_weights(paths, changes, yes=yes, force=force)
        case _ if name in CHAPTERS:
            _configure_chapter(paths, name, changes, everything=everything, yes=yes)
        case _:
            _configure(paths, name, new, changes, everything=everything, yes=yes)


def _configure(
    paths: Paths, name: str, new: str, changes: list[str] | None, *, everything: bool, yes: bool
) -> None:
    from te_core.wizards.asking import ask_for, ask_sections, draft_of, read_texts, tree_of

    texts = read_texts(paths)
    draft = draft_of(paths, texts, name, new, asking=not changes)
    if changes:
        _set(changes, lambda key: (draft, draft.find(key)))
    else:
        needed = (
            dict.fromkeys([*draft.credentials(), *draft.lacking()]) if draft.new and not everything else ()
        )
        for parameter in needed:
            ask_for(draft, parameter)
        if not draft.new or everything or confirm(f"more settings of {draft.name}?", default=False):
            ask_sections([draft], everything=everything)
    _finish_or_ask(paths, texts, [draft], changes, yes=yes)
    if draft.new and draft.group == "sources":
        symbol = next(iter(tree_of(texts).get("symbols", {})), "BTCUSDT")
        prose(
            f"no account follows it until it has a weight: te configure weights --set {symbol}.{draft.name}=0.1"
        )


def _configure_chapter(
    paths: Paths, name: str, changes: list[str] | None, *, everything: bool, yes: bool
) -> None:
    from te_core.wizards.asking import ask_sections, read_texts
    from te_core.wizards.chapters import drafts_of, find, notifier_plugins

    texts = read_texts(paths)
    drafts = drafts_of(paths, texts, name)
    if not drafts:
        plugins = notifier_plugins(paths)
        if changes or not plugins:
            raise Failure(
                "the settings have no notifier",
                next_step=f"te add notifier {plugins[0] if plugins else 'PLUGIN'}",
            )
        print_lines(f"The settings have no notifier yet. Plugins: {', '.join(plugins)}")
        plugin = typer.prompt("Plugin", default=plugins[0]).strip()
        _configure(paths, plugin, "", None, everything=everything, yes=yes)
        return
    if changes:
        _set(changes, lambda key: find(drafts, key))
    else:
        ask_sections(drafts, everything=everything)
    _finish_or_ask(paths, texts, drafts, changes, yes=yes)


def _finish_or_ask(
    paths: Paths, texts: Texts, drafts: list[Draft], changes: list[str] | None, *, yes: bool
) -> None:
    """Write the changes; if the answers are not valid together, report why and prompt again."""
    from te_core.settings.problems import SettingsInvalid
    from te_core.wizards.asking import ask_sections

    while True:
        try:
            _finish(paths, texts, drafts, changes, yes=yes)
        except SettingsInvalid as invalid:
            if changes:
                raise
            complain("", *(str(problem) for problem in invalid.problems))
            prose("Nothing was written. Your answers are still here; change those that do not fit.")
            ask_sections(drafts)
        else:
            return


def _finish(paths: Paths, texts: Texts, drafts: list[Draft], changes: list[str] | None, *, yes: bool) -> None:
    """Show the changes and write them."""
    from te_core.wizards.asking import edits_of

    changed = [draft for draft in drafts if draft.changes or draft.new]
    if not changed:
        print_lines("nothing changed")
        return
    replaced = False
    for draft in changed:
        _summarise(draft)
        for parameter, lost in draft.replaced():
            replaced = True
            print_lines(f"  {parameter.name} loses {', '.join(lost)}")
    edits = [edit for draft in changed for edit in edits_of(draft)]
    save(paths, texts, edits, ask=not yes and (replaced or not changes))


def _set(changes: list[str], find: Callable[[str], tuple[Draft, Parameter]]) -> None:
    from te_core.wizards.asking import apply_answer
    from te_core.wizards.draft import Refused

    for change in changes:
        key, equals, value = change.partition("=")
        try:
            if not equals:
                raise Refused("expected KEY=VALUE")
            draft, parameter = find(key.strip())
            apply_answer(draft, parameter, value.strip())
        except Refused as refused:
            raise Failure(f"--set {key}: {refused}", code=ExitCode.INVALID) from None


def _summarise(draft: Draft) -> None:
    from te_core.cli.settings_tree import UNSET
    from te_core.wizards.words import in_words

    print_lines("", f"[{'.'.join(draft.section_path) or draft.title}]" + ("  new" if draft.new else ""))
    for path, value in draft.changes.items():
        parameter = draft.all[path]
        shown = (
            f"default {parameter.default}" if value is UNSET else "…" if parameter.secret else in_words(value)
        )
        print_lines(f"  {parameter.name} = {shown}")
