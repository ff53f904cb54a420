"""The console script ``te``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from te_core import __version__
from te_core.app.paths import Paths
from te_core.app.state_folder import return_to_owner
from te_core.cli import (
    actions,
    check,
    demo,
    doctor,
    events,
    explain,
    health,
    history,
    importing,
    logs,
    mcp,
    moving,
    notify,
    operate,
    orders,
    page,
    plan,
    plugin,
    plugins,
    pnl,
    report,
    resume,
    run,
    selftest,
    service,
    signal,
    signals,
    source,
    status,
)
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import complain, print_lines
from te_core.cli.plugin_commands import plugin_commands, plugins_with_commands
from te_core.errors import CommandFailed, ConfigError, JournalLocked, TradeEngineError
from te_core.wizards import adding, configure, init


class Commands(TyperGroup):
    """Accepts ``--settings`` before or after the command, and turns errors into messages and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move ``--settings FILE`` to the front."""
        front: list[str] = []
        rest = list(args)
        end = rest.index("--") if "--" in rest else len(rest)
        for index in reversed(range(end)):
            if rest[index] == "--settings":
                front += rest[index : index + 2]
                del rest[index : index + 2]
            elif rest[index].startswith("--settings="):
                front.append(rest.pop(index))
        return super().parse_args(ctx, front + rest)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one of our own commands, or else the command group of the installed plugin of that name."""
        return super().get_command(ctx, cmd_name) or plugin_commands(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands, then the command groups that installed plugins declare."""
        super().format_commands(ctx, formatter)
        if brought := plugins_with_commands():
            with formatter.section("Commands of plugins"):
                formatter.write_dl(brought)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn expected errors into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            complain(f"te: {failure}", next_step=failure.next_step)
            raise typer.Exit(failure.code) from None
        except CommandFailed as error:
            complain(f"te: {error.reason}", next_step=error.next_step)
            raise typer.Exit(ExitCode.FAILED) from None
        except JournalLocked as error:
            complain(f"te: {error}")
            raise typer.Exit(ExitCode.ENGINE) from None
        except ConfigError as error:
            first, *more = map(str, getattr(error, "problems", (error,)))  # of SettingsInvalid
            complain(f"te: {first}", *more, next_step="edit the settings, then: te check")
            raise typer.Exit(ExitCode.INVALID) from None
        except TradeEngineError as error:
            complain(f"te: {error}")
            raise typer.Exit(ExitCode.FAILED) from None


app = typer.Typer(
    cls=Commands,
    name="te",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        print_lines(f"te {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Settings file (TE_SETTINGS, else settings.toml in TE_HOME or here)."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Keep exchange accounts at the positions that weighted trading signals ask for.

    \b
    Example: te run                      start the engine with ./settings.toml
             te status                   what it holds
             te --settings my.toml check
             te tradingview --help       commands that a plugin adds
    """
    context.obj = paths = Paths.find(settings)
    context.call_on_close(partial(return_to_owner, paths.state))
    if (paths.state / ".restore" / "decided.json").exists():
        _finish_restore(paths)


def _finish_restore(paths: Paths) -> None:
    """Finish an interrupted restore before anything that it replaces is read."""
    from te_core.moving.restore import finish_pending

    if finish_pending(paths):
        complain("te: an interrupted restore has been completed")


app.command()(init.init)
app.command()(demo.demo)
app.command("import")(importing.import_earlier)
app.command()(run.run)
app.command()(check.check)
app.command()(configure.configure)
app.command()(doctor.doctor)
app.command(cls=status.WatchCommand)(status.status)
app.command()(page.page)
app.command()(health.health)
app.command()(plan.plan)
app.command()(operate.go)
app.command()(selftest.selftest)
app.command()(operate.halt)
app.command()(operate.flatten)
app.command()(resume.resume)
app.command()(operate.pause)
app.command()(operate.close)
app.command()(operate.set_target)
app.command()(operate.accept)
app.command()(actions.actions)
app.command()(explain.explain)
app.command()(signals.signals)
app.command()(events.events)
app.command()(logs.logs)
app.command()(orders.orders)
app.command()(orders.why)
app.command()(pnl.pnl)
app.command()(pnl.equity)
app.command()(report.report)
app.command()(plugins.plugins)
app.command()(notify.notify)
app.command()(mcp.mcp)
app.command()(moving.backup)
app.command()(moving.restore)
app.command()(moving.move)
app.command("upgrade-check")(moving.upgrade_check)
app.add_typer(adding.add, name="add")
app.add_typer(adding.remove, name="remove")
app.add_typer(history.app, name="settings")
app.add_typer(signal.app, name="signal")
app.add_typer(source.app, name="source")
app.add_typer(service.app, name="service")
app.add_typer(plugin.app, name="plugin")


def _defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an unexpected exception in one line: a traceback does not help an operator."""
    import traceback

    last = traceback.extract_tb(trace)[-1:]
    position = f" at {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
    complain(
        f"te: unexpected {kind.__name__}{position}: {_without_secrets(str(error))}",
        next_step="this is a bug in the engine: please report this line",
    )


def _without_secrets(text: str) -> str:
    """Redact the secrets of the settings that this command was run with."""
    from te_core.cli.instances import redact_for

    given = [value for option, value in pairwise(sys.argv) if option == "--settings"]
    given += [option.partition("=")[2] for option in sys.argv if option.startswith("--settings=")]
    return redact_for(Paths.find(Path(given[-1]) if given else None))(text)


def main() -> None:
    """Run the command line, then exit at once: interpreter shutdown would add half a second to every stop."""
    sys.excepthook = _defect
    # By default pydantic searches every installed package for its plugins and imports them: code that no setting names.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        app()
    except SystemExit as end:
        if logs := sys.modules.get("te_core.logs"):  # most commands log nothing and never import it
            logs.flush_logs(0.5)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # a full disk, a closed pipe
                stream.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)
