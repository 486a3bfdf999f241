"""Facts of dialogues: what is counted, and what the order of the file must not move."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from components.contracts.dialogue_rows import Dialogue, Passport
from components.validate.table import COLUMNS, DialogueTable, heldout_texts, tabulate
from components.validate.tables import Tables
from components.validate.toxicity import ToxicityMeter
from tests.unit.validate.data_for_tests import HELDOUT, ITEM, SHOT, dialogue

BOX = Path(__file__).parents[3] / "components" / "validate"


def table(*dialogues: Dialogue) -> DialogueTable:
    meter = ToxicityMeter(lambda: lambda texts: [0.25] * len(texts))
    return tabulate(dialogues, heldout_texts([ITEM, SHOT], [HELDOUT]), meter)


def test_words_are_counted_by_turn_and_in_all() -> None:
    made = table(dialogue("x", "two words", "just three words", turns="uaua"))
    counted = {name: made.numbers[name][0] for name in ("query_words", "reply_words", "longest_reply_words")}
    assert counted == {"query_words": 4, "reply_words": 6, "longest_reply_words": 3}
    assert made.total("reply_words") == 6


@pytest.mark.parametrize("backwards", [False, True])
def test_no_duplicate_moves_with_the_order_of_the_file(backwards: bool) -> None:
    data = [dialogue("b", "Same?"), dialogue("a", " same "), dialogue("c", "other")]
    made = table(*(data[::-1] if backwards else data))
    flagged = {name for name, flag in zip(made.texts["id"], made.numbers["is_duplicate"], strict=True) if flag}
    assert flagged == {"b"}


def test_turns_divided_elsewhere_are_other_queries() -> None:
    def asks(name: str, *queries: str) -> Dialogue:
        turns = tuple(turn for query in queries for turn in dialogue("", query).turns)
        return dialogue(name, "").model_copy(update={"turns": turns})

    assert list(table(asks("a", "ab", "c"), asks("b", "a", "bc")).numbers["is_duplicate"]) == [0, 0]


def test_replies_that_differ_in_numbers_and_marks_only_are_the_same() -> None:
    said = ["It is 12 years old.", "it is 7 years old", "It is seven years old", "!!", "**"]
    repeats = table(*(dialogue(f"d{n}", f"q{n}", text) for n, text in enumerate(said))).numbers["reply_repeats"]
    assert list(repeats) == [1, 1, 0, 0, 0]


def test_the_passports_language_stands_above_the_function_words() -> None:
    german = "Das ist nicht die Antwort und auch nicht die Frage, die ich nicht kenne."
    papers = {"": Passport(), "en": Passport(language="en"), "de": Passport(language="de")}
    made = table(*(dialogue(name, "hi", german, papers=some) for name, some in papers.items()))
    assert list(made.numbers["english"]) == [0, 1, 0]
    assert made.unscored == {"not English": 2}


def test_any_user_turn_can_leak_and_worked_examples_cannot() -> None:
    late = dialogue("late", "hi").model_copy(
        update={"turns": (*dialogue("", "hi").turns, *dialogue("", "WHO wrote it").turns)}
    )
    made = table(late, dialogue("shot", SHOT.question), dialogue("said", "hi", "Write a poem."))
    assert made.texts["leaked"] == ["q1", "", ""]


def test_every_column_is_filled_and_documented_in_the_readme() -> None:
    made = table(dialogue("x", "hi"), dialogue("y", "", turns=""))
    assert {len(made.texts.get(name) or made.numbers[name]) for name in COLUMNS} == {2}
    assert list(Tables(made).frame("dialogues").columns) == list(COLUMNS)
    prose = (BOX / "README.md").read_text()
    listed = re.search(r"`table.COLUMNS` says what each\nholds\): (.*?)\.\n\n", prose, re.DOTALL)
    assert listed
    assert re.split(r",\s+", listed[1]) == list(COLUMNS)


@pytest.mark.parametrize("text", ["Who  wrote\nit?", "ﬁne", "x+y", "C++ !", "résumé", "", " ... ", "HI?!"])
def test_ingest_and_validate_mean_the_same_by_an_equal_query(text: str) -> None:
    from components.ingest.queries import normalise_query
    from components.validate.table import normalise

    rules: tuple[Callable[[str], str], ...] = (normalise, normalise_query)
    assert rules[0](text) == rules[1](text)
