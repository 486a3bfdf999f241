"""Disguised words come out plainly spelled, and ordinary text is left as it is."""

import pytest

from components.benchmark.toxicity.spelling import plain_spelling, visible


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("You are an 1d10t", "you are an idiot"),
        ("what a $tup1d plan!!", "what a stupid plan!!"),
        ("s t u p i d", "stupid"),
        ("s.t.u.p.i.d people", "stupid people"),
        ("soooo stuuuupid", "soo stuupid"),
        ("st\u200bupid", "stupid"),
        ("st\u00adupid", "stupid"),
        ("ｓｔｕｐｉｄ", "stupid"),
        ("it\u2019s", "it's"),
    ],
)
def test_a_disguised_word_is_read(disguised: str, plain: str) -> None:
    assert plain_spelling(disguised) == plain


@pytest.mark.parametrize("text", ["in 2016, 45 of 70", "a b", "i am, so it is.", "good book", "e.g. this"])
def test_ordinary_text_stays(text: str) -> None:
    assert plain_spelling(text) == text


def test_control_characters_and_halves_of_pairs_become_spaces() -> None:
    assert visible("a\x00b\ud83dc\x07") == "a b c "


def test_a_long_run_of_one_letter_or_of_spaces_costs_little() -> None:
    # Patterns that try again from every place would take minutes here.
    for text in ("a" * 200_000, "a " * 100_000, " " * 200_000, "a" + "." * 200_000, "1" * 200_000):
        plain_spelling(text)
