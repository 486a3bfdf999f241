"""Tokens and words: equal to sacrebleu's tokenizer and to Python's `re`, whatever the text."""

from __future__ import annotations

import random
import re

import pytest
from sacrebleu.metrics.bleu import BLEU

from components.overlap.tokens import tokenise
from components.overlap.words import words_of

SACREBLEU = BLEU(effective_order=True)
# Every character class of the four regular expressions, what the tokenizer replaces, all kinds of white space, and
# characters of one to four bytes, among them halves of surrogate pairs.
PIECES = [
    *"ab59.,-0 \n\t\r\v\f!\"#$%&'()*+/:;<=>?@[\\]^_`{|}~éß漢😀\x00\x7f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u200a\u200b",
    *"\u2028\u2029\u202f\u205f\u3000\u2019\ufeff\ud800\udfff",
    *("<skipped>", "-\n", "&quot;", "&amp;", "&lt;", "&gt;", "&amp;lt;", "&\n", "&am", "p;", "..", "...", "5.", "-5"),
]
WORD_PIECES = [*"aB5_ éÉ漢İßΣς٣²½. -'😀ǅǆ\u0300\u0345\ud800\u200d\U0001d7ce"]


def sacrebleu_tokens(text: str) -> list[str]:
    return SACREBLEU._preprocess_segment(text).split()


def nasty(draw: random.Random, pieces: list[str]) -> str:
    return "".join(draw.choice(pieces) for _ in range(draw.randint(0, 16)))


@pytest.mark.slow
def test_random_nasty_texts_give_sacrebleus_tokens() -> None:
    draw = random.Random(5)
    for _ in range(20_000):
        text = nasty(draw, PIECES)
        assert tokenise(text) == sacrebleu_tokens(text), repr(text)


@pytest.mark.parametrize(
    "text",
    [
        "It's 1,000.50 dollars... or 5.-6%, e.g. 3-4.",
        "..5 ...5 x..5 5..x 5...5 5..5 .,.,5",
        "a-\nb c-\n",
        "x -5 5-5-5 -- 5--",
        "&amp;quot; &quot;&lt;skipped&gt; <skipped>",
        "<ski<skipped>pped>",
        "  \u3000 ",
        "",
        "#!/bin/sh\nrm -rf ${HOME}/*.py && echo 'x' | tee a_b.txt",
        "5.\u00a06\u2028.7",
    ],
)
def test_telling_texts_give_sacrebleus_tokens(text: str) -> None:
    assert tokenise(text) == sacrebleu_tokens(text)


def test_words_are_those_of_pythons_regular_expressions() -> None:
    draw = random.Random(6)
    for _ in range(20_000):
        text = nasty(draw, WORD_PIECES)
        assert words_of(text) == re.findall(r"\w+", text.lower()), repr(text)
