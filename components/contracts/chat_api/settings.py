"""Which server is asked, and within which limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from components.contracts.errors import UsageError

LIMIT: dict[str, Any] = {"identity": False}
"""Marks what changes how replies are got and not what they are: another value continues the same journal."""

OWN_FIELDS = frozenset(
    {"model", "messages", "prompt", "max_tokens", "max_completion_tokens", "n", "best_of", "temperature", "top_p"}
    | {"seed", "stop", "stream", "stream_options"}
)
"""Fields of a request that have a place of their own; set elsewhere they would pass by the budget."""

Price = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class ApiTarget(BaseModel):
    """An OpenAI-compatible server (OpenAI, vLLM and others), a model there, pace and budget."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base_url: str = ""
    """Address up to and with the version, such as https://api.openai.com/v1; the key comes from the environment."""
    model: str = ""
    """The model's name on that server."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Nucleus of the sampling; null = the server's default."""
    extra: dict[str, Any] = {}
    """Further fields of the request, as the server knows them (vLLM: repetition_penalty, chat_template_kwargs, ...)."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the longest reply; OpenAI's reasoning models know the second name only."""
    stream: bool = Field(False, json_schema_extra=LIMIT)
    """Have replies sent piece by piece: for servers behind gateways that cut silent connections."""
    concurrency: Annotated[int, Field(gt=0, le=512)] = Field(16, json_schema_extra=LIMIT)
    """Requests under way at once."""
    timeout_seconds: Seconds = Field(180.0, json_schema_extra=LIMIT)
    """Longest time from request to whole reply."""
    idle_seconds: Seconds = Field(60.0, json_schema_extra=LIMIT)
    """Longest silence within a streamed reply."""
    max_attempts: Annotated[int, Field(gt=0)] = Field(6, json_schema_extra=LIMIT)
    """Times a request is sent before it counts as failed; refusals for lack of capacity (429) are not counted."""
    patience_seconds: Seconds = Field(900.0, json_schema_extra=LIMIT)
    """How long to go on, or to wait at a server's wish, without a single reply."""
    max_tokens_total: Annotated[int, Field(gt=0)] | None = Field(None, json_schema_extra=LIMIT)
    """Tokens, prompts and replies together, that may be spent; null = no limit."""
    max_usd: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = Field(None, json_schema_extra=LIMIT)
    """US dollars that may be spent; null = no limit."""
    usd_per_million_prompt: Price | None = Field(None, json_schema_extra=LIMIT)
    """Price of a million prompt tokens in US dollars; null = not known."""
    usd_per_million_completion: Price | None = Field(None, json_schema_extra=LIMIT)
    """Price of a million tokens of replies in US dollars; null = not known."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if not value.isprintable() or " " in value or parts.port == 0:
            raise ValueError("must hold no blanks or control characters, and a port that there is")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            # It would be written into every manifest.
            raise ValueError("must hold no user, password or query; the key comes from TOUCHSTONE_API_KEY")
        return value.rstrip("/")

    @field_validator("extra")
    @classmethod
    def _only_others(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(OWN_FIELDS & set(value)):
            raise ValueError(f"{', '.join(taken)} cannot be set here")
        return value

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_usd is not None and None in (self.usd_per_million_prompt, self.usd_per_million_completion):
            raise ValueError("max_usd needs usd_per_million_prompt and usd_per_million_completion")
        return self

    def check(self) -> None:
        """Whether a server can be asked at all.

        Raises:
            UsageError: the address or the model is missing.
        """
        if not self.base_url or not self.model:
            raise UsageError(
                "no server to ask" if not self.base_url else f"no model named for {self.base_url}",
                expected="base_url and model of an OpenAI-compatible server",
                remedy="set both, e.g. base_url http://127.0.0.1:8000/v1 for a vLLM server on this machine",
            )
