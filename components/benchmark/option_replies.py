"""Reading which option a reply chooses: exactly a letter, or a letter or an option's text inside a longer reply."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from components.benchmark.answers import normalise

TEXT_WITHIN_WORDS = 20
"""An option's text counts only in a reply of at most so many words, or where the answer is announced."""
WINDOW_CHARS = 2000
"""What is read after one place of a reply: longer than an option, so that time grows with the reply and no faster."""
_ANNOUNCED = re.compile(
    r"\b(?:(?:answer|option|choice|solution)(?:\s+(?:here|to\s+(?:this|the|your)(?:\s+question)?))?\s*"
    r"(?:is|would\s+be|must\s+be|should\s+be|was|:|=)|i(?:\s+would|'d|'ll|\s+will)?\s+(?:choose|pick|select|say|go\s+with)\b)[\s:]*"
    r"(?:(?:most\s+likely|probably|therefore|clearly|option|choice|letter)\s+)*",
    re.IGNORECASE,
)
"""Words that announce an answer; what follows them is read."""
_NEGATED = re.compile(r"\s*(?:not|never|neither)\b", re.IGNORECASE)
_RULED_OUT_AFTER = re.compile(
    r"[)\].:\s]*(?:is|are|was|seems?|looks?)\s+(?:not|also\s+not|wrong|incorrect|false|unlikely)\b|[)\]]?\s+isn't\b",
    re.IGNORECASE,
)
_RULED_OUT_BEFORE = re.compile(
    r"(?:\b(?:not|neither|nor|unlike|than|except|of)\b|n't)[\s(\[]*(?:option|choice)?\s*[(\[]?$", re.IGNORECASE
)
_ALTERNATIVE = re.compile(r"[)\].]*\s*(?:,|/|&|\bor\b|\band\b)+\s*(?:option|choice)?\s*[(\[]?([A-Z])(?!\w|'\w)", re.I)
_NAMED = re.compile(
    r"(?<![\w'])(?:(?:(?:option|choice|letter)\s+)?[(\[]([A-Z])[)\]]|(?:option|choice|letter)\s+([A-Z])(?!\w|'\w))",
    re.IGNORECASE,
)
_ARTICLE_LIKE = frozenset("AI")
"""Letters that are words of their own."""
_AFTER_A_LETTER = re.compile(r"\s+(?:because|since|as|is|was|for|due|which|and|or|with)\b")
"""What may follow a letter that is also a word: "A because ..." is an option, "A dog" is not."""
_MARKDOWN = re.compile(r"[*_`$]+|\\boxed|\\text(?:bf)?")


def strict_letter(reply: str, num_options: int) -> int | None:
    """The option whose letter is all of the reply, punctuation, white space and case aside (as the harness's
    mmlu_generative reads it); None = no such reply."""
    said = re.sub(r"[\W_]+", "", reply).upper()
    return ord(said) - ord("A") if len(said) == 1 and 0 <= ord(said) - ord("A") < num_options else None


def strict_text(reply: str, options: Sequence[str]) -> int | None:
    """The option whose text is all of the reply, after `normalise`; None = no such reply, or two that read the same."""
    said = normalise(reply)
    found = [number for number, option in enumerate(options) if said and normalise(option) == said]
    return found[0] if len(found) == 1 else None


def extracted_option(reply: str, options: Sequence[str], *, lettered: bool = True) -> int | None:
    """The one option a reply settles on; None when it names none or leaves several open.

    Args:
        reply: What the model said.
        options: Text of each option.
        lettered: Whether the question showed a letter beside each option; if not, only texts are read (2 and 5).

    Read in this order, and the first that names exactly one option decides:

    1. the whole reply is a letter;
    2. the last announcement ("the answer is (B)", "Answer: B", "I would choose B") that is not negated, by the letter
       or the option's text after it; "B or C" settles on none;
    3. the letter that opens the reply as a label: "B. Paris", "(B)", "B: because", or "B" and the option's own text;
    4. the only letter that is named as an option, in brackets or after "option", and not ruled out ("(A) is wrong");
    5. the only option whose whole text stands in a short reply (`TEXT_WITHIN_WORDS`); of texts that contain each other
       the longest.

    A bare A or I is a letter only before punctuation, a word such as "because", or the end: "A dog" is not option A,
    unless that option begins with "dog".
    """
    text = _MARKDOWN.sub("", reply).replace("{", "(").replace("}", ")").strip()
    whole = strict_letter(text, len(options)) if lettered else None
    if whole is not None:
        return whole
    announced = [found for found in _announced(text, options, lettered=lettered) if found]
    if announced:
        return _single(announced[-1])
    if lettered:
        opening = _label(text, options)
        if opening:
            return _single(opening)
        named = set(_named(text, len(options)))
        if named:
            return _single(named)
    return _single(_told(text, options)) if len(text.split()) <= TEXT_WITHIN_WORDS else None


