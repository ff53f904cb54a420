"""Builds Caddy and nginx configurations that put TLS in front of the public listener."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A source with a webhook."""

    source: str
    senders: Sequence[str] = ()
    """The only allowed sender addresses; empty: any."""


def caddy_file(domain: str, upstream: str, hooks: Iterable[Hook]) -> str:
    """Return a ``Caddyfile`` that forwards alerts to ``host:port``, and nothing else."""
    blocks = "\n".join(_caddy_blocks(upstream, hooks))
    return f"""\
{{
    log {{
        exclude http.log.error              # it would contain the path, and thus the token
    }}
}}
{domain} {{
{blocks}
    handle {{
        respond 404
    }}
    # a timeout must not become a 504: TradingView does not retry after one
    handle_errors {{
        @late expression {{http.error.status_code}} == 504
        respond @late 502
        respond {{http.error.status_code}}
    }}
}}
"""


def _caddy_blocks(upstream: str, hooks: Iterable[Hook]) -> Iterator[str]:
    for hook in hooks:
        yield f"    @{hook.source} {{"
        yield f"        path /hooks/{hook.source}/*"
        if hook.senders:
            yield f"        remote_ip {' '.join(hook.senders)}"
        yield f"""\
    }}
    handle @{hook.source} {{
        request_body {{
            max_size 64KB
        }}
        reverse_proxy {upstream} {{
            transport http {{
                dial_timeout 1s
                response_header_timeout 3s
            }}
        }}
    }}"""


def nginx_file(domain: str, upstream: str, hooks: Iterable[Hook]) -> str:
    """Return a file for nginx's ``sites-enabled`` or ``conf.d`` that forwards alerts to ``host:port``."""
    blocks = "\n".join(_nginx_blocks(upstream, hooks))
    return f"""\
server {{
    listen 443 ssl;
    server_name {domain};
    ssl_certificate     /etc/letsencrypt/live/{domain}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{domain}/privkey.pem;

    # the path contains the token, and both logs would contain the path
    access_log off;
    error_log /var/log/nginx/error.log crit;

{blocks}
    location @unavailable {{ return 502; }}
    location / {{ return 404; }}
}}
"""


def _nginx_blocks(upstream: str, hooks: Iterable[Hook]) -> Iterator[str]:
    for hook in hooks:
        yield f"    location /hooks/{hook.source}/ {{"
        if hook.senders:
            yield "        # the addresses that its alerts are sent from"
            yield from (f"        allow {sender};" for sender in hook.senders)
            yield "        deny  all;\n"
        yield f"""\
        client_max_body_size 64k;
        proxy_pass http://{upstream};
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_connect_timeout 1s;
        proxy_read_timeout 3s;
        # a timeout must not become a 504: TradingView does not retry after one
        error_page 504 =502 @unavailable;
    }}"""
