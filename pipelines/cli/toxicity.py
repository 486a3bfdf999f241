"""`touchstone toxicity`: train a scorer on Perspective scores, rate completions, hold a scorer against HateCheck."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from components.benchmark.toxicity.accuracy import Accuracy
    from components.benchmark.toxicity.folder import Report
    from components.benchmark.toxicity.hatecheck import Function
    from components.contracts.ports import Input, ToxicityScorer

PLACE = click.Path(path_type=Path)
SHIPPED = "profanity"
SCORER_HELP = "A folder that `toxicity calibrate` wrote, or profanity: the scorer that ships."
LISTED = 10
"""Failing cases named in a line of text; --json names all."""


@click.group()
def toxicity() -> None:
    """Offline toxicity scorers, calibrated to Perspective's scores. Texts are not printed unless asked for."""


@toxicity.command()
@click.argument("file", type=PLACE)
@click.option("--folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Parts of cross-validation.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of parts and intervals.")
@click.option("--out", required=True, type=PLACE, help="Where the scorer goes.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def calibrate(file: Path, folds: int, seed: int, out: Path, as_json: bool) -> None:
    """Train a scorer on the texts of FILE and print what it is worth on texts it had not seen.

    FILE holds Perspective TOXICITY scores: RealToxicityPrompts as it is, or JSONL, JSON or CSV records with text and
    toxicity (or score), and where texts belong together, group.
    """
    from components.benchmark.step import calibrate_toxicity
    from components.benchmark.toxicity.folder import read_report
    from components.contracts import bind
    from components.contracts.ports import Input, ToxicityScorer

    _check_replaceable(out, ToxicityScorer.__name__)
    bind.call(calibrate_toxicity, params={"file": str(file), "folds": folds, "seed": seed}, scorer=out)
    report = read_report(Input(out, ToxicityScorer))
    click.echo(report.model_dump_json(indent=1) if as_json else _report_text(report, out))


@toxicity.command()
@click.argument("completions", type=PLACE)
@click.option("--scorer", default=SHIPPED, show_default=True, help=SCORER_HELP)
@click.option("--prefix", "prefixes", multiple=True, help="Only requests whose id begins so. May be repeated.")
@click.option("--with-prompt", is_flag=True, help="Rate prompt and completion as one text.")
@click.option("--out", required=True, type=PLACE, help="Where the ratings go.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def rate(
    completions: Path, scorer: str, prefixes: tuple[str, ...], with_prompt: bool, out: Path, as_json: bool
) -> None:
    """Rate COMPLETIONS: a folder of completions, or a file of one model's outputs."""
    from components.benchmark.step import rate_toxicity
    from components.contracts import bind
    from components.contracts.ports import Input
    from components.contracts.rows import Rating

    _check_replaceable(out, Rating.__name__)
    params: dict[str, object] = {"prefixes": prefixes, "with_prompt": with_prompt}
    chosen = {} if scorer == SHIPPED else {"scorer": _folder(scorer).path}
    with _completions(completions) as folder:
        found = bind.call(rate_toxicity, params=params, completions=folder, ratings=out, **chosen).metrics
    ratings = Input(out, Rating)
    reasons: dict[str, int] = {}
    for row in ratings.iter_rows():
        if row.unscored is not None:
            reasons[row.unscored] = reasons.get(row.unscored, 0) + 1
    name = str(ratings.manifest.notes["scorer"])
    if as_json:
        click.echo(json.dumps({"scorer": name, **found, "reasons": reasons, "out": str(out)}, indent=1))
        return
    click.echo(f"{int(found['completions']):,} completions by {name}")
    for key in ("mean_toxicity", "toxic_share", "refusal_share"):
        if key in found:
            click.echo(f"{key.replace('_', ' '):<14} {found[key]:.3f}")
    click.echo(f"unscored       {int(found['unscored']):,}")
    for reason, times in sorted(reasons.items(), key=lambda pair: -pair[1]):
        click.echo(f"  {times:>6,}  {reason}")
    click.echo(f"written to {out}")


@toxicity.command()
@click.option("--scorer", default=SHIPPED, show_default=True, help=SCORER_HELP)
@click.option("--hatecheck", required=True, type=PLACE, help="HateCheck's test_suite_cases.csv, packed or not.")
@click.option("--show-texts", is_flag=True, help="Print the failing statements. They are hateful by design.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, every failing id, as JSON.")
def check(scorer: str, hatecheck: Path, show_texts: bool, as_json: bool) -> None:
    """What a scorer gets right of HateCheck's 29 functions, with the ids of the cases that fail."""
    from components.benchmark.toxicity import hatecheck as suite
    from components.benchmark.toxicity.rate import shipped_or_trained
    from components.contracts.ports import Nothing, ToxicityScorer

    reader = shipped_or_trained(Nothing(ToxicityScorer) if scorer == SHIPPED else _folder(scorer))
    functions = suite.check(suite.read_cases(hatecheck), reader)
    click.echo(_check_json(reader.name, functions, show_texts) if as_json else _check_text(functions, show_texts))


def _check_replaceable(out: Path, contract: str) -> None:
    """Only an earlier result of the same kind is replaced: never a person's folder, nor what is read."""
    from components.contracts import manifest
    from components.contracts.errors import UsageError

    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / manifest.FILE_NAME).is_file() or manifest.read(out).contract != contract:
        raise UsageError(
            f"--out {out} exists and is no earlier {contract}",
            expected="a new or empty folder, or one that this command wrote",
            remedy="choose another folder",
        )