def _single(found: set[int]) -> int | None:
    return next(iter(found)) if len(found) == 1 else None


def _announced(text: str, options: Sequence[str], *, lettered: bool) -> Iterator[set[int]]:
    """What each announcement settles on; nothing for a negated or empty one."""
    for match in _ANNOUNCED.finditer(text):
        rest = text[match.end() : match.end() + WINDOW_CHARS]
        if _NEGATED.match(rest):
            continue
        yield (_label(rest, options, announced=True) if lettered else set()) or _begins_with(rest, options)


def _label(text: str, options: Sequence[str], *, announced: bool = False) -> set[int]:
    """Options whose letters `text` opens with: one, or several where it leaves the choice open."""
    match = re.match(r"""["']?(?:(?:option|choice)\s+)?([(\[]?)([A-Za-z])(?!\w|'\w)""", text)
    if not match or not _is_option(match[2], len(options)):
        return set()
    bracket, at, rest = match[1], ord(match[2].upper()) - ord("A"), text[match.end() :]
    bare = not bracket and not re.match(r"\s*(?:[)\].,:;!?\"'/-]|$|\n)", rest)
    if match[2].islower() and (bare or not (bracket or rest[:1] in (")", "]", "."))):
        return set()
    if bare and not _text_follows(rest, options[at]):
        is_word = match[2] in _ARTICLE_LIKE and not _AFTER_A_LETTER.match(rest)
        if is_word or not (announced or _AFTER_A_LETTER.match(rest)):
            return set()
    if _RULED_OUT_AFTER.match(rest):
        return set()
    found = {at}
    other = _ALTERNATIVE.match(rest)
    while other and _is_option(other[1], len(options)) and (other[1].isupper() or bracket):
        found.add(ord(other[1].upper()) - ord("A"))
        rest = rest[other.end() :]
        other = _ALTERNATIVE.match(rest)
    return found


def _named(text: str, num_options: int) -> Iterator[int]:
    for match in _NAMED.finditer(text):
        name = match[1] or match[2]
        after, before = (
            text[match.end() : match.end() + WINDOW_CHARS],
            text[max(0, match.start() - 40) : match.start()],
        )
        ruled_out = _RULED_OUT_AFTER.match(after) or _RULED_OUT_BEFORE.search(before)
        # "option a" at the end of "an option a person has": only a capital is a letter there.
        if _is_option(name, num_options) and not ruled_out and (match[1] or name.isupper()):
            yield ord(name.upper()) - ord("A")


def _told(text: str, options: Sequence[str]) -> set[int]:
    """Options whose whole text stands in `text` and is not ruled out."""
    words = normalise(text).split()
    places: dict[int, list[tuple[int, int]]] = {}
    for number, option in enumerate(options):
        wanted = normalise(option).split()
        size = len(wanted)
        if size:
            places[number] = [
                (at, at + size)
                for at in range(len(words) - size + 1)
                if words[at : at + size] == wanted and not _is_negated(words, at)
            ]
    spans = [(number, span) for number, found in places.items() for span in found]
    return {
        number
        for number, (start, end) in spans
        # Part of a longer option's text, which is then the one that was meant.
        if not any(a <= start and end <= b and b - a > end - start for _, (a, b) in spans)
    }


def _is_negated(words: Sequence[str], at: int) -> bool:
    return any(word in ("not", "isnt", "nor", "neither", "never", "than") for word in words[max(0, at - 2) : at])


def _begins_with(text: str, options: Sequence[str]) -> set[int]:
    found = {number: len(normalise(option)) for number, option in enumerate(options) if _text_follows(text, option)}
    return {number for number, size in found.items() if size == max(found.values())}


def _text_follows(text: str, option: str) -> bool:
    wanted = normalise(option).split()
    # A window: replies are long, options short.
    said = normalise(" ".join(text.split()[: len(option.split()) + 2])).split()
    return bool(wanted) and said[: len(wanted)] == wanted


def _is_option(name: str, num_options: int) -> bool:
    return 0 <= ord(name.upper()) - ord("A") < num_options
