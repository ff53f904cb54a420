"""``te bittensor``: the miners behind the depths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from te_core.api import CommandContext, CommandFailed, SourceInstance, printable

_EXCLUDED = {"eliminated": "eliminated by upstream", "entity": "of entities that already count"}


def commands(context: CommandContext) -> typer.Typer:
    """Build the command group."""
    app = typer.Typer(help="Show the miners behind the depths.", no_args_is_help=True)
    app.callback()(_group)

    @app.command()
    def miners(
        source: Annotated[str, typer.Option(metavar="NAME", help="The source, if there are several.")] = "",
        limit: Annotated[int, typer.Option(min=1, help="How many miners to show, best first.")] = 20,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON with all miners.")] = False,
    ) -> None:
        """Show the running engine's ranking: weight, score with each of its terms, and what each miner holds.

        \b
        Example: te bittensor miners
                 te bittensor miners --source sn8 --limit 5
        """
        name = _chosen(context.sources(), source)
        found = context.report(name)
        if as_json:
            typer.echo(json.dumps({"source": name, **found}, indent=2))
        else:
            typer.echo("\n".join(map(printable, _page(name, found, limit))))

    return app


def _group() -> None:
    """Show the miners behind the depths."""


def _chosen(sources: Mapping[str, SourceInstance], name: str) -> str:
    names = ", ".join(sources) or "none"
    if name and name not in sources:
        raise CommandFailed(
            f"there is no Bittensor source {name}", next_step=f"sources that can run: {names}"
        )
    if not name and len(sources) != 1:
        reason = "no Bittensor source can run" if not sources else "several sources use Bittensor"
        step = "add or enable one: te configure bittensor" if not sources else f"choose one: --source {names}"
        raise CommandFailed(reason, next_step=step)
    return name or next(iter(sources))


def _page(name: str, found: Mapping[str, Any], limit: int) -> Iterator[str]:
    if problem := found.get("trouble"):
        yield f"source {name}: {problem}"
    if "ranking" not in found:
        yield f"source {name}: no payload has been used yet"
        return
    summary = f"{found['ranked']} of {found['miners']} miners count, by {found['strategy']}"
    yield f"source {name}: {summary}, as of {found['said_at']}"
    if excluded := found.get("excluded"):
        yield "left out: " + ", ".join(f"{count} {_EXCLUDED[why]}" for why, count in excluded.items())
    if found.get("clamped"):
        yield f"{found['clamped']} positions exceed their limit and count as full (marked with *)"
    yield "depth: " + ", ".join(f"{symbol} {depth}" for symbol, depth in found["depths"].items())
    ranking = found["ranking"][:limit]
    if not ranking:
        return
    terms = list(ranking[0]["terms"])
    rows = [["", "miner", "weight", "score", *terms, "holds"]]
    rows += [
        [
            str(entry["rank"]),
            entry["miner"],
            entry["weight"],
            entry["score"],
            *(entry["terms"].get(term, "-") for term in terms),
            ", ".join(_held(entry)) or "nothing",
        ]
        for entry in ranking
    ]
    yield ""
    yield from _aligned(rows)
    if found["ranked"] > len(ranking):
        yield f"and {found['ranked'] - len(ranking)} more: --limit, --json"


def _held(entry: Mapping[str, Any]) -> Iterator[str]:
    clamped = entry.get("clamped", {})
    for symbol, share in entry["holds"].items():
        yield f"{symbol} {share}" + (f"* ({clamped[symbol]})" if symbol in clamped else "")


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
