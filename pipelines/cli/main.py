"""Entry point: a click group that imports a command only when it is called, so that `--help` is immediate."""

from __future__ import annotations

import errno
import sys

import click

from components.contracts.errors import TouchstoneError
from pipelines.cli.extras import what_to_install
from pipelines.cli.lazy_group import LazyGroup

COMMANDS = {
    "audit": ("pipelines.cli.audit:audit", "Verdict from the files you already have."),
    "evaluate": ("pipelines.cli.evaluate:evaluate", "Score a model on benchmarks, and have it answer prompts."),
    "judge": ("pipelines.cli.judge:judge", "Who is preferred: ask a judge, check it for drift, read stored judgments."),
    "verdict": ("pipelines.cli.verdict:verdict", "Recompute a verdict from an audit's saved rows."),
    "compare": ("pipelines.cli.compare:compare", "Many runs on one page."),
    "attribution": (
        "pipelines.cli.attribution:attribution",
        "Who wrote this? Answers attributed to base or target by style.",
    ),
    "data": (
        "pipelines.cli.data:data",
        "Imitation data: ingest, synthesize, subset, overlap, validate, review, takedown.",
    ),
    "toxicity": ("pipelines.cli.toxicity:toxicity", "Toxicity scorers: calibrate, rate, check against HateCheck."),
    "crowd": ("pipelines.cli.crowd:crowd", "Blind ratings by people: serve, invite, export."),
    "plan": ("pipelines.cli.plan:plan", "Memory, time and cost of a sweep of trainings, before anything is rented."),
    "run": ("pipelines.cli.run:run", "Run a pipeline on this machine."),
    "study": ("pipelines.cli.study:study", "Run the laptop study over several seeds and count what held."),
    "validity": ("pipelines.cli.validity:validity", "Error rates of the verdict in simulated worlds."),
    "list": ("pipelines.cli.show:list_pipelines", "List pipelines, presets and steps."),
    "show": ("pipelines.cli.show:show", "Draw a pipeline and print its resolved configuration."),
    "compile": ("pipelines.cli.compile:compile_pipeline", "Compile a pipeline to Kubeflow IR."),
    "doctor": ("pipelines.cli.doctor:doctor", "Check a cluster before a run, and what to type for each failure."),
    "submit": ("pipelines.cli.submit:submit", "Run a pipeline on Kubeflow Pipelines."),
    "status": ("pipelines.cli.status:status", "Tasks of a run on the cluster."),
    "logs": ("pipelines.cli.logs:logs", "What the steps of a run on the cluster said."),
    "fetch-report": ("pipelines.cli.fetch_report:fetch", "Report of a run on the cluster."),
    "step": ("pipelines.cli.step:step", "Run one step on artifact folders, without Kubeflow."),
}

NOT_OURS = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "check who may read and write there"),
    errno.EROFS: "choose a place that may be written to",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free disk space, then the same command again"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
"""What the machine refuses, wherever a command meets it, and what to do. Anything else keeps its traceback."""


@click.group(cls=LazyGroup, commands_table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="touchstone-audit", prog_name="touchstone")
def cli() -> None:
    """Did fine-tuning on a stronger model's outputs bring capability, or only style?

    Exit codes: 0 ok, 1 failure, 2 usage, 3 gate not passed.
    """


def main() -> None:
    """Run the command line; a user's failure prints its message, never a traceback."""
    try:
        code = cli.main(prog_name="touchstone", auto_envvar_prefix="TOUCHSTONE", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("stopped; finished work is kept", err=True)
        sys.exit(130)
    except TouchstoneError as error:
        click.echo(f"touchstone: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"touchstone: {where}{error.strerror}\nto do:    {NOT_OURS[error.errno]}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        told = what_to_install(error)
        if told is None:
            raise
        click.echo(f"touchstone: {told}", err=True)
        sys.exit(told.exit_code)
    # Outside standalone mode click returns the code of `ctx.exit` instead of exiting with it.
    sys.exit(code if isinstance(code, int) else 0)