def _folder(scorer: str) -> Input[ToxicityScorer]:
    from components.contracts.ports import Input, ToxicityScorer
    from pipelines.data.artifacts import folder_of

    return Input(folder_of(Path(scorer), ToxicityScorer), ToxicityScorer)


@contextmanager
def _completions(path: Path) -> Iterator[Path]:
    """The folder of the completions; a file of outputs becomes one for as long as it is needed."""
    from components.collect.outputs import read_outputs
    from components.contracts.ports import write_rows
    from components.contracts.rows import Completion
    from pipelines.data.artifacts import folder_of

    if not path.is_file():
        yield folder_of(path, Completion)
        return
    with TemporaryDirectory() as scratch:
        write_rows(Path(scratch) / "completions", Completion, read_outputs(path, "imitator").completions)
        yield Path(scratch) / "completions"


def _report_text(report: Report, out: Path) -> str:
    lines = []
    for accuracy in filter(None, (report.trained, report.profanity)):
        lines += [*_accuracy_lines(accuracy), ""]
    if report.profanity_missing:
        lines += [f"{SHIPPED}: not measured: {report.profanity_missing}", ""]
    return "\n".join([*lines, f"written to {out}"])


def _accuracy_lines(found: Accuracy) -> Iterator[str]:
    yield f"{found.scorer}: {found.n:,} held-out texts of {found.groups:,} prompts, {found.toxic_share:.1%} toxic"
    for reason, times in found.unscored.items():
        yield f"  unscored {times:,}: {reason}"
    yield "  mean absolute error {:.3f} [{:.3f}, {:.3f}]   RMSE {:.3f}   bias {:+.3f}".format(
        found.mae, *found.mae_ci, found.rmse, found.bias
    )
    yield "  AUC at 0.5          {:.3f} [{:.3f}, {:.3f}]   ECE  {:.3f}".format(found.auc, *found.auc_ci, found.ece)
    yield "  value         n   mean value  Perspective  toxic"
    for one in found.curve:
        means = "           -            -      -"
        if one.value is not None and one.perspective is not None and one.toxic is not None:
            means = f"{one.value:>12.3f} {one.perspective:>12.3f} {one.toxic:>6.1%}"
        yield f"  {one.low:.1f}-{one.low + 0.1:.1f} {one.n:>7,} {means}"


def _check_json(name: str, functions: Sequence[Function], show_texts: bool) -> str:
    rows = []
    for one in functions:
        failing = [
            {"id": failed.id, "value": failed.value, "unscored": failed.unscored}
            | ({"text": failed.text} if show_texts else {})
            for failed in one.failures
        ]
        rows.append({**one._asdict(), "failures": failing})
    return json.dumps({"scorer": name, "functions": rows}, indent=1)


def _check_text(functions: Sequence[Function], show_texts: bool) -> str:
    lines = [f"{'':<4}{'function':<20}{'label':<13}{'n':>5}{'right':>7}{'unscored':>10}  failing cases"]
    for one in functions:
        ids = [failed.id for failed in one.failures]
        more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
        share = f"{one.passed / one.n:.0%}"
        lines.append(
            f"{one.number:<4}{one.name:<20}{one.label:<13}{one.n:>5}{share:>7}{one.unscored:>10}  "
            f"{' '.join(ids[:LISTED])}{more}"
        )
        if show_texts:
            lines += [f"      {failed.id}: {failed.text!r}" for failed in one.failures]
    total = sum(one.n for one in functions)
    right = sum(one.passed for one in functions)
    lines.append(f"{right:,} of {total:,} cases right ({right / total:.1%}); --json lists every failing id")
    return "\n".join(lines)
