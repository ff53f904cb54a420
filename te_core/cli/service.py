"""``te service``: write files that keep the engine running and put TLS in front of it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, print_note

if TYPE_CHECKING:
    from te_core.contracts.source import SignalSourceSpec
    from te_core.settings.resolution import Resolved
    from te_core.setup.proxy_files import Hook
    from te_core.setup.service_files import Service

app = typer.Typer(
    help="Files that keep the engine running (pm2, systemd) and put TLS in front of it.", no_args_is_help=True
)

_MEMORY = re.compile(r"[1-9]\d*[MG]")
_STDOUT = Path("-")
_UPSTREAM = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

Memory = Annotated[str, typer.Option(metavar="SIZE", help="Memory limit, such as 512M or 1G.")]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead; - prints it.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


class Proxy(StrEnum):
    """The supported reverse proxies."""

    CADDY = "caddy"
    NGINX = "nginx"


@app.command()
def pm2(context: typer.Context, memory: Memory = "1G", output: Output = None, force: Force = False) -> None:
    """Write ecosystem.config.js next to the settings; show how to start it (at boot, too) and rotate its logs.

    \b
    Example: te service pm2
             te service pm2 --memory 512M
    """
    from te_core.setup.service_files import pm2_file

    service = _service(context, memory)
    file = output or service.settings.parent / "ecosystem.config.js"
    _write(file, pm2_file(service), force=force)
    _remaining(
        "To start it, and to start it at boot:",
        f"pm2 start {shlex.quote(str(file))}",
        "pm2 save",
        "pm2 startup          # prints a command to run as root",
        "To rotate logs at 50 MB (checked every 6 hours), keeping ten, compressed:",
        "pm2 install pm2-logrotate@2.7.0    # 3.0.0 ignores compress",
        "pm2 set pm2-logrotate:max_size 50M",
        "pm2 set pm2-logrotate:retain 10",
        "pm2 set pm2-logrotate:compress true",
        "pm2 set pm2-logrotate:rotateInterval '0 */6 * * *'",
        "And then:",
        "pm2 logs trade-engine",
        "pm2 restart trade-engine",
        "chmod 600 ~/.pm2/dump.pm2    # pm2 save copies the environment into it",
        aside=output == _STDOUT,
    )


@app.command()
def systemd(
    context: typer.Context,
    user: Annotated[
        str, typer.Option(metavar="NAME", help="The user that runs the engine; never root.")
    ] = "",
    memory: Memory = "1G",
    output: Output = None,
    force: Force = False,
) -> None:
    """Write a hardened systemd unit next to the settings, and show how to install it.

    \b
    Example: te service systemd
             te service systemd --user trade-engine
    """
    from te_core.setup.service_files import systemd_unit

    service = _service(context, memory)
    user = user or _user()
    if user == "root" or not _USER.fullmatch(user):
        raise Failure(f"--user {user}: the engine needs its own user, not root", code=ExitCode.INVALID)
    file = output or service.settings.parent / "trade-engine.service"
    _write(file, systemd_unit(service, user=user), force=force)
    home = shlex.quote(str(service.home))
    _remaining(
        "As root:",
        *(
            []
            if _is_there(user)
            else [f"useradd --system --home-dir {home} --shell /usr/sbin/nologin {user}"]
        ),
        f"chown -R {user}: {home} && chmod 700 {home}",
        f"install -m 0644 {shlex.quote(str(file))} /etc/systemd/system/trade-engine.service",
        "systemctl daemon-reload",
        "systemctl enable --now trade-engine",
        "And then:",
        "journalctl -u trade-engine -f",
        f"sudo -u {user} {shlex.quote(str(service.program))} --settings {shlex.quote(str(service.settings))} status",
        aside=output == _STDOUT,
    )


@app.command()
def tls(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="The host name that alerts are sent to.", show_default=False)],
    proxy: Annotated[Proxy, typer.Option(help="The reverse proxy.")] = Proxy.CADDY,
    upstream: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Address of the engine, if not on this machine."),
    ] = "",
    output: Output = None,
    force: Force = False,
) -> None:
    """Write a proxy configuration that puts TLS in front of the public listener, and list the remaining steps.

    \b
    Example: te service tls alerts.example.org
             te service tls alerts.example.org --proxy nginx
    """
    from te_core.cli.instances import load
    from te_core.setup.proxy_files import DOMAIN, caddy_file, nginx_file
    from te_core.web.address import address

    paths = Paths.of(context)
    domain = domain.lower().rstrip(".")
    if not DOMAIN.fullmatch(domain):
        raise Failure(f"{domain!r}: expected a host name such as alerts.example.org", code=ExitCode.INVALID)
    resolved, registry, _ = load(paths, as_at_start=True)
    public = resolved.settings.listen.public
    if public.certificate is not None:
        raise Failure("listen.public.certificate is set: the engine serves TLS itself", code=ExitCode.INVALID)
    hooks = list(_hooks(resolved, registry.sources))
    if not hooks:
        raise Failure("no source in the settings accepts webhooks", next_step="te init, or te configure NAME")
    make, name = (
        (caddy_file, "Caddyfile") if proxy is Proxy.CADDY else (nginx_file, "trade-engine.nginx.conf")
    )
    upstream = upstream or urlsplit(address(public.host, public.port)).netloc
    if not _UPSTREAM.fullmatch(upstream):
        raise Failure(f"--upstream {upstream!r}: expected host:port", code=ExitCode.INVALID)
    file = output or paths.settings.parent / name
    _write(file, make(domain, upstream, hooks), force=force)
    steps = _for_tls(domain, proxy, file, hooks, trusted=bool(public.trusted_proxies))
    _remaining(*steps, aside=output == _STDOUT)


def _for_tls(domain: str, proxy: Proxy, file: Path, hooks: list[Hook], *, trusted: bool) -> Iterable[str]:
    yield "Remaining steps:"
    yield f"point {domain} at this machine: an A record, since TradingView sends over IPv4 only"
    yield "open ports 80 and 443: the certificate is requested over 80, alerts arrive on 443"
    quoted = shlex.quote(str(file))
    if proxy is Proxy.CADDY:
        yield f"install Caddy, then: cp {quoted} /etc/caddy/Caddyfile && systemctl reload caddy"
    else:
        yield f"certbot certonly --nginx -d {domain}    # or any other way to get a certificate"
        yield f"cp {quoted} /etc/nginx/conf.d/ && nginx -t && systemctl reload nginx"
    if not trusted:
        yield 'set trusted_proxies = ["127.0.0.1"] in [listen.public], or all alerts seem to come from the proxy'
    yield "To print the addresses for the alerts, tokens included:"
    for hook in hooks:
        yield f"te source url {hook.source} --base https://{domain}"


def _hooks(resolved: Resolved, specs: Mapping[str, SignalSourceSpec[Any]]) -> Iterable[Hook]:
    from te_core.setup.proxy_files import Hook

    for name, section in resolved.settings.sources.items():
        spec = specs.get(section.plugin)
        if spec is not None and spec.webhook is not None:
            yield Hook(source=name, senders=spec.webhook.senders)


def _service(context: typer.Context, memory: str) -> Service:
    from te_core.setup.service_files import Service

    paths = Paths.of(context)
    if not _MEMORY.fullmatch(memory):
        raise Failure(f"--memory {memory}: expected a size such as 512M or 1G", code=ExitCode.INVALID)
    if not paths.settings.exists():
        raise Failure(f"there is no {paths.settings}", next_step="te init", code=ExitCode.INVALID)
    program = Path(sys.executable).with_name("te")
    named_paths = (program, paths.settings, paths.state)
    if odd := next((path for path in named_paths if not str(path).isprintable()), None):
        raise Failure(f"{str(odd)!r}: a service file cannot contain such a path", code=ExitCode.INVALID)
    return Service(program=program, settings=paths.settings, home=paths.state.parent, memory=memory)


def _user() -> str:
    """Return the user that should run the engine: the current one, but never root."""
    import getpass

    found = getpass.getuser()
    return "trade-engine" if found == "root" else found


def _is_there(user: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _write(file: Path, text: str, *, force: bool) -> None:
    from te_core.settings.files import replace_file

    if file == _STDOUT:
        print_lines(*text.splitlines())
        return
    if file.exists() and not force:
        if file.read_text(encoding="utf-8", errors="replace") == text:
            print_lines(f"{file} exists already and is up to date", "")
            return
        raise Failure(
            f"{file} exists already with other contents",
            next_step="to overwrite it: --force",
            code=ExitCode.INVALID,
        )
    try:
        replace_file(file, text, mode=0o644)
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from None
    print_lines(f"wrote {file}", "")


def _remaining(*lines: str, aside: bool) -> None:
    """Print the remaining steps; on stderr if the file itself goes to stdout."""
    for line in lines:
        shown = line if line.endswith(":") else f"  {line}"
        if aside:
            print_note(shown)
        else:
            print_lines(shown, bold=line.endswith(":"))
