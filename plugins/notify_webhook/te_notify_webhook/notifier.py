"""Posts events to the configured address, one at a time."""

from __future__ import annotations

from typing import NoReturn

from te_core.api import AuthError, Event, NoticeRefused, Notifier, NotifierContext, NotReady
from te_notify_webhook.options import WebhookNotifierOptions
from te_notify_webhook.request_body import body

_LATER = frozenset({408, 425, 429})
_WRONG_ADDRESS = frozenset({401, 403, 404, 405, 407, 410})


class WebhookNotifier(Notifier):
    """Posts events; temporary errors are retried, an address that refuses us stops the notifier until it is changed."""

    def __init__(self, context: NotifierContext[WebhookNotifierOptions]) -> None:
        self._options = context.options
        self._http = context.http

    async def notify(self, event: Event) -> None:
        """Post one event. Raises ``NotReady``, ``AuthError`` or ``NoticeRefused``."""
        import aiohttp  # late: settings are checked and asked for without it

        options = self._options
        content, kind = body(event, options)
        headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        try:
            async with self._http().post(
                options.url.get_secret_value(),
                data=content,
                headers={"Content-Type": kind, **headers},
                timeout=aiohttp.ClientTimeout(total=options.timeout.total_seconds()),
                allow_redirects=False,
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except aiohttp.ClientResponseError as error:  # what the engine's sessions raise for a redirect
            status, retry_after = error.status, ""
        except TimeoutError:
            raise NotReady(f"{options.host} did not answer within {options.timeout}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotReady(f"{options.host} cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            self._refused(status, retry_after)

    def _refused(self, status: int, retry_after: str) -> NoReturn:
        said = f"{self._options.host} answered {status}"
        if status >= 500 or status in _LATER:
            seconds = retry_after if retry_after.replace(".", "", 1).isdecimal() else None  # otherwise a date
            raise NotReady(said, retry_after=float(seconds) if seconds else None)
        if 300 <= status < 400:
            raise NotReady(f"{said}, a redirect, which is not followed: check url of this notifier")
        if status in _WRONG_ADDRESS:
            raise AuthError(f"{said}: check url and headers of this notifier in the settings")
        raise NoticeRefused(f"{said}: check body, text_key and fields of this notifier in the settings")
