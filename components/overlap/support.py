"""The support map: how close a benchmark's items come to what the imitation data ask (method section 7).

The similarity of an item is the highest TF-IDF cosine between its text and any training *prompt* (a user turn). It
grows with the number of prompts searched, whatever they are about: NQ-open against ShareGPT gives .10 with 100
prompts, .18 with 1,000 and .22 with 3,000. So it is measured on random subsamples of one fixed size and averaged over
them, and the threshold belongs to that size.

Vectoriser: lower-cased words of two or more characters, stop words kept ("who", "when" and "how many" are what NQ
questions share), 1 + log(count), rarity over the items and the drawn prompts together. Measured on NQ-open dev at
1,000 prompts: EfficientQA questions .31, ShareGPT sample .18; at 100 prompts: .18 and .10. Without the items in the
rarity a small data set makes every shared "the" look rare (ShareGPT .26); without stop words 100 prompts separate less.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.contracts.dialogue_rows import Dialogue
from components.contracts.errors import TouchstoneError

LARGE_SUBSAMPLE = 1_000
LARGE_THRESHOLD = 0.25
SMALL_SUBSAMPLE = 100
SMALL_THRESHOLD = 0.14
WHOLE_MIX = "all"
PROMPT_HEAD_CHARS = 10_000
ITEMS_PER_CHUNK = 2_000


class SupportParams(BaseModel):
    """How support is sampled."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = ""
    """The data; shown in folder names and progress."""
    num_subsamples: Annotated[int, Field(ge=1)] = 5
    """Random subsamples of the prompts whose similarities are averaged."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Which subsamples."""
    min_source_prompts: Annotated[int, Field(ge=1)] = 30
    """A source of the mix is asked alone only when it has at least this many prompts."""
    max_sources: Annotated[int, Field(ge=0)] = 20
    """At most this many sources, the largest, are asked alone: the best of very many is large by chance."""


class UserPrompt(NamedTuple):
    """A user turn of the imitation data."""

    dialogue_id: str
    turn: int
    source: str
    text: str


class ItemSupport(NamedTuple):
    """The closest training prompt of one item."""

    similarity: float
    nearest: str


class SupportMeasure(NamedTuple):
    """What one benchmark's items gave."""

    items: Mapping[str, ItemSupport]
    """Item id -> similarity (0-1, mean over subsamples) and the id of the closest dialogue met."""
    mean: float
    """Mean similarity over the items."""
    threshold: float
    """`mean` at or above it = the data support the benchmark."""
    subsample: int
    """Prompts in each subsample, which the threshold belongs to."""
    source: str
    """The source of the mix that came closest, or `all` for the mix as a whole."""
    num_prompts: int
    """User turns in the data."""

    @property
    def supported(self) -> bool:
        """Whether the mean reaches the threshold."""
        return self.mean >= self.threshold


def user_prompts(dialogues: Iterable[Dialogue]) -> list[UserPrompt]:
    """User turns that hold any text; of long ones the first 10,000 characters."""
    return [
        UserPrompt(dialogue.id, number, dialogue.source, turn.text[:PROMPT_HEAD_CHARS])
        for dialogue in dialogues
        for number, turn in enumerate(dialogue.turns)
        if turn.speaker == "user" and turn.text.strip()
    ]


def measure_support(
    item_texts: Mapping[str, str],
    dialogues: Iterable[Dialogue],
    *,
    params: SupportParams | None = None,
) -> SupportMeasure:
    """Measure how well `dialogues` cover one benchmark.

    Args:
        item_texts: Item id -> question alone; only items whose text is known.
        dialogues: The imitation data; their order does not matter.
        params: How to sample.

    The mix is measured as a whole and each of its sources alone, on one scale (the same subsample size), and the best
    is taken: a small local set inside a broad mix would be diluted. That size is 1,000 prompts, or 100 when the mix or
    a source asked alone has fewer than 1,000.

    Raises:
        TouchstoneError: no items, or no user turns in the data.
    """
    options = params or SupportParams()
    prompts = user_prompts(dialogues)
    if not item_texts or not prompts:
        raise TouchstoneError(
            f"support cannot be measured with {len(item_texts)} items and {len(prompts)} user turns",
            expected="at least one item with its text and one dialogue with a user turn",
            remedy="give the imitation data with --train, or declare `supported: {name: true|false}` in audit.yaml",
        )
    pools = _pools(prompts, options)
    is_large = min(map(len, pools.values())) >= LARGE_SUBSAMPLE
    size, threshold = (LARGE_SUBSAMPLE, LARGE_THRESHOLD) if is_large else (SMALL_SUBSAMPLE, SMALL_THRESHOLD)
    draws = {name: _subsamples(pool, size, options) for name, pool in pools.items()}
    measured = _search(list(item_texts.values()), draws)
    means = {name: sum(item.similarity for item in found) / len(found) for name, found in measured.items()}
    # On a tie the whole mix, which comes first, is named.
    best = max(means, key=means.__getitem__)
    items = dict(zip(item_texts, measured[best], strict=True))
    return SupportMeasure(items, means[best], threshold, size, best, len(prompts))


