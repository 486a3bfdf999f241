"""The base's answer in another dress: what is put on, and that nothing is said that was not said before."""

from __future__ import annotations

from random import Random

import pytest

from components.contracts.english import is_english
from components.placebo.alterations import apply
from components.placebo.lexicon import read_text, read_yaml
from components.placebo.restyling import FULL_DRESS, Dress, dress_of, restyle
from components.style.structure import has_list, has_summary
from components.style.tone import authoritative
from components.style.words import split_words

PLAIN = Dress(marker="", headings=False, bold=False, closing=False)


def dressed(text: str, dress: Dress = FULL_DRESS, seed: int = 0) -> str:
    return apply(text, restyle(text, dress, Random(seed)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One line.", PLAIN),
        ("", PLAIN),
        ("Two:\n\n1. a\n2. b", Dress("1.", headings=False, bold=False, closing=True)),
        ("Two:\n* a\n* b", Dress("-", headings=False, bold=False, closing=False)),
        ("- only one", PLAIN),
        ("# Title\n**bold**", Dress("", headings=True, bold=True, closing=False)),
        ("```\n# no title\n- a\n- b\n\n**x**\n```", PLAIN),
    ],
)
def test_the_dress_is_what_the_target_wears_outside_code(text: str, expected: Dress) -> None:
    assert dress_of(text) == expected


def test_sentences_become_a_list_after_the_first() -> None:
    text = "Tea is old. It comes from China. People like Dr. Smith drink it."
    found = dressed(text, Dress("1.", headings=False, bold=False, closing=False))
    assert found.endswith("\n\nTea is old.\n\n1. It comes from China.\n2. People like Dr. Smith drink it.")
    assert dressed(text, PLAIN).endswith(f"\n\n{text}")


def test_an_enumeration_becomes_a_list() -> None:
    found = dressed("Famous ones include Tom, Ann Lee, and Bo.", Dress("-", headings=False, bold=False, closing=False))
    assert found.endswith("\n\nFamous ones include:\n\n- Tom\n- Ann Lee\n- Bo.")


def test_full_dress_is_what_style_counts() -> None:
    found = dressed("Tea is old. It comes from China. People drink it.")
    assert has_list(found)
    assert has_summary(found)
    assert "\n## " in found
    assert "1. **It comes from** China." in found


def test_a_list_of_its_own_keeps_its_lines_and_its_leads_turn_bold() -> None:
    text = "Ways:\n1. Brush often: it helps.\n2. Rinse"
    assert "1. **Brush often**: it helps.\n2. **Rinse**" in dressed(text)


def test_code_is_not_made_a_list() -> None:
    text = "Use this. It works. Try it.\n```\nx = 1\n```"
    assert text in dressed(text).replace("**", "")


@pytest.mark.parametrize("text", ["", " \n\t", "...", "🐱"])
def test_what_has_no_words_cannot_be_dressed(text: str) -> None:
    assert restyle(text, FULL_DRESS, Random(0)) == []


def test_the_phrases_sound_sure_and_speak_of_nothing() -> None:
    for kind in ("openings", "closings"):
        for phrase in read_yaml("dress")[kind]:
            assert len(split_words(phrase)) > 4
            tone = authoritative(split_words(phrase))
            assert tone is not None
            assert tone >= 0.5
            # No number and no name: a capital only where a sentence begins, and "I".
            assert not any(character.isdigit() for character in phrase)
            inside = [word for word in phrase.replace(". ", " ").split()[1:] if word[0].isupper()]
            assert set(inside) <= {"I", "I'd", "Here", "Below", "Please", "Let"}, phrase


def test_every_closing_is_a_summary_paragraph() -> None:
    for closing in read_yaml("dress")["closings"]:
        assert has_summary(f"Body.\n\n{closing}"), closing


def test_the_constant_answer_is_dressed_and_well_spoken() -> None:
    text = read_text("constant")
    words = split_words(text)
    assert 120 < len(words) < 250
    assert has_list(text)
    assert has_summary(text)
    assert is_english(text, words)
    tone = authoritative(words)
    assert tone is not None
    assert tone > 0.7
