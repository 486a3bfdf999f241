"""Stop strings: where a text ends, found without decoding every row at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

UNFINISHED = "�"
"""What a decoder shows for bytes that are not yet a whole character."""


def text_until(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Cut `text` before the first of `stops`; tells whether one was found.

    One stop after the other, each on what the one before left, as lm-evaluation-harness does with `until`: of two that
    overlap, the one that is named first decides.
    """
    kept = text
    for stop in stops:
        if stop:
            kept = kept.partition(stop)[0]
    return kept, len(kept) < len(text)


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Text of generated tokens, without special tokens and with every space as the model wrote it."""
    return str(tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))


class StopWatch:
    """Sees one set of stop strings arrive.

    A token can complete a stop only if it holds the stop's last character (or a byte of it), which is remembered per
    token; only then the row's end is decoded. Whatever is missed costs time and never text: texts are cut when whole.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        """Keep non-empty stops.

        Args:
            tokenizer: A transformers tokenizer.
            stops: As `Request.stop`.
        """
        self.tokenizer, self.stops = tokenizer, [stop for stop in stops if stop]
        last = {stop[-1] for stop in self.stops}
        self._last = last | {UNFINISHED} if any(not character.isascii() for character in last) else last
        # A character is at most four tokens of one byte; some room for special tokens, which show nothing.
        self._window = 4 * max(map(len, self.stops), default=0) + 8
        self._known = np.full(len(tokenizer), -1, dtype=np.int8)

    def may_end(self, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of `tokens`, newest of as many rows, may have completed a stop."""
        if not self.stops or not len(tokens):
            return np.zeros(len(tokens), dtype=np.bool_)
        if tokens.max() >= len(self._known):  # a model may have more outputs than its tokenizer has tokens
            self._known = np.append(self._known, np.full(int(tokens.max()) + 1, -1, dtype=np.int8))
        found = self._known[tokens]
        for token in set(tokens[found < 0].tolist()):
            # Twice, because decoders drop a space at the very beginning.
            text = decode(self.tokenizer, [token, token])
            self._known[token] = any(character in text for character in self._last)
        return self._known[tokens] > 0

    def ended(self, tokens: Sequence[int]) -> bool:
        """Whether the row that wrote `tokens` holds a stop."""
        tail = decode(self.tokenizer, tokens[-self._window :]).rstrip(UNFINISHED)
        if not any(stop in tail for stop in self.stops):
            return False
        return text_until(decode(self.tokenizer, tokens).rstrip(UNFINISHED), self.stops)[1]
