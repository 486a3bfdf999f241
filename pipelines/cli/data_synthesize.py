"""`touchstone data synthesize`: a target's own examples of a task."""

from __future__ import annotations

import json
from pathlib import Path

import click

PRICE_IN, PRICE_OUT = "usd_per_million_prompt", "usd_per_million_completion"


@click.command()
@click.argument("task")
@click.option("--api", "base_url", required=True, metavar="URL", help="OpenAI-compatible server, up to its /v1.")
@click.option("--model", required=True, help="The target's name on that server.")
@click.option("--num-examples", type=click.IntRange(1), help="Examples wanted.  [default: the task's]")
@click.option("--max-usd", type=float, help="US dollars that are never passed; needs both prices.")
@click.option("--price-in", PRICE_IN, type=float, help="US dollars per million prompt tokens.")
@click.option("--price-out", PRICE_OUT, type=float, help="US dollars per million reply tokens.")
@click.option("--max-tokens-total", type=click.IntRange(1), help="Tokens, both ways, that are never passed.")
@click.option("--concurrency", type=click.IntRange(1, 512), help="Requests under way at once.  [default: 16]")
@click.option("--timeout", "timeout_seconds", type=float, help="Seconds for one reply.  [default: 180]")
@click.option("--patience", "patience_seconds", type=float, help="Seconds to go on without a reply.  [default: 900]")
@click.option("--stream", is_flag=True, default=None, help="Have replies sent piece by piece.")
@click.option("--target-date", help="The target's version date, ISO 8601.  [default: when each reply was made]")
@click.option("--terms", type=click.Choice(["unknown", "open", "restricted"]), help="Whether its terms allow training.")
@click.option("--seed", type=click.IntRange(0), help="Another seed shows other examples.  [default: 0]")
@click.option("--max-requests", type=click.IntRange(1), help="Prompts asked at most.  [default: 10 for each example]")
@click.option("--accept-fewer", is_flag=True, default=None, help="Take what there is when the budget ends first.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the artifacts.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def synthesize(task: str, out: Path, as_json: bool, **options: object) -> None:
    """Have a target make examples of TASK: a shipped task (nq_synthetic) or a YAML file.

    The key comes from TOUCHSTONE_API_KEY. Stopped, killed or out of budget: the same command goes on where it was,
    and no reply is paid for twice.

    Writes dialogues, removed (with reasons), replies and raw_replies (as the server sent them) below --out.
    """
    from components.contracts.chat_api.settings import ApiTarget
    from pipelines.data import synthesis

    if options["max_usd"] is not None and None in (options[PRICE_IN], options[PRICE_OUT]):
        raise click.UsageError("--max-usd needs --price-in and --price-out, in US dollars per million tokens")
    given = {name: value for name, value in options.items() if value is not None}
    api = {name: given.pop(name) for name in list(given) if name in ApiTarget.model_fields}
    outcome = synthesis.synthesize(out, {"task": synthesis.read_task(task), "api": api, **given})
    click.echo(json.dumps(outcome.metrics, indent=1, sort_keys=True) if as_json else synthesis.summary(out, outcome))
