"""Builds the pm2 and systemd files that keep the engine running, from paths and limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PLAIN = re.compile(r"[\w/.@:+,=$%-]+")
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))

STOPS_WITHIN = 5
"""Seconds that a service manager waits before it kills the engine, which stops by itself within 1.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What to run, with absolute paths."""

    program: Path
    """The `te` to start."""
    settings: Path
    home: Path
    """The folder that holds the state."""
    memory: str = "1G"
    """Such as ``1G`` or ``512M``."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the arguments of `te` if ``TE_HOME`` names the folder."""
        usual = self.settings == self.home / "settings.toml"
        return ("run",) if usual else ("run", "--settings", str(self.settings))


# -- pm2


def pm2_file(service: Service) -> str:
    """Return ``ecosystem.config.js`` for the folder of the settings; paths below that folder are relative."""
    folder = service.settings.parent
    lines = [
        f"script: {json.dumps(_seen_from(folder, service.program))},",
        f"args: {json.dumps(['run', '--settings', service.settings.name])},",
        *([f"env: {{ TE_HOME: {json.dumps(str(service.home))} }},"] if service.home != folder else []),
        'interpreter: "none",',
        "instances: 1, // one engine per journal; a second one is refused",
        "autorestart: true,",
        "exp_backoff_restart_delay: 500, // milliseconds; pm2 increases it while starts keep failing",
        f"kill_timeout: {STOPS_WITHIN * 1000}, // milliseconds; the engine stops by itself within 1500",
        f"max_memory_restart: {json.dumps(service.memory)}, // far more than it needs; a restart loses nothing",
        'out_file: "logs/engine.log",',
        'error_file: "logs/engine.log",',
        "merge_logs: true,",
    ]
    body = "\n".join(f"      {line}" for line in lines)
    return f"""\
// pm2 start ecosystem.config.js
module.exports = {{
  apps: [
    {{
      name: "trade-engine",
      cwd: __dirname,
{body}
    }},
  ],
}};
"""


def _seen_from(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


# -- systemd


def systemd_unit(service: Service, *, user: str) -> str:
    """Return a hardened unit that runs the engine as a user that can only write to its own folder."""
    words = (word.replace("$", "$$") for word in (str(service.program), *service.arguments))
    command = " ".join(map(_quoted, words))
    return f"""\
# A hardened unit for systemd; docs/security.md explains how to install it and what each part is for.
[Unit]
Description=trade-engine: keeps exchange accounts at the positions that signals ask for
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
Environment={_quoted(f"TE_HOME={service.home}")}
ExecStart={command}
# SIGTERM; the engine stops by itself within 1.5 seconds.
TimeoutStopSec={STOPS_WITHIN}
Restart=on-failure
RestartSec=2
# Far more than it needs. At the limit it is killed and restarted, and looks up open orders first.
MemoryMax={service.memory}
# One line for each secret that is not in .secrets.toml, such as: api_key_file = "bybit-key"
#LoadCredential=bybit-key:/etc/trade-engine/bybit-key

# What it may write: its own folder, which nobody else may read. No core dumps: they contain keys.
{chr(10).join(_own_folder(service))}
UMask=0077
LimitCORE=0
ProtectSystem=strict
ProtectHome={_protected_home(service)}
{_REST}"""


def _own_folder(service: Service) -> Iterator[str]:
    """Yield the lines that make systemd create a folder in /var/lib; one elsewhere must exist already."""
    if service.home.parent == Path("/var/lib"):
        yield f"StateDirectory={_quoted(service.home.name)}"
        yield "StateDirectoryMode=0700"
    else:
        yield f"ReadWritePaths={_quoted(str(service.home))}"


def _protected_home(service: Service) -> str:
    """Return ``ProtectHome``: hide home folders, unless the program or its folder is in one."""
    inside = any(path.is_relative_to(home) for home in _HOMES for path in (service.program, service.home))
    return "read-only" if inside else "yes"


def _quoted(text: str) -> str:
    """Quote a path for systemd, where percent signs are specifiers and spaces separate."""
    escaped = text.replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


_REST = """\
PrivateTmp=yes
PrivateDevices=yes
RemoveIPC=yes

# What it may become: nothing but its own user.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateUsers=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
LockPersonality=yes
RestrictRealtime=yes
KeyringMode=private

# What it may see and request from the kernel. adjtimex: te doctor checks whether the clock is synchronised.
ProtectProc=invisible
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service adjtimex clock_adjtime
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
MemoryDenyWriteExecute=yes

[Install]
WantedBy=multi-user.target
"""
