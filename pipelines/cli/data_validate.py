"""`touchstone data validate`: the data-quality gate on dialogues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.data.validation import Outcome

FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--train", required=True, type=FOLDER, help="Dialogues, as `data ingest` wrote them.")
@click.option("--items", multiple=True, metavar="[NAME=]PATH", help="Benchmark items: files or folders.")
@click.option("--heldout", multiple=True, type=FOLDER, help="Held-out prompts: files or folders.")
@click.option("--overlap", type=FOLDER, help="What `data overlap` wrote.")
@click.option("--removed", type=FOLDER, help="What was set aside; by default `removed` beside the dialogues.")
@click.option("--review", type=FOLDER, help="What `data review join` wrote.")
@click.option("--policy", default="study", show_default=True, help="A policy file or preset; its part `data` is used.")
@click.option("--extra", type=FOLDER, help="YAML of further Great Expectations expectations.")
@click.option("--name", default="", help="What the data are called on the page and in the report.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which of more than 20 failing rows are listed.")
@click.option("--out", required=True, type=FOLDER, help="Where checks, figures, docs and checked go.")
@click.option("--json", "as_json", is_flag=True, help="Print checks and figures as JSON.")
def validate(as_json: bool, **given: object) -> None:
    """Hold imitation data against the gate; exit code 3 and the reasons when it closes."""
    from pipelines.data.validation import Request, hold_data

    outcome = hold_data(Request(**given))  # type: ignore[arg-type]  # click has checked the types
    click.echo(_as_json(outcome) if as_json else _as_text(outcome))
    if outcome.closed:
        raise outcome.closed


def _as_json(outcome: Outcome) -> str:
    checks = [check.model_dump(mode="json") for check in outcome.checks]
    gate = "fail" if outcome.closed else "pass"
    figures = outcome.figures.model_dump(mode="json")
    return json.dumps({"gate": gate, "checks": checks, "figures": figures, "page": str(outcome.page)}, indent=1)


def _as_text(outcome: Outcome) -> str:
    lines = []
    for check in outcome.checks:
        word = "holds" if check.passed else check.severity
        colour = {"holds": "green", "warning": "yellow", "error": "red"}[word]
        lines.append(f"{click.style(f'{word:<8}', fg=colour)} {check.name}: {check.observed}")
    warned = sum(not check.passed and check.severity == "warning" for check in outcome.checks)
    verdict = "gate not passed" if outcome.closed else f"gate passed, {warned} warning{'s' * (warned != 1)}"
    figures = outcome.figures
    kept = f"{figures.dialogues} dialogues, {figures.turns} turns, {figures.imitation_words} words by the target"
    return "\n".join([*lines, f"{verdict}: {kept}", f"page: {outcome.page}"])
