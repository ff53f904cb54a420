"""``te backup``, ``te restore``, ``te move`` and ``te upgrade-check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_json, print_lines, print_note, show, table
from te_core.texts import printable

if TYPE_CHECKING:
    from te_core.moving.other_engine import Answer
    from te_core.moving.restore import Staged
    from te_core.moving.sealing import Seal
    from te_core.moving.upgrade import Change

PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Read the passphrase from a file.")
]


def backup(
    context: typer.Context,
    target: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="File to write, or its folder.", show_default=False),
    ] = None,
    *,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Encrypt with a passphrase; prompts for it.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    recipients: Annotated[
        list[str] | None,
        typer.Option("--recipient", metavar="AGE1…", help="Encrypt for an age key; may be repeated."),
    ] = None,
) -> None:
    """Write journal, settings, secrets and plugin files to one file, whether the engine is running or not.

    Only you can read the file. It contains your exchange keys: encrypt it before it leaves this machine.

    \b
    Example: te backup
             te backup /backup --passphrase
             te backup nightly.age --recipient age1…
    """
    import platform

    from te_core.clock import SystemClock
    from te_core.moving.backup import make_backup

    paths = Paths.of(context)
    by = _seal(recipients or [], _passphrase(passphrase_file, asked=passphrase, twice=True))
    now = SystemClock().now()
    name = f"te-backup-{now:%Y%m%dT%H%M%SZ}.tar.gz" + (".age" if by else "")
    file = (target or Path.cwd()).expanduser().absolute()
    file = file / name if file.is_dir() else file
    made = make_backup(paths, _journal(paths), file, by=by, now=now, machine=platform.node())
    print_lines(f"wrote {made.file} ({_size(made.size)}, {made.files} files)")
    if not made.journal:
        print_note("there is no journal yet; only settings were backed up")
    if not made.steady:
        print_note("the engine was trading meanwhile; plugin files may be slightly newer than the journal")
    if by is None:
        print_note("it contains your exchange keys and is not encrypted: use --passphrase or --recipient")
    for other in _others(paths):
        print_note(f"not included: {other}")


def restore(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file written by te backup.", show_default=False)
    ],
    *,
    passphrase_file: PassphraseFile = None,
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity", metavar="FILE", help="File with your age key, if it is encrypted for one."
        ),
    ] = None,
    skip_exchange_check: Annotated[
        bool,
        typer.Option(
            "--skip-exchange-check",
            help="Do not check at the exchanges whether another engine trades. Risk: two engines on one account double "
            "each other's positions.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace existing files without asking.")] = False,
) -> None:
    """Replace settings, secrets, journal and plugin files with a backup. Stop the old engine first.

    Before it changes anything, it checks the backup and asks the exchanges whether an engine with this journal still
    trades. If it is killed midway, the old state or the new one is in place. Replaced files are moved to a folder.

    \b
    Example: te restore te-backup-20260312T120000Z.tar.gz
             te --settings /srv/te/settings.toml restore backup.age --identity key.txt
    """
    from te_core.moving.restore import clear, stage

    paths = Paths.of(context)
    _refuse_running(paths)
    with _opened(file.expanduser().absolute(), passphrase_file, identity) as stream:
        staged = stage(stream, paths)
    try:
        _describe(staged)
        forced = _refuse_other_engine(staged, skip=skip_exchange_check)
        _confirm(paths, yes=yes)
        _apply(paths, staged, forced=forced)
    finally:
        clear(paths)


def _apply(paths: Paths, staged: Staged, *, forced: bool) -> None:
    from te_core.clock import SystemClock
    from te_core.moving.restore import apply
    from te_core.settings.secrets import random_secret

    kept = apply(
        staged,
        former_journal=_journal(paths),
        stamp=f"{SystemClock().now():%Y%m%dT%H%M%SZ}",
        new_identity=random_secret() if forced else "",
    )
    print_lines(f"restored into {paths.settings.parent}")
    if forced:
        print_note(
            "the journal has a new identity: its orders carry different ids than those of the previous engine"
        )
    if kept.exists():
        print_lines(f"the replaced files are in {kept}, keys included: delete them once everything works")
    print_lines("", "Next:", bold=True)
    print_lines("  te doctor")
    print_lines("  te run         # and in another terminal, before anything else:")
    print_lines("  te plan        # its signals are from the backup")


def move(context: typer.Context) -> None:
    """Print the steps to move this installation to another server. Changes nothing.

    \b
    Example: te move
    """
    from te_core.moving.steps import move_steps

    paths = Paths.of(context)
    if not paths.settings.exists():
        raise Failure(f"there is no {paths.settings}", next_step="te init", code=ExitCode.INVALID)
    for line in move_steps(_installation(paths)):
        title = line.endswith(":")
        print_lines(*([""] if title else []), line if title else f"  {line}", bold=title)


def upgrade_check(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what an upgrade changes here. Run it after installing a version, before starting it. Changes nothing.

    It compares the plugins with the core, the journal with the format of this version, and keys and defaults of the
    settings with those of the version that last ran here.

    \b
    Example: te upgrade-check && te run
    Exit code: 0 ready to start, 1 something must be done first
    """
    from te_core.contracts.exchange import Severity

    found = list(_changes(Paths.of(context)))
    rows = [(str(each.severity), each.what, each.text, each.remedy) for each in found]
    names = ("severity", "what", "finding", "remedy")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show(table("Upgrade", names, rows))
    if any(each.severity is Severity.ERROR for each in found):
        raise typer.Exit(ExitCode.FAILED)


