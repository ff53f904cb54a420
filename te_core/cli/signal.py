"""``te signal send``: send a signal by hand, through the public listener."""

from __future__ import annotations

from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, request, running_engine, setting
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.instances import webhook_of
from te_core.cli.output import print_json

app = typer.Typer(help="Send signals by hand.", no_args_is_help=True)


@app.command()
def send(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    symbol: Annotated[str, typer.Option(help="Symbol, as the source spells it.")] = "",
    direction: Annotated[str, typer.Option(help="long, short or flat.")] = "",
    size: Annotated[str, typer.Option(help="Share of what the source may steer: 50/100, 50%, 0.5.")] = "",
    leverage: Annotated[str, typer.Option(help="Leverage.")] = "",
    price: Annotated[str, typer.Option(help="Price in the quote currency.")] = "",
    body: Annotated[str, typer.Option("--json", metavar="BODY", help="Send this message instead.")] = "",
    source: Annotated[str, typer.Option(help="The source to send to.")] = "tradingview",
) -> None:
    """Send a signal to a source of the running engine, and show its answer.

    \b
    Example: te signal send --symbol BTCUSDT --direction long --size 50/100 --price 65000
             te signal send --json '{"symbol": "BTCUSDT", "direction": "flat"}'
    """
    paths = Paths.of(context)
    if not body:
        body = _message(symbol=symbol, direction=direction, size=size, leverage=leverage, price=price)
    if running_engine(paths) is None:
        raise EngineDown(paths)
    base, hooks, target = webhook_of(paths, source).partition("/hooks/")
    certificate = setting(paths, "listen", "public", "certificate")
    try:
        status, answer = request(
            base,
            hooks + target,
            body=body.encode(),
            headers={"Content-Type": "application/json"},
            authority=paths.settings.parent / certificate if certificate else None,
        )
    except OSError as error:
        raise Failure(
            f"the public listener {base} does not answer: {error.strerror or type(error).__name__}",
            next_step="te status shows whether the engine and the source run",
            code=ExitCode.ENGINE,
        ) from None
    print_json({"status": status, "answer": answer})
    if not 200 <= status < 300:
        raise Failure(
            f"the signal was not accepted: status {status}",
            next_step="te signals --quarantine shows refused input",
        )


def _message(**fields: str) -> str:
    from te_core.web.encoding import encode

    if not (fields["symbol"] and fields["direction"]):
        raise Failure(
            "expected --symbol and --direction, or --json",
            next_step="te signal send --help",
            code=ExitCode.INVALID,
        )
    return encode({name: value for name, value in fields.items() if value})