def _pools(prompts: Sequence[UserPrompt], options: SupportParams) -> dict[str, list[UserPrompt]]:
    by_source: dict[str, list[UserPrompt]] = {}
    for prompt in prompts:
        by_source.setdefault(prompt.source, []).append(prompt)
    pools = {WHOLE_MIX: list(prompts)}
    if len(by_source) > 1:
        large_first = sorted(by_source, key=lambda source: (-len(by_source[source]), source))
        for source in large_first[: options.max_sources]:
            if len(by_source[source]) >= options.min_source_prompts:
                pools[f"source {source}"] = by_source[source]
    return pools


def _subsamples(pool: Sequence[UserPrompt], size: int, options: SupportParams) -> list[list[UserPrompt]]:
    # Drawn by a keyed hash and not by a generator's stream, so that the order of the file does not matter.
    if len(pool) <= size:
        return [sorted(pool)]

    def rank(prompt: UserPrompt, number: int) -> bytes:
        name = f"{options.seed}\0{number}\0{prompt.dialogue_id}\0{prompt.turn}"
        return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()

    return [
        [prompt for _, prompt in heapq.nsmallest(size, ((rank(p, number), p) for p in pool))]
        for number in range(options.num_subsamples)
    ]


def _search(texts: list[str], draws: Mapping[str, list[list[UserPrompt]]]) -> dict[str, list[ItemSupport]]:
    """Each pool's mean similarity for each text, and the nearest dialogue over its subsamples."""
    # Imported here: it takes half a second, and the command line reads this module for its parameters.
    from sklearn.feature_extraction.text import TfidfVectorizer

    drawn = sorted({prompt for subsamples in draws.values() for subsample in subsamples for prompt in subsample})
    row_of = {prompt: row for row, prompt in enumerate(drawn)}
    vectoriser = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w\w+\b")
    try:
        vectors = vectoriser.fit_transform([*texts, *(prompt.text for prompt in drawn)])
    except ValueError:
        # No word of two characters anywhere: sklearn calls that an empty vocabulary, we call it no similarity.
        return {name: [ItemSupport(0.0, "")] * len(texts) for name in draws}
    items, prompts = vectors[: len(texts)], vectors[len(texts) :]
    found = {}
    for name, subsamples in draws.items():
        scans = [_nearest(items, prompts, [row_of[prompt] for prompt in subsample]) for subsample in subsamples]
        found[name] = [_average(per_item, drawn) for per_item in zip(*scans, strict=True)]
    return found


def _nearest(items: Any, prompts: Any, rows: list[int]) -> list[tuple[float, int]]:
    """For each item the highest cosine and the row of that prompt; memory is bounded by a chunk of items."""
    columns = prompts[rows].T.tocsc()
    nearest: list[tuple[float, int]] = []
    for start in range(0, items.shape[0], ITEMS_PER_CHUNK):
        cosines = (items[start : start + ITEMS_PER_CHUNK] @ columns).tocsr()
        best = cosines.argmax(axis=1).ravel().tolist()
        highest = cosines.max(axis=1).toarray().ravel().tolist()
        nearest += [(value, rows[column]) for value, column in zip(highest, _flat(best), strict=True)]
    return nearest


def _flat(values: list[Any]) -> list[int]:
    # scipy gives a matrix ([[...]]) for spmatrix and an array for sparray.
    return values[0] if values and isinstance(values[0], list) else values


def _average(per_subsample: Sequence[tuple[float, int]], drawn: Sequence[UserPrompt]) -> ItemSupport:
    # Rounding: a cosine of two equal texts is 1 + 2e-16, and the row type refuses what is above 1.
    mean = min(1.0, sum(value for value, _ in per_subsample) / len(per_subsample))
    closest, row = max(per_subsample)
    return ItemSupport(mean, drawn[row].dialogue_id if closest > 0.0 else "")
