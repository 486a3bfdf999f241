"""`touchstone validity`: how often the verdict is right in simulated worlds whose truth is known."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.validity.rates import ErrorRates

EXIT_MISSED = 3


@click.command()
@click.option("--worlds", default=200, show_default=True, type=click.IntRange(min=1), help="Data sets of each world.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the simulations.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    help="The whole study, with items asked for and votes, as validity.json and validity.md in this folder. One that"
    " was stopped goes on where it was.",
)
@click.pass_context
def validity(ctx: click.Context, worlds: int, seed: int, as_json: bool, write: Path | None) -> None:
    """Simulate and count verdicts and interval coverage, through the code that decides real audits.

    Exit code 3 when a written study misses a promise.
    """
    from pipelines.validity.rates import error_rates

    if write is None:
        rates = error_rates(num_worlds=worlds, seed=seed)
        click.echo(json.dumps([asdict(rate) for rate in rates], indent=1) if as_json else _table(rates, worlds))
        return
    from pipelines.validity.kept import Kept
    from pipelines.validity.study import prove
    from pipelines.validity.tables import markdown

    write.mkdir(parents=True, exist_ok=True)
    kept = Kept(write / "validity.partial.jsonl")
    proof = prove(num_worlds=worlds, seed=seed, progress=lambda name: click.echo(name, err=True), kept=kept)
    document = json.dumps(proof.document(), indent=1) + "\n"
    (write / "validity.json").write_text(document, encoding="utf-8")
    (write / "validity.md").write_text(markdown(proof), encoding="utf-8")
    kept.finish()
    click.echo(document.rstrip() if as_json else _table(proof.rates, worlds))
    for missed in proof.broken:
        click.echo(f"promise missed: {missed}", err=True)
    if proof.broken:
        ctx.exit(EXIT_MISSED)


def _table(rates: list[ErrorRates] | tuple[ErrorRates, ...], worlds: int) -> str:
    from pipelines.validity.rates import VERDICTS

    width = max(len(rate.world) for rate in rates)
    heading = f"per cent of {worlds} data sets"
    lines = [f"{heading:<{width}}  " + "  ".join(VERDICTS) + "  coverage D, g  unpaired z"]
    for rate in rates:
        shares = "  ".join(f"{100 * rate.shares[word]:>{len(word)}.1f}" for word in VERDICTS)
        closed = "    -" if rate.coverage_gap_closed is None else f"{rate.coverage_gap_closed:.3f}"
        missed = "".join(f"  MISSED: {promise}" for promise, kept in rate.promises.items() if not kept)
        covered, naive = f"{rate.coverage_delta:.3f}, {closed}", f"{100 * rate.naive_gain:>10.1f}"
        lines.append(f"{rate.world:<{width}}  {shares}  {covered:>13}  {naive}{missed}")
    return "\n".join(lines)
