"""Kinds of queries: every cue matches its own example, and what the cues must not confuse."""

from __future__ import annotations

import time

import pytest

from components.contracts.data_rows import CATEGORIES
from components.validate.categories import Cue, classify, cues, shown_cues
from pipelines.data.review import MEANINGS


@pytest.mark.parametrize("cue", cues()[0], ids=lambda cue: f"{cue.category}: {cue.example}")
def test_every_cue_matches_its_example(cue: Cue) -> None:
    assert cue in shown_cues(cue.example)


@pytest.mark.parametrize(
    ("query", "category"),
    [
        ("Write a poem about the sea", "Generation"),
        ("Why do cats purr?", "General QA"),
        ("Can you please write a Python function that reverses a list?", "Coding"),
        ("TypeError: 'int' object is not callable, what did I do wrong", "Coding"),
        ("Please give me some ideas for a company outing", "Brainstorming"),
        ("I want you to act as a grumpy ship's captain and talk to me", "Chat"),
        ("Hello!", "Chat"),
        ("Summarize the following article: " + "The town lies on a river. " * 60, "Summarization"),
        ("The town lies on a river. " * 60 + "\nCondense this into three bullet points", "Summarization"),
        ("Rewrite this so that it sounds more polite: send me the money", "Rewrite"),
        ("Wie lange dauert es, bis das Wasser in der Leitung nicht mehr kalt ist?", "Non-English"),
        ("请给我讲", "Non-English"),
        ("continue", "Invalid"),
        ("Please continue.", "Invalid"),
        ("https://example.org/watch?v=3", "Invalid"),
        ("", "Invalid"),
        ("...", "Invalid"),
        ("The town lies on a river and has a market every week on the square before the old hall.", "Invalid"),
    ],
)
def test_plain_queries_fall_where_a_person_would_put_them(query: str, category: str) -> None:
    assert classify(query) == category


def test_the_passports_language_decides_where_the_words_say_nothing() -> None:
    assert classify("resumen capitulos", "es") == "Non-English"
    assert classify("write the resumen", "es") != "Non-English"


def test_every_one_of_the_nine_can_be_recognised_and_is_explained() -> None:
    assert set(MEANINGS) == set(CATEGORIES) == {cue.category for cue in cues()[0]} | {"Non-English"}


@pytest.mark.parametrize(
    "query", ["ok " * 3000, "a" * 100_000, "please please " * 2000 + "!", "x(" * 3000, "\n" * 9000]
)
def test_no_query_takes_long(query: str) -> None:
    started = time.process_time()
    classify(query)
    assert time.process_time() - started < 1.0
