"""`touchstone audit`: verdict from files that already exist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from components.contracts.verdict import Verdict
    from pipelines.audit.request import AuditRequest

FILE = click.Path(path_type=Path)
EXIT_GATE = 3


@click.command()
@click.argument("audit_yaml", required=False, type=FILE)
@click.option("--base", type=FILE, help="Outputs of the open model before fine-tuning.")
@click.option("--imitator", type=FILE, help="Outputs of the base after fine-tuning on the target's outputs.")
@click.option("--target", type=FILE, help="Outputs of the stronger model.")
@click.option("--target-second", type=FILE, help="A second sample of the target: the ceiling of style.")
@click.option("--scores", multiple=True, metavar="ROLE=FILE", help="Item scores of base, imitator or target.  [repeat]")
@click.option("--judgments", multiple=True, type=FILE, help="Who preferred which output.  [repeat]")
@click.option("--gold", multiple=True, type=FILE, help="What people hold to be right on these pairs.  [repeat]")
@click.option("--published", type=FILE, help="YAML of numbers known only from a publication.")
@click.option("--prompts", type=FILE, help="Ids and texts of the prompts, where outputs do not hold both.")
@click.option("--train", multiple=True, type=FILE, help="The imitation data, for the support map.  [repeat]")
@click.option("--policy", help="A policy file, or the name of a preset.  [default: study]")
@click.option("--name", "names", multiple=True, metavar="ROLE=NAME", help="What to call a model.  [repeat]")
@click.option("--title", help="Heading of the report.")
@click.option("--redact", is_flag=True, help="Keep prompts and answers out of the page, report.md and verdict.json.")
@click.option("--out", type=FILE, help="Folder for verdict.json, report.html, report.md and rows/.")
@click.option("--junit", type=FILE, help="Also write JUnit's XML: the gate, and a case for each benchmark.")
@click.option("--prometheus", type=FILE, help="Also write a .prom file for a node exporter's textfile collector.")
@click.option("--json", "as_json", is_flag=True, help="Print verdict.json instead of the table.")
@click.pass_context
def audit(
    ctx: click.Context,
    /,
    audit_yaml: Path | None,
    as_json: bool,
    junit: Path | None,
    prometheus: Path | None,
    **options: object,
) -> None:
    """Say whether an imitator gained capability or only style, from files as they are.

    Outputs: AlpacaEval model_outputs.json, FastChat answers, JSONL or CSV of prompt and output. Scores:
    lm-evaluation-harness logs, HumanEval samples with `passed`, JSONL or CSV of item_id and score
    (ROLE:BENCHMARK=FILE names the benchmark of a file that does not). Judgments: AlpacaEval annotations, FastChat
    reviews. Gzip or not; told by content.

    AUDIT_YAML holds the same roles as keys; options given here go before it. In a GitHub job the verdict is also
    appended to the summary of its step.

    Exit codes: 0 ok, 1 bad input, 2 usage, 3 what the policy requires was not shown: a verdict, or a preference.
    """
    from pipelines.audit.ci import tell_ci
    from pipelines.audit.run import run_audit

    result = run_audit(_request(audit_yaml, options))
    for line in result.joins:
        click.echo(line, err=True)
    show(result.verdict, as_json=as_json)
    click.echo(f"written: {result.folder / 'report.html'}, report.md and verdict.json", err=True)
    tell_ci(result.verdict, junit=junit, prometheus=prometheus)
    leave_by_gate(ctx, result.verdict)


def show(verdict: Verdict, *, as_json: bool) -> None:
    """Print a verdict to stdout: its JSON, or a table for a person."""
    if as_json:
        click.echo(verdict.model_dump_json(indent=1))
        return
    from rich.console import Console

    from components.report.table import render_table

    Console(soft_wrap=False).print(render_table(verdict))


def leave_by_gate(ctx: click.Context, verdict: Verdict) -> None:
    """End with exit code 3 when the policy's gate did not pass; everything is written by then."""
    if verdict.gate == "fail":
        for said in verdict.gate_missing or (f"the verdict is {verdict.verdict}",):
            click.echo(f"gate not passed: {said}", err=True)
        ctx.exit(EXIT_GATE)


def _request(audit_yaml: Path | None, options: dict[str, object]) -> AuditRequest:
    from pipelines.audit.request import OUTPUT_ROLES, SCORE_ROLES, load_request, make_request

    given = {
        key: value
        for key, value in options.items()
        if value not in (None, (), False) and key not in ("scores", "names")
    }
    scores, names = options["scores"], options["names"]
    assert isinstance(scores, tuple)
    assert isinstance(names, tuple)
    if scores:
        by_role: dict[str, list[dict[str, object]]] = {}
        for entry in scores:
            left, file = _split("--scores", entry, "ROLE=FILE")
            role, _, benchmark = left.partition(":")
            _check_role("--scores", entry, role, SCORE_ROLES)
            by_role.setdefault(role, []).append({"file": file, "benchmark": benchmark or None})
        given["scores"] = by_role
    if names:
        pairs = [(entry, *_split("--name", entry, "ROLE=NAME")) for entry in names]
        for entry, role, _ in pairs:
            _check_role("--name", entry, role, OUTPUT_ROLES)
        given["names"] = {role: name for _, role, name in pairs}
    if audit_yaml is not None:
        return load_request(audit_yaml, given)
    return make_request(given, where="audit")


def _split(option: str, entry: str, form: str) -> tuple[str, str]:
    from components.contracts.errors import UsageError

    left, mark, right = entry.partition("=")
    if not mark or not left or not right:
        raise UsageError(f"{option} {entry}", expected=f"{option} {form}", remedy="touchstone audit --help")
    role, colon, benchmark = left.partition(":")
    return role.replace("-", "_") + colon + benchmark, right


def _check_role(option: str, entry: str, role: str, known: tuple[str, ...]) -> None:
    from components.contracts.errors import UsageError

    if role not in known:
        raise UsageError(f"{option} {entry}: no role {role}", expected=", ".join(known), remedy="correct the role")
