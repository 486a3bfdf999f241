"""The one exact index: held-out texts, and what any amount of training text that passes by comes to beside them.

    index = OverlapIndex(["what is the tallest mountain?", ...])
    index.add(TrainingText("d1", 0, "Name the tallest mountain.", is_prompt=True), ...)    # as often as there are data
    index.results()

The held-out side is indexed, because it is small and stays; the training side is read once, in order, and not kept. So
memory depends on the held-out texts alone, new data are added without a look at the old, and the pieces of the stream
are searched in parallel. On equal scores the text that comes first is named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.contracts.errors import TouchstoneError
from components.overlap import word_search
from components.overlap.bleu_nearest import NOWHERE, NearestByBleu, Place, Standing
from components.overlap.streaming import in_order, pieces
from components.overlap.windows import Best
from components.overlap.word_index import Runs, build_word_index
from components.overlap.words import lowered

STATE_FILE, RUNS_FILE = "nearest.json", "runs.npz"


class TrainingText(NamedTuple):
    """One turn of the imitation data."""

    dialogue_id: str
    turn: int
    text: str
    is_prompt: bool
    """A user's turn: its cosine counts too."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.dialogue_id, self.turn)


class Nearest(NamedTuple):
    """What the training texts come to beside one held-out text."""

    bleu: float
    """Highest sacrebleu sentence BLEU of the held-out text against any single training text, 0 to 100."""
    bleu_place: Place
    ngram8: float | None
    """Share of its 8-word runs found anywhere, 0 to 1; None when it has fewer than 8 words."""
    ngram13: float | None
    """The same for 13."""
    cosine: float
    """Highest TF-IDF cosine to any prompt, 0 to 1."""
    cosine_place: Place


class OverlapIndex:
    """See the module."""

    def __init__(self, items: Sequence[str], *, threads: int = 0) -> None:
        """Index the held-out texts.

        Args:
            items: Their texts.
            threads: How many search; 0 = one for each processor. Results do not depend on it.
        """
        self.num_texts = 0
        self._digest = _digest(items)
        self._threads = threads
        self._bleu = NearestByBleu(items)
        self._words = build_word_index(items)
        self._found = word_search.nothing_found(self._words)
        self._cosines = word_search.no_cosines(len(items))
        self._cosine_places = [NOWHERE] * len(items)

    def add(self, texts: Iterable[TrainingText]) -> None:
        """Search more training texts. They are read once and not kept."""
        submitted = absorbed = self.num_texts

        def work(piece: list[TrainingText]) -> Callable[[], tuple[Best, word_search.Cosines]]:
            nonlocal submitted
            first, submitted = submitted, submitted + len(piece)
            texts = [text.text for text in piece]
            by_bleu, cosines = self._bleu.work(texts, first), self._cosines
            is_prompt = np.array([text.is_prompt for text in piece], dtype=np.uint8)

            def search() -> tuple[Best, word_search.Cosines]:
                lines = lowered(texts)
                return by_bleu(), word_search.search(self._words, lines, is_prompt, first, self._found, cosines)

            return search

        def absorb(piece: list[TrainingText], result: tuple[Best, word_search.Cosines]) -> None:
            nonlocal absorbed
            first, absorbed = absorbed, absorbed + len(piece)
            self._bleu.absorb(result[0], lambda k: piece[k].place, first)
            better = word_search.wins(self._cosines, result[1])
            for item in np.flatnonzero(better):
                self._cosine_places[item] = piece[int(result[1].text[item]) - first].place
            self._cosines = word_search.Cosines(
                np.where(better, result[1].value, self._cosines.value),
                np.where(better, result[1].text, self._cosines.text),
            )
            self.num_texts = absorbed

        in_order(pieces(texts, lambda text: len(text.text)), work, absorb, self._threads)

    def results(self) -> list[Nearest]:
        """What is known now, in the order of the items."""
        return [
            Nearest(
                bleu=bleu,
                bleu_place=place,
                ngram8=self._share(item, self._words.short, self._found.short),
                ngram13=self._share(item, self._words.long, self._found.long),
                # Rounding: the cosine of two equal texts may be 1 + 2e-16.
                cosine=min(1.0, float(self._cosines.value[item])),
                cosine_place=self._cosine_places[item],
            )
            for item, (bleu, place) in enumerate(self._bleu.scores())
        ]

    def _share(self, item: int, runs: Runs, met: np.ndarray) -> float | None:
        begin, end = self._words.starts[item], self._words.starts[item + 1] - runs.size + 1
        return float(met[runs.at[begin:end]].mean()) if end > begin else None

    def save(self, folder: Path) -> None:
        """Write all that is needed to go on with `load`; the training texts are not."""
        state = {
            "items": self._digest,
            "texts": self.num_texts,
            "bleu": self._bleu.standings(),
            "cosine": [(float(v), *p) for v, p in zip(self._cosines.value, self._cosine_places, strict=True)],
        }
        (folder / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")
        np.savez_compressed(folder / RUNS_FILE, short=self._found.short, long=self._found.long)

    @classmethod
    def load(cls, folder: Path, items: Sequence[str], *, threads: int = 0) -> OverlapIndex:
        """Go on from what `save` wrote, with the same items.

        Raises:
            TouchstoneError: the items are not those that the folder was made for.
        """
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        if state["items"] != _digest(items):
            raise TouchstoneError(
                f"{folder} was made for other held-out texts ({len(state['bleu'])}; given are {len(items)})",
                expected="the same items and prompts, in the same order, as the earlier search",
                remedy="give the same ones, or search all data anew without the earlier result",
            )
        found = cls(items, threads=threads)
        found.num_texts = state["texts"]
        found._bleu.resume([Standing(score, tuple(counts), Place(*place)) for score, counts, place in state["bleu"]])
        found._cosine_places = [Place(dialogue, turn) for _, dialogue, turn in state["cosine"]]
        found._cosines.value[:] = [value for value, _, _ in state["cosine"]]
        with np.load(folder / RUNS_FILE) as runs:
            found._found = word_search.Found(runs["short"].copy(), runs["long"].copy())
        return found


def _digest(items: Sequence[str]) -> str:
    found = hashlib.sha256()
    for text in items:
        encoded = text.encode("utf-8", "surrogatepass")
        found.update(f"{len(encoded)} ".encode() + encoded)
    return found.hexdigest()
