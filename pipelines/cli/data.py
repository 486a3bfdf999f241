"""`touchstone data`: everything done to imitation data before a GPU is rented."""

from __future__ import annotations

import click

from pipelines.cli.lazy_group import LazyGroup

COMMANDS = {
    "ingest": ("pipelines.cli.data_ingest:ingest", "Dumps (files, folders, Hub ids) -> dialogues and removals."),
    "synthesize": ("pipelines.cli.data_synthesize:synthesize", "Have a target make examples of a task."),
    "subset": ("pipelines.cli.data_subset:subset", "Nested subsets by imitation tokens."),
    "overlap": ("pipelines.cli.data_overlap:overlap", "Nearest training text of every held-out text; diversity."),
    "validate": ("pipelines.cli.data_validate:validate", "Hold dialogues against the data-quality gate."),
    "review": ("pipelines.cli.data_review:review", "A sheet of sampled queries for a person to put into categories."),
    "takedown": ("pipelines.cli.data_takedown:takedown", "Which subsets and checkpoints contain a dialogue."),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
def data() -> None:
    """Make imitation data, and judge them before anything is trained on them."""
