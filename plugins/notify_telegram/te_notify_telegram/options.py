"""What ``[notifiers.<name>]`` may say next to the core's own keys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from te_core.api import Duration

Role = Literal["view", "control"]

_TOKEN = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}")
_API = re.compile(r"https?://[^\s/?#]+")


class TelegramOptions(BaseModel):
    """Which bot, where it tells, and who may write to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(description="The bot's token, as @BotFather gave it.")
    chats: tuple[int, ...] = Field(
        min_length=1, description="Ids of the chats that it tells in, and listens in where control is on."
    )
    users: dict[int, Role] = Field(
        default_factory=dict,
        description='Who may write to it, by user id: "view" asks, "control" commands, too.',
    )
    confirm_within: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(minutes=10))] = Field(
        default=timedelta(minutes=1),
        description="How long a command can be confirmed after its plan was shown.",
    )
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=50))] = Field(
        default=timedelta(seconds=20), description="How long an answer of Telegram may take."
    )
    api: str = Field(
        default="https://api.telegram.org",
        description="Where the Bot API is, if you run a server of your own.",
    )

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, token: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("a bot's token has the form 123456789:AA…, as @BotFather gives it")
        return token

    @field_validator("api")
    @classmethod
    def _is_an_address(cls, api: str) -> str:
        if not _API.fullmatch(api.rstrip("/")):
            raise ValueError("an address such as https://api.telegram.org, without a path")
        return api.rstrip("/")
