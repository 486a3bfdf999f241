from typing import Any

import pytest

from components.synthesize.parsing import Fragment, Pair, read_examples
from components.synthesize.task import Task, load_task

NQ = load_task("nq_synthetic")


def json_task() -> Task:
    return NQ.model_validate({**NQ.model_dump(), "reply": {"form": "json", "question": "q", "answer": "a"}})


def read(text: str, task: Task = NQ, is_cut: bool = False) -> list[Any]:
    found = read_examples(task, text, is_cut=is_cut)
    return [(x.question, x.answer) if isinstance(x, Pair) else f"{x.reason}: {x.detail}" for x in found]


@pytest.mark.parametrize(
    "text",
    [
        "Q: who?\nA: me\nQ: why?\nA: so",
        "\n\nQ: who?\r\nA: me\r\n\r\nQ: why?\r\nA: so\r\n",
        "Q: who?\n\nA: me\n\n\nQ: why?\n\nA: so",
        "1. Q: who?\n   A: me\n2. Q: why?\n   A: so",
        "**Q:** who?\n**A:** me\n\n**Q**: why?\n**A**: so",
        "Q1: who?\nA1: me\nQ2: why?\nA2: so",
    ],
)
def test_pairs_are_read_in_the_forms_that_models_use(text: str) -> None:
    assert read(text) == [("who?", "me"), ("why?", "so")]


LINE = "malformed: a line within the pair that is neither question nor answer"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Sure, here are some:\n\nQ: who?\nA: me", ["malformed: lines outside of any pair", ("who?", "me")]),
        ("Q: who?\nA: me\n\nI hope\nthis helps!", [("who?", "me"), "malformed: lines outside of any pair"]),
        ("Q: who?\nA: me\nand you", [LINE]),
        ("Q: who\nis it?\nA: me\nQ: why?\nA: so", [LINE, ("why?", "so")]),
        ("Q: who?\nQ: why?\nA: so", ["malformed: a question without answer", ("why?", "so")]),
        ("A: me\nQ: why?\nA: so", ["malformed: an answer without question", ("why?", "so")]),
        ("Q: who?\nA: me\nA: you", ["malformed: two answers to one question"]),
        ("Q: who?", ["malformed: a question without answer"]),
        ("Q:\nA: me", ["empty: the question is empty"]),
        ("Q: who?\nA:  ", ["empty: the answer is empty"]),
        (" \n", ["empty: the reply is empty"]),
        ("I cannot do that.", ["malformed: lines outside of any pair"]),
    ],
)
def test_what_is_no_pair_is_told_and_not_guessed(text: str, found: list[Any]) -> None:
    assert read(text) == found


@pytest.mark.parametrize("text", ["Sure!\n\nQ: a\nA: b\nmore\n\nA: c\nQ: d\nQ: e\nA: f\nA: g\n\n\nbye", "x\nQ: a"])
def test_every_line_of_a_reply_is_in_a_pair_or_in_a_fragment(text: str) -> None:
    found = read_examples(NQ, text, is_cut=False)
    lines = [line for x in found if isinstance(x, Fragment) for line in x.raw.split("\n")]
    pairs = [said for x in found if isinstance(x, Pair) for said in (f"Q: {x.question}", f"A: {x.answer}")]
    assert sorted(lines + pairs) == sorted(line for line in text.split("\n") if line)


def test_the_last_pair_of_a_cut_reply_does_not_count() -> None:
    assert read("Q: who?\nA: me\nQ: why?\nA: be", is_cut=True) == [
        ("who?", "me"),
        "malformed: the reply was cut at max_tokens within or after this example",
    ]


def test_lines_can_be_continued_where_the_task_says_so() -> None:
    task = NQ.model_validate({**NQ.model_dump(), "reply": {"form": "lines", "multiline": True}})
    assert read("Q: who\nis it?\nA: me\nand you\n\nQ: why?\nA: so", task) == [
        ("who\nis it?", "me\nand you"),
        ("why?", "so"),
    ]


@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n```", "\n```\n{}\n```\n"])
def test_json_is_read_with_or_without_a_fence(fence: str) -> None:
    text = fence.replace("{}", '[{"q": " who? ", "a": "me", "more": 1}, {"q": "when?", "a": 1988}]')
    assert read(text, json_task()) == [("who?", "me"), ("when?", "1988")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[{"q": "who?", "a": "me"}', "malformed: no JSON"),
        ('{"q": "who?", "a": "me"}', "malformed: JSON, but no list"),
        ("[]", "empty: an empty list"),
        ('["who?"]', 'malformed: "who?" is no object'),
        ('[{"q": "who?"}]', "malformed: a is null"),
        ('[{"q": "who?", "a": true}]', "malformed: a is true"),
        ('[{"q": "who?", "a": ["me"]}]', "malformed: a is"),
        ('[{"q": "who?", "a": ""}]', "empty: the answer is empty"),
        ("[" * 100_000, "malformed: no JSON"),
    ],
)
def test_json_of_another_form_is_told(text: str, told: str) -> None:
    (found,) = read(text, json_task())
    assert found.startswith(told)
