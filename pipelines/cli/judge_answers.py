"""`touchstone judge answers`: answers of several models before one judge."""

from __future__ import annotations

import json
from typing import Any

import click

from components.contracts.errors import UsageError
from pipelines.cli.judge_options import PLACE, as_plain, judge_from, judge_options, told, warn


@click.command()
@click.argument("candidates", nargs=-1, required=True, metavar="[NAME=]ANSWERS...")
@click.option("--reference", required=True, metavar="[NAME=]ANSWERS", help="What every candidate is compared with.")
@click.option(
    "--base", default="", metavar="[NAME=]ANSWERS", help="The base: placebos made of it are compared with this."
)
@click.option("--prompts", type=PLACE, help="Ids and texts of the prompts, where answers do not hold both.")
@click.option("--gold", type=PLACE, help="What people hold to be right: their votes, or GoldLabel rows.")
@click.option("--policy", default="study", show_default=True, help="Says what a judge must show before it may gate.")
@judge_options
@click.option("--likelihood", is_flag=True, help="How likely the checkpoint finds each answer, instead of verdicts.")
@click.option("--template", default="pairwise", show_default=True, help="pairwise, graded, or a YAML of your own.")
@click.option("--limit", type=click.IntRange(1), help="At most so many prompts, drawn by hash.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest reply.  [default: the template's]")
@click.option("--params", help="YAML or JSON with parameters of the steps: generate, verdicts.")
@click.option("--out", required=True, type=PLACE, help="Where everything goes; the same command continues there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def answers(
    candidates: tuple[str, ...], template: str, params: str | None, likelihood: bool, as_json: bool, **options: Any
) -> None:
    """Compare the ANSWERS of models, one by one, with those of a reference, by a judge model.

    Answers: AlpacaEval outputs, FastChat answers, JSONL or CSV of prompt and output, what `touchstone evaluate` wrote,
    or folders of placebos, which go out blind among the rest. The judge sees every pair in both orders. Its key comes
    from TOUCHSTONE_API_KEY. Stopped, killed or out of budget: the same command goes on, and no reply is paid for twice.

    OUT/judgments is what `touchstone audit --judgments OUT` takes; OUT/replies holds every reply word for word.
    """
    from pipelines.cli.step import read_params
    from pipelines.judging.request import JudgingRequest
    from pipelines.judging.run import judge
    from pipelines.judging.templates import read_template

    given = read_params(params)
    unknown = sorted(set(given) - {"generate", "verdicts"})
    if unknown:
        raise UsageError(f"--params has {', '.join(unknown)}", expected="generate, verdicts")
    asked = judge_from(
        options, generation=given.get("generate", {}), likelihood=likelihood, template=read_template(template)
    )
    longest = options.pop("max_tokens")
    verdicts = {**given.get("verdicts", {}), **({"max_tokens": longest} if longest else {})}
    found = judge(JudgingRequest(candidates=candidates, judge=asked, verdicts=verdicts, **options))
    warn(found)
    click.echo(json.dumps(as_plain(found), indent=1) if as_json else told(found))
