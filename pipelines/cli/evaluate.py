"""`touchstone evaluate`: one model on benchmarks and prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from components.contracts.errors import UsageError

if TYPE_CHECKING:
    from pipelines.evaluation.run import Evaluation

PLACE = click.Path(path_type=Path)


@click.command()
@click.argument("model", required=False, type=PLACE)
@click.option("--items", multiple=True, metavar="[NAME=]FILE", help="A benchmark's file.  [repeat]")
@click.option("--shots", multiple=True, metavar="NAME=FILE", help="Worked examples of a benchmark.  [repeat]")
@click.option("--task", "tasks", multiple=True, type=PLACE, help="YAML of a task of your own.  [repeat]")
@click.option("--heldout", multiple=True, type=PLACE, help="Open-ended prompts, for style and preference.  [repeat]")
@click.option(
    "--style",
    "styles",
    multiple=True,
    type=click.Choice(["raw", "chat"]),
    help="How questions are put; give both to have the better one chosen on items set aside.  [default: raw]",
)
@click.option("--base", type=PLACE, help="The base's evaluation: short answers are weighed against the base's.")
@click.option("--overlap", type=PLACE, help="What `touchstone data overlap` wrote: leaked items are flagged.")
@click.option("--support", type=PLACE, help="Support rows: how well the imitation data cover each item.")
@click.option("--toxicity-scorer", "scorer", type=PLACE, help="What `touchstone toxicity calibrate` wrote.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many items of each benchmark, drawn by hash.")
@click.option("--name", default="", help="What the model is called.  [default: its folder's name]")
@click.option("--backend", type=click.Choice(["hf", "vllm", "api", "echo"]), default="hf", show_default=True)
@click.option("--params", help="YAML or JSON with parameters of the steps: generate, questions, programs.")
@click.option("--out", required=True, type=PLACE, help="Where everything goes; the same command continues there.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def evaluate(model: Path | None, params: str | None, backend: str, as_json: bool, **options: Any) -> None:
    """Score MODEL on benchmarks, and have it answer prompts.

    MMLU (dev gives the worked examples), NQ-open, HumanEval and RealToxicityPrompts are read from their own files and
    asked as lm-evaluation-harness asks them; a task of your own is a small YAML. OUT holds the answers, the scores of
    every item, and the same as logs of lm-evaluation-harness; `touchstone audit` takes it for any role.
    """
    from pipelines.cli.step import read_params
    from pipelines.evaluation.request import EvaluationRequest
    from pipelines.evaluation.run import evaluate as run

    given = read_params(params)
    unknown = sorted(set(given) - {"generate", "questions", "programs"})
    if unknown:
        raise UsageError(f"--params has {', '.join(unknown)}", expected="generate, questions, programs")
    styles: tuple[Literal["raw", "chat"], ...] = tuple(dict.fromkeys(options.pop("styles"))) or ("raw",)
    found = run(
        EvaluationRequest(
            model=model,
            styles=styles,
            generation={"backend": backend, **given.get("generate", {})},
            questions=given.get("questions", {}),
            programs=given.get("programs", {}),
            **options,
        )
    )
    click.echo(_as_json(found) if as_json else _as_text(found))


def _as_json(found: Evaluation) -> str:
    shown = {"model": found.name, "out": str(found.folder), "answers": found.num_answers, "prompts": found.num_prompts}
    rows = {"scores": [line._asdict() for line in found.lines], "missing": [gap._asdict() for gap in found.gaps]}
    return json.dumps({**shown, **rows, "metrics": dict(found.metrics)}, indent=1)


def _as_text(found: Evaluation) -> str:
    from pipelines.evaluation.summary import PROMPTS, as_text

    told = [as_text(found.lines, [gap for gap in found.gaps if gap.of != PROMPTS])] if found.lines else []
    if found.num_prompts:
        told.append(f"{found.num_answers:,} of {found.num_prompts:,} prompts answered")
        told += [f"unanswered: {gap.n:,} {gap.reason}" for gap in found.gaps if gap.of == PROMPTS]
    return "\n".join([*told, f"written to {found.folder}"])
