"""The plugin's keys of ``[notifiers.<name>]``."""

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
    """The bot, its chats, and who may write to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(description="The bot's token, from @BotFather.")
    chats: tuple[int, ...] = Field(
        min_length=1, description="Ids of the chats to send to, and to listen in if control is on."
    )
    users: dict[int, Role] = Field(
        default_factory=dict,
        description='Permitted users by id: "view" may read, "control" may also send commands.',
    )
    confirm_within: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(minutes=10))] = Field(
        default=timedelta(minutes=1),
        description="How long a command can be confirmed after its plan was shown.",
    )
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=50))] = Field(
        default=timedelta(seconds=20), description="How long Telegram may take to answer."
    )
    api: str = Field(
        default="https://api.telegram.org",
        description="Address of the Bot API, if you run your own server.",
    )

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, token: SecretStr) -> SecretStr:
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("expected a token of the form 123456789:AA…, from @BotFather")
        return token

    @field_validator("api")
    @classmethod
    def _is_an_address(cls, api: str) -> str:
        if not _API.fullmatch(api.rstrip("/")):
            raise ValueError("expected an address such as https://api.telegram.org, without a path")
        return api.rstrip("/")
