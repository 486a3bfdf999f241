"""Undoes the usual disguises of a word: other alphabets' forms, digits for letters, stretched and spaced-out letters.

It is applied to training texts and rated texts alike, so an honest "4th" that becomes "ath" costs nothing.
"""

from __future__ import annotations

import re
import unicodedata

_DIGIT_LETTERS = str.maketrans("0134578@$!|+€", "oieastbasiite")
_DISGUISE = re.compile(r"[0134578@$!|+€]")
_TOKEN = re.compile(r"\S+")
_TRAILING = "!?.,;:\"')]}"
# A letter, then at least two more, each alone: "b a d", "b.a.d", "b-a-d".
_SPACED = re.compile(r"(?<!\w)(?:[^\W\d_][\s.\-_*]{1,3}){2,}[^\W\d_](?!\w)")
_BETWEEN = re.compile(r"[\s.\-_*]+")
_STRETCHED = re.compile(r"(\w)\1{2,}")
_UNSEEN = {"Cc", "Cf", "Co", "Cs"}
_PLAIN = re.compile(r"[\x20-\x7e]*")


def visible(text: str) -> str:
    """The text with control characters, halves of surrogate pairs and invisible marks as spaces or nothing.

    Format characters (zero-width space, soft hyphen) vanish, since they hide inside words; the others become spaces.
    """
    if _PLAIN.fullmatch(text):
        return text
    kinds = {char: unicodedata.category(char) for char in set(text)}
    table = {ord(c): "" if kind == "Cf" else " " for c, kind in kinds.items() if kind in _UNSEEN}
    return text.translate(table)


def plain_spelling(text: str) -> str:
    """Lower case, compatibility forms resolved, disguises undone.

    >>> plain_spelling("B.A.D  $tuuuuff")
    'bad  stuuff'
    """
    text = unicodedata.normalize("NFKC", visible(text)).lower().replace("\u2019", "'")
    text = _SPACED.sub(lambda match: _BETWEEN.sub("", match.group()), text)
    if _DISGUISE.search(text):
        text = _TOKEN.sub(lambda match: _letters(match.group()), text)
    return _STRETCHED.sub(r"\1\1", text)


def _letters(token: str) -> str:
    """Digits and signs inside a word as the letters they stand for; a token without letters stays."""
    core = token.rstrip(_TRAILING)
    if core.isalpha() or not any(map(str.isalpha, core)):
        return token
    return core.translate(_DIGIT_LETTERS) + token[len(core) :]
