"""Lists the steps that move an installation to another server, with its actual paths."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from te_core.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An installation to move."""

    settings: Path
    home: Path
    program: Path
    version: str
    service: str = ""
    """``pm2`` or ``systemd``; empty if unknown."""
    others: Sequence[Path] = ()
    """Required files that the backup does not include."""
    packages: Sequence[str] = ()
    """Packages to install, as pip requirements."""
    hooks: Sequence[str] = ()
    """Sources with a webhook."""


def files_elsewhere(settings: Settings, folder: Path) -> Iterator[Path]:
    """Yield files that settings name and a backup does not include: certificates and separate secret files."""
    public = settings.listen.public
    named = [public.certificate, public.key, public.client_ca]
    attached = (settings.notifiers, settings.risk_checks, settings.observers)
    for sections in (settings.sources, settings.accounts, *attached):
        for section in sections.values():
            named += [value for key, value in section.options.items() if key.endswith("_file")]
    yield from (folder / name for name in dict.fromkeys(str(each) for each in named if each))


def move_steps(here: Installation) -> Iterator[str]:
    """Yield the lines to print; those that end with a colon are titles."""
    backup = "te-backup.tar.gz.age"
    te = f"{shlex.quote(str(here.program))} --settings {shlex.quote(str(here.settings))}"
    yield "1. On the new server, install the same version:"
    yield from (f"pip install {shlex.quote(package)}" for package in here.packages)
    yield f"mkdir -p {shlex.quote(str(here.home))} && chmod 700 {shlex.quote(str(here.home))}"
    yield "2. Here, stop the engine, so that no two engines trade one account:"
    yield from _stop(here)
    yield f"{te} status    # must report that no engine is running"
    yield "3. Here, back up; alerts that arrive from now on are lost unless their sender retries:"
    yield f"{te} backup {backup} --passphrase"
    yield f"scp {backup} NEW-SERVER:{shlex.quote(str(here.home))}/"
    for other in here.others:
        yield f"scp {shlex.quote(str(other))} NEW-SERVER:{shlex.quote(str(other))}    # not in the backup"
    yield "4. On the new server, restore; it asks the exchanges whether another engine still trades:"
    yield f"te --settings {shlex.quote(str(here.settings))} restore {shlex.quote(str(here.home / backup))}"
    yield f"te --settings {shlex.quote(str(here.settings))} doctor    # keys may be bound to this server's address"
    yield "5. On the new server, start it and check the plan before anything else:"
    yield from _start(here)
    yield f"te --settings {shlex.quote(str(here.settings))} plan"
    if here.hooks:
        yield "6. Redirect alerts to the new server: point the host name at it, with TLS in front:"
        yield f"te --settings {shlex.quote(str(here.settings))} service tls DOMAIN"
    yield "Finally, here, so that the engine never starts again by itself:"
    yield from _retire(here)


def _stop(here: Installation) -> Iterator[str]:
    match here.service:
        case "pm2":
            yield "pm2 stop trade-engine"
        case "systemd":
            yield "sudo systemctl stop trade-engine"
        case _:
            yield "Ctrl-C where te run runs, or kill its process"


def _start(here: Installation) -> Iterator[str]:
    te = f"te --settings {shlex.quote(str(here.settings))}"
    match here.service:
        case "pm2":
            yield f"{te} service pm2    # writes the file again, and shows how to start it at boot"
        case "systemd":
            yield f"{te} service systemd    # writes the unit again, and shows how to install it"
        case _:
            yield f"{te} run"


def _retire(here: Installation) -> Iterator[str]:
    match here.service:
        case "pm2":
            yield "pm2 delete trade-engine && pm2 save"
        case "systemd":
            yield "sudo systemctl disable trade-engine"
    moved = here.settings.with_name(f"{here.settings.name}.moved")
    yield f"mv {shlex.quote(str(here.settings))} {shlex.quote(str(moved))}"
