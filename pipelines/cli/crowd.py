"""`touchstone crowd`: blind ratings by people, from a laptop's SQLite file to PostgreSQL behind several servers."""

from __future__ import annotations

import click

from pipelines.cli.lazy_group import LazyGroup

COMMANDS = {
    "serve": ("pipelines.cli.crowd_serve:serve", "Serve the raters' page; with --study, make the study first."),
    "create": ("pipelines.cli.crowd_study:create", "Make a study from pairs; its rules are fixed from then on."),
    "invite": ("pipelines.cli.crowd_study:invite_people", "Links for raters or experts."),
    "status": ("pipelines.cli.crowd_study:status", "How far the studies are, and how the raters work."),
    "close": ("pipelines.cli.crowd_study:close", "Take no more votes."),
    "open": ("pipelines.cli.crowd_study:open_again", "Take votes again."),
    "export": ("pipelines.cli.crowd_study:export", "Votes as judgments."),
    "sheet": ("pipelines.cli.crowd_files:sheet", "Pairs for who rates in a spreadsheet, a batch or Label Studio."),
    "import": ("pipelines.cli.crowd_files:import_ratings", "Their ratings back as judgments."),
    "estimate": ("pipelines.cli.crowd_pay:estimate", "People, hours and money that a study takes."),
    "pay": ("pipelines.cli.crowd_pay:pay", "What raters are owed for their time."),
    "agreement": ("pipelines.cli.crowd_pay:agreement_of", "How far raters agree, and each one's record."),
    "compile": ("pipelines.cli.crowd_compile:compile_crowd", "The pipelines that publish and collect, as Kubeflow IR."),
    "submit": ("pipelines.cli.crowd_compile:submit_crowd", "Publish in a run; collect once or by the clock."),
    "unschedule": ("pipelines.cli.crowd_compile:unschedule", "Stop collecting by the clock."),
    "forget": ("pipelines.cli.crowd_study:forget_rater", "Delete a rater and every vote of theirs."),
    "migrate": ("pipelines.cli.crowd_serve:migrate", "Bring the database's tables to this version, or take them back."),
    "password": ("pipelines.cli.crowd_serve:password", "Hash a password for the environment."),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
def crowd() -> None:
    """Blind ratings by people. DATABASE_URL names the database; without it, SQLite in touchstone-crowd.db."""