# -- files


def _journal(paths: Paths) -> Path:
    from te_core.cli.client import setting

    return paths.state / setting(paths, "journal", "file")


def _seal(recipients: Sequence[str], passphrase: str) -> Seal | None:
    from te_core.moving.sealing import Seal

    if recipients and passphrase:
        raise Failure(
            "use either a passphrase or recipients: age does not accept both", code=ExitCode.INVALID
        )
    return Seal(recipients=recipients, passphrase=passphrase) if recipients or passphrase else None


def _passphrase(file: Path | None, *, asked: bool, twice: bool) -> str:
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise Failure(f"{file}: {error.strerror}", code=ExitCode.INVALID) from None
        if not lines or not lines[0]:
            raise Failure(f"{file}: its first line is empty", code=ExitCode.INVALID)
        return lines[0]
    if not asked:
        return ""
    text: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice)
    return text


def _opened(file: Path, passphrase_file: Path | None, identity: Path | None) -> IO[bytes]:
    """Open a backup, decrypted if it is encrypted."""
    from te_core.moving.sealing import is_sealed, unseal, wants_passphrase

    try:
        if not is_sealed(file):
            return file.open("rb")
        if identity is None and not wants_passphrase(file):
            raise Failure(
                f"{file} is encrypted for an age key", next_step="--identity FILE", code=ExitCode.INVALID
            )
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}", code=ExitCode.INVALID) from None
    phrase = "" if identity is not None else _passphrase(passphrase_file, asked=True, twice=False)
    return unseal(file, passphrase=phrase, identities=identity)


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 100_000 else f"{number / 1e3:.1f} kB"


def _others(paths: Paths) -> Iterator[Path]:
    """Yield files that the settings name and the backup does not include: certificates, secrets."""
    import os

    from te_core.moving.steps import files_elsewhere
    from te_core.settings.loading import load_settings
    from te_core.settings.problems import SettingsInvalid

    try:
        settings = load_settings(paths.settings, os.environ)
    except SettingsInvalid:
        return
    yield from files_elsewhere(settings, paths.settings.parent)


# -- restoring


def _refuse_running(paths: Paths) -> None:
    from te_core.journal.lock import is_locked

    if is_locked(_journal(paths)):
        raise Failure(
            f"an engine is running in {paths.state}; nothing was restored",
            next_step="stop it, then run this again",
            code=ExitCode.ENGINE,
        )


def _describe(staged: Staged) -> None:
    manifest = staged.manifest
    print_lines(
        f"backup of {manifest.machine}, made {manifest.made_at[:19]}Z by te {manifest.version}: complete"
    )
    print_note("the engine that made it must be stopped: two engines on one account undo each other's orders")
    if staged.facts is None:
        print_note("it contains no journal: the engine will start without targets")


def _confirm(paths: Paths, *, yes: bool) -> None:
    """Ask for confirmation, naming what is replaced. Raises ``Failure``, ``typer.Abort``."""
    there = paths.settings.exists()
    if yes:
        return
    if there and not sys.stdin.isatty():
        raise Failure(
            f"{paths.settings} exists already; nothing was restored", next_step="to replace it: --yes"
        )
    question = f"Replace {paths.settings.parent}'s settings and state?" if there else "Restore it here?"
    typer.confirm(printable(f"Is the old engine really stopped? {question}"), default=False, abort=True)


