"""Each query's nearest other query, beside sacrebleu over all pairs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU

from components.overlap import diversity
from components.overlap.diversity import Query, SimilarQuery, nearest_queries, write_query

SACREBLEU = BLEU(effective_order=True)


def queries(count: int) -> list[Query]:
    draw = random.Random(2)
    words = [*"abcdefghij", "what", "is", "the", "?"]
    texts = [" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(count)]
    texts[7] = texts[3]
    return [Query(f"q{n}", n % 2, text) for n, text in enumerate(texts)]


def search(tmp_path: Path, asked: Sequence[Query], earlier: Path | None = None, out: str = "out") -> list[SimilarQuery]:
    (tmp_path / "new").write_text("".join(map(write_query, asked)))
    return list(nearest_queries(tmp_path / "new", tmp_path / out, earlier=earlier, threads=2))


@pytest.mark.parametrize("block_chars", [1 << 20, 300])
def test_every_query_finds_the_most_similar_other_one(tmp_path: Path, monkeypatch, block_chars: int) -> None:
    monkeypatch.setattr(diversity, "BLOCK_CHARS", block_chars)
    asked = queries(120)
    found = search(tmp_path, asked)
    assert [row.query for row in found] == asked
    for n, row in enumerate(found):
        scores = [
            SACREBLEU.sentence_score(asked[n].text, [q.text]).score if k != n else -1 for k, q in enumerate(asked)
        ]
        assert row.bleu == max(scores)
        if row.bleu > 0.0:
            first = asked[scores.index(max(scores))]
            assert row.place == (first.dialogue_id, first.turn)


def test_a_duplicate_is_a_neighbour_and_the_query_itself_is_not(tmp_path: Path) -> None:
    found = search(tmp_path, [Query("a", 0, "what is a fox"), Query("b", 0, "what is a fox"), Query("c", 2, "name it")])
    assert [(row.bleu, row.place) for row in found[:2]] == [
        (pytest.approx(100.0), ("b", 0)),
        (pytest.approx(100.0), ("a", 0)),
    ]


def test_queries_added_later_give_what_one_search_gives(tmp_path: Path) -> None:
    asked = queries(90)
    whole = search(tmp_path, asked)
    search(tmp_path, asked[:40], out="first")
    search(tmp_path, asked[40:60], earlier=tmp_path / "first", out="second")
    added = search(tmp_path, asked[60:], earlier=tmp_path / "second", out="third")
    assert [(row.query, row.bleu) for row in added] == [(row.query, row.bleu) for row in whole]
    assert [row.place for row in added] == [row.place for row in whole]
