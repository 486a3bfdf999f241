"""`touchstone judge`: who is preferred, by a judge that is pinned, asked in both orders and read strictly."""

from __future__ import annotations

import click

from pipelines.cli.lazy_group import LazyGroup

COMMANDS = {
    "answers": ("pipelines.cli.judge_answers:answers", "Put answers of several models before a judge."),
    "drift": ("pipelines.cli.judge_drift:drift", "Judge a frozen set again: is the judge still the same?"),
    "placebos": ("pipelines.cli.judge_placebos:placebos", "Make placebos of a base's and a target's answers."),
    "stored": ("pipelines.cli.judge_stored:stored", "Analyse judgments that are stored somewhere."),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
def judge() -> None:
    """Have a model judge answers, or analyse judgments that there are."""