def _refuse_other_engine(staged: Staged, *, skip: bool) -> bool:
    """Check the exchanges for orders that the journal does not know; return whether the check was skipped.

    Raises ``Failure`` if there are any, or if an exchange did not answer.
    """
    if staged.facts is None:
        return False
    if skip:
        print_note(
            "skipped the exchange check: if another engine still trades, both undo or double each other's orders"
        )
        return True
    answers = _asked(staged)
    lines = [f"{each.account}: {what}" for each in answers for what in each.traded]
    if lines:
        raise Failure(
            "these accounts have traded since the backup was made, perhaps through another engine with its journal: "
            f"{'; '.join(lines[:5])}; nothing was restored",
            next_step="stop that engine and back up again; if it is no longer running: --skip-exchange-check",
        )
    if silent := [f"{each.account}: {each.reason}" for each in answers if each.reason]:
        raise Failure(
            f"cannot check whether another engine trades ({'; '.join(silent)}); nothing was restored",
            next_step="try again; if the old engine is really stopped: --skip-exchange-check",
        )
    return False


def _asked(staged: Staged) -> list[Answer]:
    import asyncio
    from dataclasses import replace

    from te_core.cli.instances import load, redactor_of
    from te_core.clock import SystemClock
    from te_core.journal.journal import Journal
    from te_core.journal.schema import REVISIONS
    from te_core.logs import configure_logs
    from te_core.moving.other_engine import Answer, ask_all

    assert staged.facts is not None
    if staged.facts.revision != REVISIONS[-1]:
        reason = (
            f"its journal has schema {staged.facts.revision}: start it once with the version that created it"
        )
        return [Answer(account="journal", reason=reason)]
    resolved, registry, _ = load(staged.paths, as_at_start=True, texts=staged.texts())
    redact = redactor_of(resolved.settings, registry)
    logs = resolved.settings.logs.model_copy(update={"file": None})
    configure_logs(logs, redact, folder=staged.paths.state)
    reader = Journal.open_readonly(staged.journal)
    try:
        snapshot = reader.snapshot()
    finally:
        reader.close()
    asking = ask_all(
        resolved,
        registry,
        snapshot,
        staged.facts.journal_id,
        clock=SystemClock(),
        on_asking=lambda name: print_note(f"asking {name} whether another engine trades …"),
    )
    try:
        answers = asyncio.run(asking)
    except Exception as error:  # noqa: BLE001 - reported and re-raised without secrets
        defect = redact.redact(f"{type(error).__name__}: {error}")
        raise Failure(f"an exchange plugin has a defect: {defect}; nothing was restored") from None
    return [replace(answer, reason=redact.redact(answer.reason)) for answer in answers]


# -- moving and upgrading


def _installation(paths: Paths) -> Any:
    from te_core.cli.instances import load
    from te_core.moving.steps import Installation

    resolved, registry, _ = load(paths, as_at_start=True)
    used = set(resolved.settings.plugins_in_use())
    packages = {
        f"{r.distribution}=={r.version}" for name, r in registry.reports.items() if name in used and r.version
    }
    from te_core import __version__

    hooks = [
        name
        for name, section in resolved.settings.sources.items()
        if (spec := registry.sources.get(section.plugin)) is not None and spec.webhook is not None
    ]
    return Installation(
        settings=paths.settings,
        home=paths.state.parent,
        program=Path(sys.executable).with_name("te"),
        version=__version__,
        service=_service(paths),
        others=list(_others(paths)),
        packages=[f"te-core=={__version__}", *sorted(packages)],
        hooks=hooks,
    )


def _service(paths: Paths) -> str:
    """Return the service manager that probably runs the engine, judging by the files of ``te service``."""
    unit = Path("/etc/systemd/system/trade-engine.service")
    if unit.exists() or (paths.settings.parent / unit.name).exists():
        return "systemd"
    return "pm2" if (paths.settings.parent / "ecosystem.config.js").exists() else ""


def _changes(paths: Paths) -> Iterator[Change]:
    from dataclasses import replace

    from te_core.app import last_run
    from te_core.cli.instances import load, redactor_of
    from te_core.moving.upgrade import (
        check_defaults,
        check_journal,
        check_plugins,
        check_settings,
        check_version,
    )
    from te_core.settings.problems import SettingsInvalid

    last = last_run.read(paths.state)
    journal, written_by = check_journal(_journal(paths))
    yield from check_version(last, written_by)
    yield from journal
    try:
        resolved, registry, _ = load(paths, as_at_start=True)
    except SettingsInvalid as invalid:
        yield from check_settings(invalid)
        return
    redact = redactor_of(resolved.settings, registry).redact
    used = [registry.reports[name] for name in resolved.settings.plugins_in_use() if name in registry.reports]
    yield from (
        replace(change, text=redact(change.text), remedy=redact(change.remedy))
        for change in (
            *check_plugins(used, last),
            *check_defaults(last, last_run.present(registry), resolved.settings),
        )
    )
