"""`touchstone crowd estimate`, `pay` and `agreement`: what a study costs, what raters are owed and how they agree."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from components.contracts.preference_results import RaterPool
    from pipelines.crowd_rating.summary import Trust

STUDY = click.argument("study", required=False)
RATE = click.option("--usd-per-hour", default=15.0, show_default=True, type=click.FloatRange(min=0.01))


@click.command()
@click.argument("pairs", type=click.Path(path_type=Path))
@click.option("--design", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="YAML of the study.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(min=1.0), help="Expected per item.")
@RATE
def estimate(pairs: Path, design: Path | None, seconds: float, usd_per_hour: float) -> None:
    """People, hours and money that the study PAIRS takes, before anything is created."""
    from components.crowd.mturk.terms import Terms
    from components.crowd.mturk.terms import estimate as priced
    from components.crowd.publishing import seats
    from components.crowd.study.creation import read_pairs
    from components.crowd.study.design import checked, items_per_rater, with_repeats
    from pipelines.crowd.desk import read_design

    rows, made = checked(read_pairs(pairs)), read_design(pairs.stem, design)
    people, items = seats(rows, made), items_per_rater(made, with_repeats(rows, made))
    each = items * seconds / 3600 * usd_per_hour
    click.echo(f"{people} people, up to {items} items each, {people * items * seconds / 3600:.1f} hours")
    click.echo(f"by link: {people * each:.2f} USD at {usd_per_hour:g} an hour")
    click.echo(f"on Mechanical Turk: {priced(people, Terms(reward_usd=max(0.01, round(each, 2))))}")


@click.command()
@STUDY
@RATE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def pay(study: str | None, usd_per_hour: float, as_json: bool) -> None:
    """What every rater of STUDY is owed for the measured time, as CSV.

    An item's time is paid up to three times its median over raters and ten minutes, so that an idle page is not paid
    for hours; a minute is added for the instructions.
    """
    from components.crowd.payments import PayRules
    from pipelines.crowd_rating.summary import pay_lines

    name, lines = pay_lines(study, PayRules(usd_per_hour=usd_per_hour))
    rows = [
        {
            **line.model_dump(mode="json", exclude={"reward_usd", "bonus_usd", "note"}),
            "measured_seconds": round(line.measured_seconds, 1),
            "paid_seconds": round(line.paid_seconds, 1),
        }
        for line in lines
    ]
    if as_json:
        click.echo(json.dumps({"study": name, "raters": rows}, indent=1))
        return
    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    click.echo(f"{name}: {sum(line.due_usd for line in lines):.2f} USD for {len(lines)} raters", err=True)


@click.command("agreement")
@STUDY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def agreement_of(study: str | None, as_json: bool) -> None:
    """How far the raters of STUDY agree, whether they like a side, and each one's record, least agreeing first."""
    from pipelines.crowd_rating.summary import trust

    found = trust(study)
    if as_json:
        parts = {"agreement": found.agreement, "raters": found.pool}
        plain = {name: part.model_dump(mode="json") if part is not None else None for name, part in parts.items()}
        click.echo(json.dumps({"study": found.study, **plain}, indent=1))
        return
    _print(found)


def _print(found: Trust) -> None:
    measured = found.agreement
    click.echo(f"{found.study}: {measured.num_raters} raters, {measured.num_items} pairs with several votes")
    click.echo(f"  Krippendorff's alpha {_number(measured.alpha)}{_interval(measured.alpha_ci)}")
    click.echo(f"  Fleiss' kappa {_number(measured.fleiss)}, raw agreement {_number(measured.raw)}")
    if measured.reason:
        click.echo(f"  {measured.reason}")
    if found.pool is not None:
        _print_pool(found.pool)
    for one in found.records:
        # Time per answer over the session: a factor far below 0 is a rater who hurries towards the end.
        trend = f", time per answer {one.time_trend:+.0%} over the session" if one.time_trend is not None else ""
        agrees = f"agrees with the others {_number(one.agreement)}{_interval(one.agreement_ci)}"
        sides = f"left {_number(one.first_share)}, ties {_number(one.tie_share)}"
        said = f"left out: {one.left_out}" if one.left_out is not None else f"{agrees}, {sides}{trend}"
        click.echo(f"  {one.rater}  {one.n} votes, {said}")


def _print_pool(pool: RaterPool) -> None:
    if pool.num_left_out:
        click.echo(f"  left out by the rules: {pool.num_left_out} raters with {pool.num_left_out_votes} votes")
    click.echo(f"  picks for the left answer {_number(pool.first_share)}{_interval(pool.first_ci)}")
    if pool.time_trend is not None:
        told = f"{pool.time_trend:+.3f}{_interval(pool.time_trend_ci)}"
        click.echo(f"  time per answer, last against first: {told}, mean of {pool.num_timed} raters")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f" [{ends[0]:.3f}, {ends[1]:.3f}]"
