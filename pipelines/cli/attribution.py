"""`touchstone attribution`: who wrote this?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from components.contracts.attribution_rows import Attribution
    from components.contracts.rows import Role
    from pipelines.attribution.run import Asked, Found

PLACE = click.Path(path_type=Path)
CITED = (
    "The work this repeats (arXiv 2312.01185) reports 93% to 95% for a DistilBERT fine-tuned on the same task; here no"
    " model is fine-tuned to it."
)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option(
            "--model",
            default="",
            metavar="FOLDER|REPO@COMMIT",
            help="Causal LM whose hidden states stand for texts, here or on the Hugging Face Hub.",
        ),
        click.option("--layer", default=-1, show_default=True, help="Whose hidden states; -1 = the last."),
        click.option(
            "--max-tokens",
            type=click.IntRange(min=0),
            default=0,
            help="Read so many tokens of a text at most; 0 = all.",
        ),
        click.option(
            "--umap/--no-umap", default=True, show_default=True, help="Classify by UMAP coordinates too, and draw them."
        ),
        click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Tests, without split."),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is drawn."),
        click.option("--out", required=True, type=PLACE, help="Where rows and attribution.html go."),
        click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def attribution() -> None:
    """Who wrote this? Authors told apart by a model's embeddings and by surface alone.

    High attribution of the imitator's answers to the target says that style was captured; it says nothing about
    capability.
    """


@attribution.command()
@click.argument("file", type=PLACE, required=False)
@_common
def sotu(file: Path | None, as_json: bool, **given: Any) -> None:
    """Tell the speakers of the State-of-the-Union addresses apart: learn from the side train, ask about the side test.

    FILE holds speaker, year, split and text; default: sotu/sotu.jsonl.gz in TOUCHSTONE_DATA. Without --model a small
    model is trained on the side train, in a few minutes.
    """
    from pipelines.attribution.run import attribute_texts
    from pipelines.attribution.sources import sotu_file

    found = attribute_texts(file or sotu_file(), _asked(given))
    _tell(found, "Who gave the address?", as_json, note=CITED)


@attribution.command()
@click.argument("file", type=PLACE)
@_common
def texts(file: Path, as_json: bool, **given: Any) -> None:
    """Tell the authors of any texts apart.

    FILE holds records with author and text and, where they are known, split (train or test), group, year and id. Texts
    of a group are never on both sides of a test.
    """
    from pipelines.attribution.run import attribute_texts

    _tell(attribute_texts(file, _asked(given)), "Who wrote the text?", as_json)


@attribution.command()
@click.option("--base", required=True, metavar="ANSWERS", help="The base's answers.")
@click.option("--imitator", required=True, metavar="ANSWERS", help="The imitator's, to the same prompts.")
@click.option("--target", required=True, metavar="ANSWERS", help="The target's.")
@click.option("--target-second", default="", metavar="ANSWERS", help="A second sample of the target: the ceiling.")
@click.option("--prompts", type=PLACE, help="Ids and texts of the prompts, where answers do not hold both.")
@_common
def answers(
    base: str, imitator: str, target: str, target_second: str, prompts: Path | None, as_json: bool, **given: Any
) -> None:
    """Have the imitator's ANSWERS given to the base or to the target, beside a second sample of the target.

    Classifiers learn base and target on some prompts and are asked about others. Without --model they see the surface
    only. ANSWERS are files or folders as `touchstone audit` takes them.
    """
    from pipelines.attribution.run import attribute_answers

    named: dict[Role, str] = {"base": base, "imitator": imitator, "target": target}
    if target_second:
        named["target_second"] = target_second
    _tell(attribute_answers(named, _asked(given), prompts=prompts), "Whose answer is this?", as_json)


@attribution.command()
@click.option(
    "--preset",
    type=click.Choice(["smoke", "dry_run"]),
    default="smoke",
    show_default=True,
    help="Of the pipeline style_attribution; dry_run is a toy whose numbers mean nothing.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
@click.option("--plain", is_flag=True, help="Give the target no style of its own (a control).")
@click.option("--out", required=True, type=PLACE, help="Folder of the run; the same goes on where it was stopped.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def world(preset: str, seed: int, plain: bool, out: Path, as_json: bool) -> None:
    """Run the whole question on the embedded world: train an imitator, decide, and ask whose its answers are.

    The verdict says whether capability was gained, the attribution whether the target's style was.
    """
    from pipelines.attribution.run import Found
    from pipelines.attribution.world import EMBEDDER, run_world
    from pipelines.style_attribution.presets import PRESETS

    made = run_world(PRESETS[preset](seed=seed, plain=plain), out)
    verdict = f"verdict {made.verdict.verdict}: {made.verdict.reason}"
    found = Found(out, made.rows, made.apart, (), EMBEDDER)
    _tell(found, "Whose answer is this?", as_json, note=f"{verdict} Report: {made.report}")


def _asked(given: dict[str, Any]) -> Asked:
    from pipelines.attribution.run import Asked

    return Asked(**given)


def _tell(found: Found, title: str, as_json: bool, *, note: str = "") -> None:
    from components.report.attribution_page import render_attribution_html
    from pipelines.attribution.run import PAGE

    page = render_attribution_html(
        found.rows, found.points, apart=found.apart, title=title, model=found.model, note=note
    )
    (found.folder / PAGE).write_text(page, encoding="utf-8")
    if as_json:
        rows = {"attribution": found.rows, "told_apart": found.apart}
        click.echo(json.dumps({name: [row.model_dump(mode="json") for row in r] for name, r in rows.items()}, indent=1))
        return
    click.echo("\n".join(_models(found) if found.apart else _authors(found.rows)))
    if found.model:
        click.echo(f"embeddings: {found.model}")
    if note:
        click.echo(note)
    click.echo(f"page: {found.folder / PAGE}")


def _authors(rows: Sequence[Attribution]) -> list[str]:
    first = rows[0]
    lines = [f"{first.num_tested:,} texts by {len(first.shares)} authors"]
    for name in dict.fromkeys(row.classifier for row in rows):
        row = _of(rows, name)[0]
        lines.append(f"{name:<15} {_share(row.accuracy, row.accuracy_ci)} right")
    return lines


def _models(found: Found) -> list[str]:
    roles = [row.author for row in _of(found.rows, found.rows[0].classifier)]
    lines = ["taken for the target's, rather than the base's:", f"{'':<15}" + "".join(f"{role:>20}" for role in roles)]
    for name in dict.fromkeys(row.classifier for row in found.rows if row.classifier != "majority"):
        cells = []
        for row in _of(found.rows, name):
            share = row.to("target")
            cells.append(_share(share.share, share.ci) if share else "-")
        lines.append(f"{name:<15}" + "".join(f"{cell:>20}" for cell in cells))
    lines.append("imitator and target told apart:")
    for name in dict.fromkeys(row.classifier for row in found.apart if row.classifier != "majority"):
        row = _of(found.apart, name)[0]
        lines.append(f"{name:<15} {_share(row.accuracy, row.accuracy_ci)} right, by chance {row.chance:.0%}")
    return lines


def _of(rows: Sequence[Attribution], classifier: str) -> list[Attribution]:
    return [row for row in rows if row.classifier == classifier]


def _share(value: float, ci: tuple[float, float]) -> str:
    return f"{value:.1%} [{100 * ci[0]:.0f}, {100 * ci[1]:.0f}]"
