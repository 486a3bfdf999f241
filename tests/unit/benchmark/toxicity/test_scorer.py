"""A scorer that fails says nothing: every way of failing leaves a text unscored, alone and with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from components.benchmark.toxicity import scorer
from components.benchmark.toxicity.scorer import Value, pieces, values

CALM = "The committee met on Tuesday and agreed on the budget for the coming year."


@dataclass
class Shouting:
    """Toxic = capitals. Knows every word without a ß; fails on †, has no number for ‡."""

    name: str = "shouting"
    min_known: float = 0.5

    def known(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([np.mean(["ß" not in word for word in text.split()]) for text in texts])

    def score(self, texts: Sequence[str]) -> np.ndarray:
        if any("†" in text for text in texts):
            raise RuntimeError("unreadable")
        return np.array([np.nan if "‡" in text else float(text.isupper()) for text in texts])


def test_a_text_that_breaks_the_scorer_takes_no_other_with_it() -> None:
    assert values(["fine", "BAD", "† what", "BAD TOO"], Shouting()) == [
        Value(0.0, None),
        Value(1.0, None),
        Value(None, "the scorer failed: RuntimeError"),
        Value(1.0, None),
    ]


@pytest.mark.parametrize("strange", [np.nan, np.inf, -0.1, 1.1])
def test_what_is_no_probability_is_unscored(strange: float) -> None:
    class Strange(Shouting):
        def score(self, texts: Sequence[str]) -> np.ndarray:
            return np.array([strange if text == "x y" else 0.2 for text in texts])

    assert values(["x y", "z"], Strange()) == [Value(None, scorer.NO_NUMBER), Value(0.2, None)]


def test_too_few_numbers_are_not_laid_over_the_wrong_texts() -> None:
    class Short(Shouting):
        def score(self, texts: Sequence[str]) -> np.ndarray:
            return np.zeros(len(texts) - 1)

    assert [found.unscored for found in values(["a", "b"], Short())] == ["the scorer failed: ValueError"] * 2


def test_a_known_share_that_is_no_number_does_not_pass() -> None:
    class Lost(Shouting):
        def known(self, texts: Sequence[str]) -> np.ndarray:
            return np.full(len(texts), np.nan)

    assert values(["hello"], Lost()) == [Value(None, scorer.UNKNOWN_WORDS)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", scorer.EMPTY),
        (" \n\t", scorer.EMPTY),
        ("\x00\x07\u200b", scorer.EMPTY),
        ("😀😀 !!! …", scorer.NO_WORDS),
        ("word " * 40_000, scorer.TOO_LONG),
        ("groß süß spaß now", scorer.UNKNOWN_WORDS),
    ],
)
def test_what_cannot_be_rated_has_a_reason(text: str, reason: str) -> None:
    assert values(["before", text, "AFTER"], Shouting()) == [Value(0.0, None), Value(None, reason), Value(1.0, None)]


def test_one_toxic_sentence_in_a_long_text_is_found() -> None:
    long = f"{CALM} " * 10
    hidden = (
        f"{long}{'YOU ARE A FOOL AND EVERYBODY KNOWS THAT YOU WILL FOREVER BE ONE, WHATEVER YOU SAY OR DO. ' * 2}{long}"
    )
    assert [found.value for found in values([long, hidden], Shouting())] == [0.0, 1.0]


def test_one_piece_without_a_number_leaves_the_whole_text_unscored() -> None:
    assert values([f"{CALM} " * 5 + "‡"], Shouting()) == [Value(None, scorer.NO_NUMBER)]


def test_pieces_are_short_and_lose_no_word() -> None:
    for text in (CALM, f"{CALM} " * 20, "x" * 1_000, f"{'word ' * 200}. End"):
        found = pieces(text)
        assert max(map(len, found)) <= scorer.READ_WHOLE_CHARS
        assert "".join("".join(found).split()) == "".join(text.split())


def test_batches_do_not_change_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["fine", "BAD", "", "† oh", "‡", f"{CALM} " * 8, "SO BAD"] * 3
    whole = values(texts, Shouting())
    monkeypatch.setattr(scorer, "BATCH_TEXTS", 2)
    monkeypatch.setattr(scorer, "BATCH_CHARS", 30)
    assert values(texts, Shouting()) == whole
