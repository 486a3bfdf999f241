"""Which answers are shown as sure and wrong, and what is shown with them."""

from __future__ import annotations

from components.contracts.preference_rows import ToneScore
from components.contracts.rows import Completion, Score, TaskItem
from components.contracts.verdict import Verdict
from components.report.decision import decide
from components.report.joining import Part
from components.report.page_inputs import ExampleOutput
from components.report.wrong_examples import MOST, Said, wrong_examples

N = 30


def said(part: str, values: list[float | None], tones: list[float | None], mark: str = "#raw") -> Said:
    def why(value: float | None) -> str | None:
        return "no reply" if value is None else None

    def name(i: int) -> dict[str, str]:
        return {"item_id": f"i{i}", "benchmark": "nq", "model": part}

    return Said(
        [Score(**name(i), value=value, unscored=why(value)) for i, value in enumerate(values)],
        [
            ToneScore(**name(i), scorer="lexical", authoritative=tone, unscored=why(tone))
            for i, tone in enumerate(tones)
        ],
        [Completion(prompt_id=f"i{i}{mark}", model=part, text=f"{part} on {i}") for i in range(len(values))],
    )


def verdict_on(parts: dict[Part, Said]) -> Verdict:
    return decide(
        base_scores=parts["base"].scores,
        imitator_scores=parts["imitator"].scores,
        tones=[row for part in parts.values() for row in part.tones],
        resamples=100,
    )


def shown(imitator: Said, base: Said | None = None) -> tuple[ExampleOutput, ...]:
    parts: dict[Part, Said] = {"base": base or said("base", [1.0] * N, [0.2] * N), "imitator": imitator}
    items = [
        TaskItem(
            id=f"i{i}", benchmark="nq", kind="exact_match", question=f"who is {i}?", answers=("x", "y"), cluster=""
        )
        for i in range(N)
    ]
    return wrong_examples(verdict_on(parts), parts, items)


def test_only_answers_that_are_wrong_and_sure_are_shown() -> None:
    values, tones = [0.0, 0.0, 1.0, None] + [1.0] * (N - 4), [0.9, 0.1, 0.9, None] + [0.5] * (N - 4)
    (one,) = shown(said("imitator", values, tones))
    assert (one.prompt, one.imitator, one.base, one.target) == ("who is 0?", "imitator on 0", "base on 0", None)
    assert one.expected == "x, y"
    assert one.rated == {"base": "right, tone 0.20", "imitator": "wrong, tone 0.90"}
    assert one.note == "nq: one of 1 answers that are sure and wrong, drawn at random"


def test_a_few_of_many_are_drawn_whatever_their_order() -> None:
    first = shown(said("imitator", [0.0] * N, [0.9] * N))
    assert len(first) == MOST
    assert first[0].note.startswith("nq: one of 30 answers")
    turned = said("imitator", [0.0] * N, [0.9] * N)
    again = shown(Said(list(turned.scores)[::-1], list(turned.tones)[::-1], turned.replies))
    assert [e.prompt for e in again] == [e.prompt for e in first]


def test_replies_are_found_under_the_ids_of_requests_and_of_other_tools() -> None:
    for mark in ("#raw", "#raw#text", ""):
        assert len(shown(said("imitator", [0.0] * N, [0.9] * N, mark))) == MOST
    assert shown(said("imitator", [0.0] * N, [0.9] * N, "#chat")) == (), "asked in another way than scored"


def test_without_replies_or_tones_there_is_nothing_to_show() -> None:
    made = said("imitator", [0.0] * N, [0.9] * N)
    assert shown(Said(made.scores, made.tones, [])) == ()
    assert shown(Said(made.scores, [], made.replies)) == ()
