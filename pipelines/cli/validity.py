"""`touchstone validity`: how often the verdict is right in simulated worlds whose truth is known."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


@click.command()
@click.option("--worlds", default=200, show_default=True, type=click.IntRange(min=1), help="Simulations of each world.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the simulations.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def validity(worlds: int, seed: int, as_json: bool) -> None:
    """Simulate and count verdicts and interval coverage, through the code that decides real audits."""
    from components.report.validity import VERDICTS, error_rates

    rates = error_rates(num_worlds=worlds, seed=seed)
    if as_json:
        click.echo(json.dumps([asdict(rate) for rate in rates], indent=1))
        return
    width = max(len(rate.world) for rate in rates)
    click.echo(f"{'per cent of ' + str(worlds) + ' worlds':<{width}}  " + "  ".join(VERDICTS) + "  coverage D, g")
    for rate in rates:
        shares = "  ".join(f"{100 * rate.shares[word]:>{len(word)}.1f}" for word in VERDICTS)
        closed = "-" if rate.coverage_gap_closed is None else f"{rate.coverage_gap_closed:.3f}"
        click.echo(f"{rate.world:<{width}}  {shares}  {rate.coverage_delta:.3f}, {closed}")
