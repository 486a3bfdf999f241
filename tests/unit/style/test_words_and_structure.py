"""The word, list, summary, tone and language rules, as tables of cases."""

from __future__ import annotations

from collections import Counter

import pytest

from components.contracts.english import is_english
from components.style.structure import has_list, has_summary
from components.style.tone import authoritative
from components.style.words import split_words, unigram_f1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, DON'T!", ["don", "t", "stop", "don", "t"]),
        ("Élan vital_2 — 3.5", ["élan", "vital_2", "3", "5"]),
        (" \n", []),
    ],
)
def test_words_are_runs_of_word_characters_in_lower_case(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("mine", "other", "expected"),
    [
        ("a b", "a b", 100.0),
        ("a a b", "a", 50.0),  # one shared of 3 + 1 words: the second "a" has no partner
        ("a b", "c", 0.0),
        ("", "a", 0.0),
        ("", "", 100.0),
    ],
)
def test_shared_words_count_each_occurrence_once(mine: str, other: str, expected: float) -> None:
    counts = Counter(mine.split()), Counter(other.split())
    assert unigram_f1(*counts) == pytest.approx(expected)
    assert unigram_f1(*reversed(counts)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two things:\n- one\n- two", True),
        ("* one\ntext between\n* two", True),
        ("• one\n• two", True),
        ("1. one\n2. two", True),
        ("1) one\n2) two", True),
        ("Nested:\n   1. one\n\t- two", True),
        ("- only one", False),
        ("1. one\nand then 2. two", False),
        ("**Bold**\n*slanted*", False),
        ("---\n---", False),
        ("1.5 million\n2.5 million", False),
        ("1998. A year.\n1999. Another.", False),
        ("1.Foo\n2.Bar", False),
        ("", False),
    ],
)
def test_a_list_is_two_lines_with_markers(text: str, expected: bool) -> None:
    assert has_list(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Body.\n\nOverall, it holds.", True),
        ("Body.\n\nIn conclusion: yes.", True),
        ("Body.\n \n## Conclusion\nYes.", True),
        ("Body.\n\n**To sum up**, yes.\n\n", True),
        ("Overall, one paragraph.", False),
        ("Overall, first.\n\nThen more.", False),
        ("Body.\nOverall, same paragraph.", False),
        ("Body.\n\nOveralls are trousers.", False),
        ("Body.\n\nIt is overall good.", False),
        ("", False),
    ],
)
def test_a_summary_is_a_last_paragraph_with_a_closing_marker(text: str, expected: bool) -> None:
    assert has_summary(text) is expected


def test_tone_rises_with_boosters_and_falls_with_hedges_and_doubt() -> None:
    def tone(text: str) -> float:
        score = authoritative(split_words(text))
        assert score is not None
        return score

    plain = tone("Paris is the capital of France.")
    assert plain == 0.5
    assert tone("Paris is certainly the capital of France.") == pytest.approx(0.75)
    assert tone("Perhaps Paris is the capital of France.") == pytest.approx(0.25)
    assert tone("I don't know, is Paris the capital?") == pytest.approx(0.5 - 0.5 * 2 / 3)
    assert authoritative([]) is None


def test_tone_reads_the_longest_phrase_and_not_the_booster_inside_it() -> None:
    # "never" is a booster, "not sure" a hedge; "i'm not sure" is one first-person doubt and no hedge besides.
    doubt = authoritative(split_words("I'm not sure about it"))
    hedge = authoritative(split_words("People are not sure about it"))
    assert doubt == pytest.approx(0.5 - 0.5 * 2 / 3)
    assert hedge == pytest.approx(0.25)


def test_tone_is_a_rate_so_that_repeating_a_text_changes_nothing() -> None:
    words = split_words("word " * 98 + "certainly perhaps certainly")
    assert authoritative(words * 5) == pytest.approx(authoritative(words), abs=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat sat on the mat because it was warm and there was nothing else to do.", True),
        ("Der Hund ist nicht auf dem Sofa, sondern im Garten mit der Katze und dem Kind.", False),
        ("La vie est belle pour les gens qui sont avec nous dans cette ville.", False),
        ("Lo siento, no entiendo lo que quieres decir. Puedes explicar la pregunta con más detalle?", False),
        ("Это предложение написано на русском языке, без сомнения.", False),
        ("这是一个完全用中文写成的句子没有任何英文单词在里面真的没有", False),
        ("これは日本語で書かれた文章です。とても長い文章です。", False),
        ("for (int i = 0; i < n; i++) { total += data[i] * weights[i]; }", True),
        ("Bonjour!", True),
        ("是", True),
        ("", True),
        ("The Russian word for peace and for world is the same: мир.", True),
    ],
)
def test_language_rule_leans_to_english_when_it_cannot_tell(text: str, expected: bool) -> None:
    assert is_english(text, split_words(text)) is expected
