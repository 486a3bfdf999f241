"""Languages of conversations: what is certain, what is in doubt, what is left out."""

from __future__ import annotations

import pytest

from components.contracts.errors import UsageError
from components.contracts.rows import Turn
from components.ingest.language import SAMPLE_CHARS, check_languages, clearly_english, detect_language, spoken_head

ENGLISH = "Could you tell me what the weather is like in the mountains, and whether I should take warm clothes with me?"
GERMAN = "Könntest du mir bitte sagen, wie das Wetter in den Bergen ist und ob ich warme Kleidung mitnehmen sollte?"
DUTCH = "Kun je me vertellen hoe het weer in de bergen is, en of ik warme kleren mee moet nemen voor de hele week?"
INDONESIAN = (
    "Bisakah kamu memberi tahu saya bagaimana cuaca di pegunungan dan apakah saya harus membawa pakaian hangat?"
)
DANISH = "I dag vil vi gerne have at I kommer til os for at se på det hele, men det er ikke for alle, som I ved."
AFRIKAANS = "Ons wil in die berge gaan stap, want dit is mooi en my ma is ook daar as ons wil kom kuier vir die week."
CHINESE = "请告诉我山里的天气怎么样,我是否应该带上保暖的衣服,谢谢你的帮助。"
CODE = "```python\nfor index in range(10):\n    print(index, letters[index], the_words_of_it)\n```"


def _turns(*texts: str) -> list[Turn]:
    return [Turn(speaker="assistant" if n % 2 else "user", text=text) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        ((ENGLISH, ENGLISH), "en"),
        ((GERMAN, GERMAN), "de"),
        ((DUTCH, DUTCH), "nl"),
        ((INDONESIAN, INDONESIAN), "id"),
        ((CHINESE, CHINESE), "zh"),
        (("Write it in German.", GERMAN * 3), "de"),
        ((ENGLISH, CODE), "en"),
        ((GERMAN, CODE * 5), "de"),
    ],
)
def test_the_language_is_the_one_most_is_said_in(texts: tuple[str, ...], language: str) -> None:
    assert detect_language(_turns(*texts), ("en",)) == language


@pytest.mark.parametrize("texts", [("2+2?", "4"), ("ok", "👍"), ("x = 3", CODE), ("", "")])
def test_too_few_letters_say_nothing(texts: tuple[str, ...]) -> None:
    assert detect_language(_turns(*texts), ("en",)) == ""


NAMES = (
    "Provide small nations.",
    "1. Andorra\n2. Belize\n3. San Marino\n4. Monaco\n5. Nauru\n6. Palau\n7. Tuvalu",
)


def test_doubt_counts_for_the_wanted_language() -> None:
    # Lists of names look like some small language to the detector, never without a share for the real one.
    assert detect_language(_turns(*NAMES), ()) not in {"", "en"}
    assert detect_language(_turns(*NAMES), ("en",)) in {"", "en"}


def test_doubt_does_not_make_a_language_unknown_when_none_is_wanted() -> None:
    assert detect_language(_turns(GERMAN, GERMAN), ()) == "de"


def test_the_head_is_bounded_and_takes_from_both_speakers() -> None:
    head = spoken_head(_turns("question " * 500, "reply " * 500, "again " * 500, "more " * 500))
    assert len(head) <= SAMPLE_CHARS + 3
    assert {"question", "reply", "again"} <= set(head.split())


def test_a_code_block_that_is_never_closed_is_code_to_its_end() -> None:
    assert spoken_head(_turns("Hi", "Here:\n```\nvar the_rest")) == "Hi\nHere:"


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        (ENGLISH, True),
        (DUTCH, False),
        (INDONESIAN, False),
        (DANISH.replace("å", "aa"), False),
        (AFRIKAANS, False),
        (GERMAN, False),
        (f"{ENGLISH} {CHINESE}", False),
        ("and", False),
    ],
)
def test_only_plain_english_is_settled_without_the_detector(text: str, clear: bool) -> None:
    assert clearly_english(text) is clear


def test_a_misspelt_code_is_refused_and_not_taken_as_a_filter() -> None:
    check_languages(("en", "de", "zh"))
    check_languages(())
    with pytest.raises(UsageError, match="english"):
        check_languages(("en", "english"))
