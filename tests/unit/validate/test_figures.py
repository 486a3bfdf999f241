"""Figures of the data: what was found is counted, what was not measured stays unknown."""

from __future__ import annotations

from components.contracts.data_rows import BenchmarkLeakage, Overlap, QueryNeighbour
from components.contracts.dialogue_rows import Passport, Removal
from components.contracts.leakage import count_leakage
from components.validate.figures import data_figures, measure, toxic_share
from components.validate.table import DialogueTable, tabulate
from components.validate.toxicity import TOXIC_FROM, ToxicityMeter
from tests.unit.validate.data_for_tests import dialogue


def table(scores: list[float | None]) -> DialogueTable:
    """One dialogue a score; None = its reply has no text."""
    said = iter([score for score in scores if score is not None])
    meter = ToxicityMeter(lambda: lambda texts: [next(said) for _ in texts])
    rows = [dialogue(f"d{n}", f"why {n}?", " " if score is None else "plain") for n, score in enumerate(scores)]
    return tabulate(rows, {}, meter)


def found(item: str, benchmark: str, bleu: float, ngram8: float | None, ngram13: float | None, dirty: bool) -> Overlap:
    return Overlap(
        item_id=item, benchmark=benchmark, bleu=bleu, ngram8=ngram8, ngram13=ngram13, cosine=0.0, dirty=dirty
    )


def test_leakage_is_counted_by_benchmark_with_the_held_out_prompts_last() -> None:
    rows = [
        found("p", "", 25.0, None, None, True),
        found("b1", "nq", 20.0, 0.5, 0.0, True),
        found("b2", "nq", 21.0, 0.0, None, False),
        found("b3", "nq", 100.0, 1.0, 1.0, True),
        found("a1", "mmlu", 0.0, None, None, False),
    ]
    mmlu, nq, prompts = count_leakage(rows)
    assert [one.benchmark for one in (mmlu, nq, prompts)] == ["mmlu", "nq", ""]
    assert nq == BenchmarkLeakage(
        benchmark="nq", n=3, dirty=2, bleu_mean=47.0, bleu_above_20=2, ngram8_found=2, ngram13_found=1
    )


def test_toxic_share_is_of_the_scored_and_unknown_where_nothing_was_scored() -> None:
    assert toxic_share(table([TOXIC_FROM, 0.0, TOXIC_FROM - 1e-6, None])) == 1 / 3
    assert toxic_share(table([None, None])) is None
    assert toxic_share(table([])) is None


def test_more_than_two_per_cent_unscored_is_not_evaluated_and_two_per_cent_are() -> None:
    def unmeasured(unscored: int) -> str | None:
        made = table([None] * unscored + [0.1] * (100 - unscored))
        given = {"overlap": None, "neighbours": None, "review": (), "anything_held_out": True}
        return measure(made, **given).unmeasured.get("toxicity")  # type: ignore[arg-type]

    assert unmeasured(2) is None
    assert unmeasured(3) == ("not evaluated: 3 of 100 dialogues (3.0%) could not be scored (no reply text: 3)")


def test_a_search_that_found_no_items_is_not_a_clean_one() -> None:
    tables = measure(table([0.1]), overlap=[], neighbours=[], review=(), anything_held_out=False)
    assert set(tables.unmeasured) == {"leakage", "neighbours", "leaked"}


def test_every_figure_is_filled_from_what_was_given() -> None:
    papers = Passport(language="fr", terms="open", redacted={"e_mail": 2, "phone": 1})
    rows = [
        dialogue("a", "why?", "one two three", turns="uaua", papers=papers),
        dialogue("b", "bonjour", "un", target="other", papers=Passport(redacted={"phone": 4})),
    ]
    tables = measure(
        tabulate(rows, {}, ToxicityMeter(lambda: lambda texts: [0.1] * len(texts))),
        overlap=None,
        neighbours=[QueryNeighbour(dialogue_id="a", turn=0, bleu=bleu) for bleu in (4.0, 8.0)],
        review=(),
        anything_held_out=True,
    )
    removed = [Removal(id="x", reason="empty"), *[Removal(id="y", reason="language")] * 2]
    figures = data_figures("mine", tables, removed)
    assert (figures.dialogues, figures.turns, figures.imitation_words) == (2, 6, 7)
    assert figures.removed == {"language": 2, "empty": 1}
    assert (figures.targets, figures.sources) == ({"other": 1, "t": 1}, {"src": 2})
    assert figures.languages == {"": 1, "fr": 1}
    assert figures.terms == {"open": 1, "unknown": 1}
    assert figures.redacted == {"e_mail": 2, "phone": 5}
    assert (figures.diversity_bleu, figures.diversity_queries) == (6.0, 2)
    assert (figures.toxic_share, figures.toxic_unscored) == (0.0, 1)
    assert sum(one.share for one in figures.categories) == 1.0
