"""A reply as the server sent it, kept beside the text that was taken from it."""

from __future__ import annotations

import json
from typing import Self

from components.contracts.chat_api.reply import Reply
from components.contracts.files import without_lone_surrogates
from components.contracts.rows import Count, Row


class ApiReply(Row):
    """Everything a server answered to one request."""

    request_id: str
    """The request's id; the Completion of the same text has it as prompt_id."""
    model: str
    """The model as the server names it, often with its date; empty when it does not."""
    created: str
    """When, by the server's clock, as ISO 8601 in UTC; empty when it does not say."""
    system_fingerprint: str = ""
    """The server's configuration, where it names it."""
    finish_reason: str
    """The server's word for why the text ends, for each choice, joined by commas."""
    prompt_tokens: Count | None
    """Tokens of the prompt as billed; null when the server gave no usable number."""
    completion_tokens: Count | None
    """Tokens of the reply as billed."""
    raw: str
    """The whole reply as JSON."""

    @classmethod
    def of(cls, request_id: str, reply: Reply) -> Self:
        """The row of a reply."""
        return cls(
            request_id=request_id,
            model=reply.model,
            created=reply.created,
            system_fingerprint=reply.system_fingerprint,
            finish_reason=",".join(choice.finish_reason for choice in reply.choices),
            prompt_tokens=reply.usage.prompt if reply.usage else None,
            completion_tokens=reply.usage.completion if reply.usage else None,
            raw=without_lone_surrogates(json.dumps(reply.raw, ensure_ascii=False)),
        )
