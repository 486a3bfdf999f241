"""In which language is a conversation? lingua answers, on bounded heads; clear English is told by its function words.

The model ships in lingua's wheel. By trigrams alone (low-accuracy mode) its 73 living languages together take 80 MB;
by all n-grams they take 1.4 GB, and the answer was the same on each of 975 real conversations.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from components.contracts.errors import UsageError
from components.contracts.rows import Turn

if TYPE_CHECKING:
    from lingua import Language, LanguageDetector

MIN_LETTERS = 20
"""Fewer say nothing: "ok", a formula, a name."""
HEAD_CHARS = 200
SAMPLE_CHARS = 600
LOOKED_AT_CHARS = 1_500
"""Of a turn; what lies beyond is not searched for text between code blocks."""
CLEAR_WORDS = 10
CLEAR_SHARE = 0.12
CLEAR_SHARES = (0.05, 0.2)
CLEAR_FOREIGN_SHARE = 0.002
DOUBT = 0.01

# A code block, closed or cut off; code in a line; an address: none of them is in a language.
_NO_LANGUAGE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
# Common in English and not in the languages that share the alphabet; and words that one of those has too.
_ONLY_ENGLISH_WORDS = """the and of you that this with are it from your which what how they their will would should
    could been were there these those because when where who why about into than them then its our but if can not"""
_ALSO_ENGLISH_WORDS = (
    """is in to a for on at as or i my we me do have has be by an use add all more list between using"""
)
_ONLY_ENGLISH = frozenset(_ONLY_ENGLISH_WORDS.split())
_ENGLISH = _ONLY_ENGLISH | frozenset(_ALSO_ENGLISH_WORDS.split())


def spoken_head(turns: Sequence[Turn]) -> str:
    """At most 600 characters of what is said, 200 of a turn, both speakers in turn; code and addresses left out.

    Of both: many prompts are a bare "continue", and a question in one language is often answered in another.
    """
    parts: list[str] = []
    left = SAMPLE_CHARS
    for turn in turns:
        head = _NO_LANGUAGE.sub(" ", turn.text[:LOOKED_AT_CHARS])[: min(HEAD_CHARS, left)].strip()
        if head:
            parts.append(head)
            left -= len(head)
        if left <= 0:
            break
    return "\n".join(parts)


def clearly_english(head: str) -> bool:
    """Whether function words settle it: enough of ten or more words, and hardly a letter outside ASCII.

    Enough is 12% that are only English; or 5% and, with those that other languages share, 20%. Far quicker than the
    detector, and right where it speaks: it settled 5,146 of 5,469 real conversations; lingua gave two of them, English
    lists both, another language.
    """
    words = _WORD.findall(head.lower())
    only_english = sum(map(_ONLY_ENGLISH.__contains__, words))
    if len(words) < CLEAR_WORDS or only_english < CLEAR_SHARES[0] * len(words):
        return False
    if only_english < CLEAR_SHARE * len(words):
        return head.isascii() and sum(map(_ENGLISH.__contains__, words)) >= CLEAR_SHARES[1] * len(words)
    if head.isascii():
        return True
    foreign = sum(character.isalpha() for character in head if character > "\x7f")
    return foreign <= CLEAR_FOREIGN_SHARE * sum(map(len, words))


def detect_language(turns: Sequence[Turn], wanted: Collection[str] = ()) -> str:
    """ISO 639-1 code of a conversation's language; empty when there are too few letters, or doubt, to tell.

    Args:
        turns: The conversation.
        wanted: Languages in whose favour doubt counts: where one of them has 1% of the confidence, no other is named.
            Lists of names, elements or variables look like Yoruba, Tagalog or Dutch, but never without such doubt.
    """
    head = spoken_head(turns)
    if clearly_english(head):
        return "en"
    if sum(map(len, _WORD.findall(head))) < MIN_LETTERS and head.isascii():
        return ""
    found = load_detector().compute_language_confidence_values(head)
    if not found or not found[0].value:
        return ""
    best = _code(found[0].language)
    doubt = sum(other.value for other in found if _code(other.language) in wanted)
    return "" if best not in wanted and doubt >= DOUBT else best


def check_languages(codes: Iterable[str]) -> None:
    """Refuse what can never be detected: with a misspelt code every dialogue would go.

    Raises:
        UsageError: a code is none of the detector's.
    """
    unknown = sorted(set(codes) - known_languages()) if codes else []
    if unknown:
        raise UsageError(
            f"languages: {', '.join(unknown)}",
            expected="ISO 639-1 codes, such as en, de, zh",
            remedy="correct the code; an empty list lets every language in",
        )


@cache
def known_languages() -> frozenset[str]:
    """ISO 639-1 codes that can be detected."""
    return frozenset(map(_code, _languages()))


@cache
def load_detector() -> LanguageDetector:
    """The detector with all its tables: half a second, 80 MB; processes forked afterwards share them."""
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_languages(*_languages()).with_low_accuracy_mode()
    return builder.with_preloaded_language_models().build()


def _languages() -> list[Language]:
    from lingua import Language

    # Nobody chats in them, and English lists of technical terms look like them.
    return sorted(Language.all() - {Language.LATIN, Language.ESPERANTO}, key=lambda language: language.name)


@cache
def _code(language: Language) -> str:
    return language.iso_code_639_1.name.lower()
