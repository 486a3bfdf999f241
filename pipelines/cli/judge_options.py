"""Options by which a judge is named, the same for every command that asks one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from components.contracts.errors import UsageError

if TYPE_CHECKING:
    from pipelines.judging.request import Judge
    from pipelines.judging.run import Judging

PLACE = click.Path(path_type=Path)
PRICE_IN, PRICE_OUT = "usd_per_million_prompt", "usd_per_million_completion"
API = (
    "base_url",
    "max_usd",
    PRICE_IN,
    PRICE_OUT,
    "max_tokens_total",
    "concurrency",
    "timeout_seconds",
    "max_tokens_field",
)
Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--api", "base_url", metavar="URL", help="The judge's OpenAI-compatible server, up to its /v1."),
    click.option("--model", default="", help="The judge's name on that server, with its date."),
    click.option("--revision", default="", help="Commit or sha256 of the weights, where the name has no date."),
    click.option("--checkpoint", type=PLACE, help="A judge of your own: the folder of a checkpoint."),
    click.option("--max-usd", type=float, help="US dollars that are never passed; needs both prices."),
    click.option("--price-in", PRICE_IN, type=float, help="US dollars per million prompt tokens."),
    click.option("--price-out", PRICE_OUT, type=float, help="US dollars per million reply tokens."),
    click.option("--max-tokens-total", type=click.IntRange(1), help="Tokens, both ways, that are never passed."),
    click.option("--concurrency", type=click.IntRange(1, 512), help="Requests under way at once.  [default: 16]"),
    click.option("--timeout", "timeout_seconds", type=float, help="Seconds for one reply.  [default: 180]"),
    click.option(
        "--max-tokens-field",
        type=click.Choice(["max_tokens", "max_completion_tokens"]),
        help="What the server calls the longest reply.  [default: max_tokens]",
    ),
)


def judge_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def judge_from(options: dict[str, Any], *, generation: dict[str, Any] | None = None, **more: Any) -> Judge:
    """Take the judge's options out of a command's.

    Raises:
        UsageError: a limit in dollars without prices.
    """
    from pipelines.judging.request import Judge

    if options["max_usd"] is not None and None in (options[PRICE_IN], options[PRICE_OUT]):
        raise UsageError("--max-usd without prices", expected="--price-in and --price-out, in US dollars per million")
    given = {name: options.pop(name) for name in API}
    api = {name: value for name, value in given.items() if value is not None}
    model, checkpoint = options.pop("model"), options.pop("checkpoint")
    if api.get("base_url"):
        api["model"] = model
    extra = dict(generation or {})
    more_api = extra.pop("api", {})
    return Judge(
        model=model,
        revision=options.pop("revision"),
        checkpoint=checkpoint,
        generation={**extra, **({"api": {**api, **more_api}} if api or more_api else {})},
        **more,
    )


def told(found: Judging) -> str:
    """The result in a few lines."""
    from pipelines.judging import trust
    from pipelines.judging.summary import as_text

    counted = found.metrics
    lines = [f"judge: {found.judge}", as_text(found.lines), trust.as_text(found.qualification)]
    if "first_place_share" in counted:
        lines.append(f"of its decisions {counted['first_place_share']:.0%} went to the answer shown first")
    if found.unreadable:
        reasons = ", ".join(f"{number} {why}" for why, number in found.unreadable.items())
        lines.append(f"unreadable replies: {reasons} (kept in {found.folder / 'replies'})")
    tokens = counted.get("prompt_tokens", 0.0) + counted.get("completion_tokens", 0.0)
    if tokens:
        cost = f"{tokens:,.0f} tokens" + (f", {counted['cost_usd']:.4f} USD" if counted.get("cost_usd") else "")
        lines.append(f"cost: {cost}" + ("" if counted.get("paid_now") else "; found finished, nothing was asked"))
    return "\n".join([*lines, f"written to {found.folder}"])


def warn(found: Judging) -> None:
    """What speaks against the judge, on stderr."""
    for line in found.warnings:
        click.echo(f"warning: {line}", err=True)


def as_plain(found: Judging) -> dict[str, Any]:
    """The result for a program."""
    return {
        "judge": found.judge,
        "out": str(found.folder),
        "results": [line._asdict() for line in found.lines],
        "qualification": found.qualification.model_dump() if found.qualification else None,
        "unreadable": dict(found.unreadable),
        "metrics": dict(found.metrics),
        "warnings": list(found.warnings),
    }
