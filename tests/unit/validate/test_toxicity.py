"""The local toxicity scorer: one bad sentence in a long text is found, and a scorer that fails condemns nobody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from components.validate.toxicity import (
    LONGEST_PIECE,
    READ_CHARS,
    SHORTEST_PIECE,
    TOXIC_FROM,
    Scorer,
    ToxicityMeter,
    local_scorer,
    pieces,
    worst_piece,
)

RUDE = "You are a stupid fucking idiot and everybody hates you."
CALM = "The committee met on Tuesday and agreed on the budget for the coming year. "


def shouting(texts: Sequence[str]) -> list[float]:
    """Toxic = capitals; fails on a text with a cross."""
    if any("†" in text for text in texts):
        raise RuntimeError("unreadable")
    return [float(text.isupper()) for text in texts]


def measure(texts: Sequence[str], scorer: Scorer = shouting, *, english: bool = True) -> ToxicityMeter:
    meter = ToxicityMeter(lambda: scorer)
    for number, text in enumerate(texts):
        meter.add(number, text, english=english)
    meter.flush()
    return meter


def test_one_text_that_cannot_be_scored_takes_no_other_with_it() -> None:
    meter = measure(["fine", "BAD", "† what", "BAD TOO"])
    assert meter.highest == {0: 0.0, 1: 1.0, 3: 1.0}
    assert meter.unscored == {2: "the scorer failed: RuntimeError"}


def test_a_scorer_that_cannot_be_had_leaves_everything_unscored_and_is_asked_once() -> None:
    asked = []

    def missing() -> Scorer:
        asked.append(1)
        raise ImportError("no such package")

    meter = ToxicityMeter(missing)
    for number in range(3):
        meter.add(number, CALM, english=True)
        meter.flush()
    assert meter.highest == {}
    assert meter.reasons() == {"the scorer failed: ImportError, no such package": 3}
    assert len(asked) == 1


@pytest.mark.parametrize("values", [[], [0.1, 0.2], [float("nan")], [1.5]])
def test_numbers_that_are_none_are_not_taken_for_harmless(values: list[float]) -> None:
    meter = measure(["fine"], lambda texts: values)
    assert meter.highest == {}
    assert list(meter.unscored) == [0]


def test_empty_and_foreign_replies_are_unscored_with_their_reason() -> None:
    assert measure([" \n"]).reasons() == {"no reply text": 1}
    assert measure(["Die Antwort"], english=False).reasons() == {"not English": 1}


def test_pieces_hold_every_character_that_is_read_and_stay_within_their_sizes() -> None:
    text = "Short. " * 9 + "x" * 350 + "\n- Item\n- Item two\n" + CALM * 300
    found = pieces(text)
    assert "".join("".join(found).split()) == "".join(text[:READ_CHARS].split())
    assert all(len(piece) <= LONGEST_PIECE for piece in found)
    assert sum(len(piece) < SHORTEST_PIECE for piece in found) <= 4
    assert pieces("\n\n") == []


def test_batches_do_not_change_the_numbers() -> None:
    texts = [("BAD. " if n % 7 == 0 else "good. ") * 900 for n in range(30)]
    assert measure(texts).highest == {n: float(n % 7 == 0) for n in range(30)}


def test_the_shipped_scorer_finds_a_rude_sentence_in_a_long_calm_reply() -> None:
    # Also: its model fits the installed scikit-learn, or this raises.
    scorer = local_scorer()
    meter = measure([CALM * 20, CALM * 20 + RUDE + CALM * 20, CALM * 200 + RUDE], scorer)
    assert [meter.highest[n] >= TOXIC_FROM for n in range(3)] == [False, True, False]
    worst = worst_piece(CALM * 20 + RUDE, scorer)
    assert worst is not None
    assert "stupid" in worst.text
    assert worst_piece("", scorer) is None
