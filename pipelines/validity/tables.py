"""A proof as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipelines.validity.intervals import Coverage
from pipelines.validity.looking import LookRates
from pipelines.validity.naive import AT_LEAST_TARGET, Votes
from pipelines.validity.rates import MOST_GROWTH, MOST_ITEMS, VERDICTS, ErrorRates, NeededRates
from pipelines.validity.study import Proof
from pipelines.validity.style_raters import ABOUT, HEADING, cells

_SHORT = {"CAPABILITY": "CAP", "STYLE_ONLY": "STYLE", "REGRESSION": "REGR", "INCONCLUSIVE": "INCONCL"}


def markdown(proof: Proof) -> str:
    """Every table of a proof."""
    return "\n".join(
        (
            "# Simulated error rates",
            "",
            f"Written by `touchstone validity --worlds {proof.worlds} --seed {proof.seed} --write docs`;"
            " what the worlds are and what follows from the rates: [method-proof.md](method-proof.md).",
            "",
            "## Verdicts, in per cent of the data sets of each world",
            "",
            "Every data set goes the way of an audit: score rows, style profiles and published numbers in, verdict out."
            " n: data sets. D, g: share of 95% intervals of the change and of the gap closed that hold the truth; 93 to"
            " 97% are promised of every world, but where a note says why that cannot be had. Usual practice beside it:"
            " z better, z on par = share in which comparing two accuracies as if other items had been asked finds some"
            " benchmark better than the base's, or not different from the target's; judge = share in which a win rate"
            f" of {AT_LEAST_TARGET:.0%} at least as good calls the imitator the target's equal.",
            "",
            *_table(
                (
                    "world",
                    "n",
                    *(_SHORT.get(word, word) for word in VERDICTS),
                    "D",
                    "g",
                    "z better",
                    "z on par",
                    "judge",
                    "promised",
                ),
                map(_rate, proof.rates),
            ),
            "",
            "## Items that an INCONCLUSIVE verdict asks for, granted",
            "",
            "INCONCLUSIVE data sets; those of them that named a number, as none would do for the others; those whose"
            f" number was drawn: up to {MOST_GROWTH:.0f} times the items, or {MOST_ITEMS:,} of each. Of the drawn:"
            " settled = the new verdict is not INCONCLUSIVE, as foretold = it is the one that was foretold. Labels: of"
            " single benchmarks, drawn with the items that each asks for by itself.",
            "",
            *_table(
                (
                    "world",
                    "INCONCLUSIVE",
                    "named a number",
                    "times the items",
                    "drawn",
                    "settled",
                    "as foretold",
                    "labels drawn",
                    "labels settled",
                ),
                map(_needed, proof.needed),
            ),
            "",
            "## Win rates when neither side is better, three votes a prompt",
            "",
            *_table(
                ("resampled", "called a winner", "coverage"),
                [_votes("prompts", proof.votes_by_prompt), _votes("votes, as if independent", proof.votes_alone)],
            ),
            "",
            "## Several looks at a growing run, nothing gained",
            "",
            "Share of runs in which some look's interval of the change leaves out the truth, at a nominal 5%.",
            "",
            *_table(("looks at", "runs", "alpha spent", "every look at 5%"), map(_looks, proof.looks)),
            "",
            "## Intervals of a change, exact coverage over a range of truths",
            "",
            "Of right-or-wrong items that base and imitator answer as in the worlds above, from 30% of a gap lost to"
            " all of it closed, by enumeration of all outcomes.",
            "",
            *_table(("interval", "items", "mean", "least", "most", "nothing gained"), map(_interval, proof.intervals)),
            "",
            "## Preference with style held equal",
            "",
            ABOUT,
            "",
            *_table(HEADING, map(cells, proof.style_raters)),
            "",
        )
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    align = ["---", *["---:"] * (len(heading) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (heading, align, *rows)]


def _rate(rate: ErrorRates) -> tuple[str, ...]:
    shown = {text: kept for text, kept in rate.promises.items() if not kept or not text.startswith("coverage")}
    promised = "; ".join(f"{text}{'' if kept else ' **missed**'}" for text, kept in shown.items())
    if rate.coverage_note:
        promised += f"{'; ' if promised else ''}coverage of 93 to 97% not attainable: {rate.coverage_note}"
    return (
        rate.world,
        f"{rate.num_worlds:,}",
        *(_percent(rate.shares[word]) for word in VERDICTS),
        _percent(rate.coverage_delta),
        _percent(rate.coverage_gap_closed),
        _percent(rate.naive_gain),
        _percent(rate.naive_parity),
        _percent(rate.naive_judge),
        promised,
    )


def _needed(rate: NeededRates) -> tuple[str, ...]:
    growth = "-" if rate.median_growth is None else f"{rate.median_growth:.1f}"
    return (
        rate.world,
        f"{rate.inconclusive:,}",
        f"{rate.named:,}",
        growth,
        f"{rate.drawn:,}",
        _percent(rate.settled),
        _percent(rate.as_foretold),
        f"{rate.labels_named:,}",
        _percent(rate.labels_settled),
    )


def _looks(found: LookRates) -> tuple[str, ...]:
    shares = ", ".join(f"{share:.0%}" for share in found.looks)
    return shares, f"{found.runs:,}", _percent(found.spent), _percent(found.unspent)


def _interval(found: Coverage) -> tuple[str, ...]:
    rates = (found.mean, found.least, found.most, found.no_gain)
    return found.interval, str(found.n), *map(_percent, rates)


def _votes(name: str, found: Votes) -> tuple[str, ...]:
    return name, _percent(found.false_wins), _percent(found.coverage)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
