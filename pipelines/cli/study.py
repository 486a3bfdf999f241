"""`touchstone study`: the laptop study over several seeds, and in how many of them each claim holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.contracts.errors import UsageError

if TYPE_CHECKING:
    from components.report.comparison import Study

REQUIRED_SHARE = 0.9


@click.command()
@click.option("--seeds", default="0-9", show_default=True, help="A range (0-9) or a list (0,3,7).")
@click.option("--preset", default="smoke", show_default=True, help="Named configuration.")
@click.option("--plain", is_flag=True, help="Give the target no style of its own (a control: never STYLE_ONLY).")
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs are kept.")
@click.pass_context
def study(ctx: click.Context, seeds: str, preset: str, plain: bool, runs: Path) -> None:
    """Run the study for every seed and count in how many each claim holds.

    Exit code 1 when a claim holds in fewer than nine out of ten.
    """
    from pipelines import catalog
    from pipelines.local.study import run_study

    found: dict[int, Study] = {}
    for seed in parse_seeds(seeds):
        config = catalog.preset("imitation_audit", preset, seed=seed, plain=plain)
        folder = runs / f"study-{preset}{'-plain' if plain else ''}" / f"seed-{seed}"
        found[seed] = run_study("imitation_audit", config, folder).study
        click.echo(f"seed {seed}: {_line(found[seed])}")
    counts = count_claims(list(found.values()))
    for text, held in counts.items():
        click.echo(f"{held} of {len(found)}: {text}")
    summary = runs / f"study-{preset}{'-plain' if plain else ''}" / "summary.json"
    summary.write_text(json.dumps(_summary(found, counts), indent=1) + "\n", encoding="utf-8")
    click.echo(summary)
    ctx.exit(0 if all(held >= REQUIRED_SHARE * len(found) for held in counts.values()) else 1)


def parse_seeds(text: str) -> list[int]:
    """Seeds named by ranges and numbers: `0-2,7` gives 0, 1, 2, 7.

    Raises:
        UsageError: something else.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise UsageError(f"seeds {text!r}", expected="a range such as 0-9 or a list such as 0,3,7")
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def count_claims(studies: Sequence[Study]) -> dict[str, int]:
    """Claim -> number of studies in which it holds."""
    counts: dict[str, int] = {}
    for one in studies:
        for claim in one.claims:
            counts[claim.text] = counts.get(claim.text, 0) + claim.holds
    return counts


def _line(one: Study) -> str:
    verdicts = ", ".join(f"{entry.name} {entry.verdict.verdict}" for entry in one.entries)
    return f"{verdicts}; {sum(c.holds for c in one.claims)} of {len(one.claims)} claims hold"


def _summary(found: dict[int, Study], counts: dict[str, int]) -> dict[str, object]:
    return {
        "seeds": {
            str(seed): {
                "verdicts": {entry.name: entry.verdict.verdict for entry in one.entries},
                "claims": {claim.text: {"holds": claim.holds, "detail": claim.detail} for claim in one.claims},
            }
            for seed, one in found.items()
        },
        "claims": {text: {"holds": held, "of": len(found)} for text, held in counts.items()},
    }
