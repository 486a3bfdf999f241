"""Which queries are nearly the same: word shingles, joined exactly, and never a template with another slot.

Two queries are near-duplicates when the Jaccard similarity of their shingles (runs of three words of all user turns) is
at least a threshold, and one of them only *adds* words to the other. Where each has a word or a number that the other
lacks, a slot was filled differently: "write a post about {this}" asks for something else however long the rest is.

In the order of a hash of their content, each is removed when it is a near-duplicate of one that is kept already. So the
result does not depend on the order of the data, every removed query has a kept one like it, no two kept are alike, and
chains (a like b, b like c) do not swallow what is unlike.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint64]

SHINGLE_WORDS = 3
MAX_KNOWN_WORDS = 1 << 17

# Words, and every mark but those of sentences: "x+y" and "x-y" differ, "it's so." and "it's so" do not. Scripts without
# spaces between words count by character.
_SENTENCE_MARKS = r""".,;:!?"'`()‘’“”„«»…、。，！？：；「」"""
_CHARACTER = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"
_ASCII_TOKEN = re.compile(rf"\w+|[^\w\s{re.escape(_SENTENCE_MARKS)}]")
_TOKEN = re.compile(rf"[{_CHARACTER}]|[^\W{_CHARACTER}]+|[^\w\s{re.escape(_SENTENCE_MARKS)}]")
_BASE = np.uint64(0x9E3779B97F4A7C15)


def signature(key: str) -> tuple[Hashes, Hashes]:
    """Sorted 64-bit hashes of a query's distinct words, and of its distinct shingles; equal for equal queries.

    Args:
        key: A query as `queries.query_key` gives it.

    Fewer words than a shingle has make one shingle, and no words an empty one.
    """
    tokens = (_ASCII_TOKEN if key.isascii() else _TOKEN).findall(key)
    if len(_hashes) > MAX_KNOWN_WORDS:
        _hashes.clear()
    words = np.fromiter(map(_hashes.__getitem__, tokens), np.uint64, len(tokens))
    width = min(SHINGLE_WORDS, max(1, len(words)))
    if not len(words):
        return words, np.zeros(1, np.uint64)
    # A polynomial in the words: their order counts. Overflow is the modulus.
    shingles = words[: len(words) - width + 1].copy()
    for offset in range(1, width):
        shingles = shingles * _BASE + words[offset : len(words) - width + 1 + offset]
    shingles ^= shingles >> np.uint64(29)
    return np.unique(words), np.unique(shingles)


class _Hashes(dict[str, int]):
    """Word -> its hash, computed when it is first met: half the time of a cached function."""

    def __missing__(self, word: str) -> int:
        digest = hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest()
        return self.setdefault(word, int.from_bytes(digest, "little"))


_hashes = _Hashes()
