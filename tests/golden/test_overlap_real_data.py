"""The exact index on real files read in place: Koala against ShareGPT and HaluEval, Table 3's seeds against NQ-open."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics.bleu import BLEU

from components.contracts.environment import data_folder
from components.overlap.diversity import Query, nearest_queries, write_query
from components.overlap.index import Nearest, OverlapIndex, TrainingText

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
SACREBLEU = BLEU(effective_order=True)
SEEDS = [
    "who sang who wants to be a millionare in high society?",
    "the last time la dodgers won the world series?",
    "who plays the medical examiner on hawaii five-o?",
    "when did the first harry potter movie come out?",
    "when was the last time india won a gold medal in hockey at olympics",
    "who owns the rights to baby shark song",
    "how many episodes are in one punch man season 1",
    "name of the bird in the lion king",
    "who sang the rap song change clothes",
    "who stars as serena in gossip girl",
]
"""The questions of the study's Table 3, from which NQ-synthetic is grown."""

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


def lines(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


@cache
def imitation_data() -> list[TrainingText]:
    """Every turn of the ShareGPT sample and of HaluEval's ChatGPT answers: 16,252 texts."""
    found = []
    for row in lines("sharegpt-sample/sharegpt_sample.jsonl.gz"):
        for n, turn in enumerate(row["conversations"]):
            found.append(TrainingText(row["id"], n, turn["value"], turn["from"] == "human"))
    for row in lines("imitation-data-chatgpt/halueval_general.jsonl.gz"):
        found.append(TrainingText(f"halueval {row['ID']}", 0, row["user_query"], True))
        found.append(TrainingText(f"halueval {row['ID']}", 1, row["chatgpt_response"], False))
    return found


@cache
def koala() -> dict[str, tuple[str, Nearest]]:
    """Id -> prompt and what was found for it."""
    prompts = {row["id"]: row["prompt"] for row in lines("koala-test-set/koala_test_set.jsonl.gz")}
    index = OverlapIndex(list(prompts.values()))
    index.add(imitation_data())
    return dict(zip(prompts, zip(prompts.values(), index.results(), strict=True), strict=True))


@pytest.mark.parametrize(
    "name",
    [pytest.param("koala_57", marks=pytest.mark.long), "koala_95", pytest.param("koala_171", marks=pytest.mark.long)],
)
def test_maxima_of_koala_prompts_over_all_texts_are_sacrebleus(name: str) -> None:
    prompt, found = koala()[name]
    scores = [SACREBLEU.sentence_score(prompt, [text.text]).score for text in imitation_data()]
    assert found.bleu == max(scores)
    assert found.bleu_place == imitation_data()[scores.index(max(scores))].place


def test_three_koala_prompts_are_in_the_data_by_the_studys_limit() -> None:
    leaked = {name: round(found.bleu, 1) for name, (_, found) in koala().items() if found.bleu > 20.0}
    assert leaked == {"koala_57": 100.0, "koala_95": 50.2, "koala_110": 24.6}


def test_no_seed_of_nq_synthetic_is_a_question_of_nq_open_dev() -> None:
    questions = [row["question"] for row in lines("nq-open/NQ-open.dev.jsonl.gz")]
    assert not {seed.rstrip("?") for seed in SEEDS} & {question.rstrip("?") for question in questions}
    index = OverlapIndex(questions)
    index.add(TrainingText(f"seed {n}", 0, seed, True) for n, seed in enumerate(SEEDS))
    found = index.results()
    scores = [max(SACREBLEU.sentence_score(question, [seed]).score for seed in SEEDS) for question in questions]
    assert [near.bleu for near in found] == scores
    assert max(near.ngram8 or 0.0 for near in found) == 0.0
    ranked = sorted(range(len(found)), key=lambda k: -found[k].bleu)
    pairs = {questions[k]: (round(found[k].bleu, 1), int(found[k].bleu_place.dialogue_id[5:])) for k in ranked[:4]}
    # The last one asks what a seed asks, in other words: word by word it is not the same question.
    assert pairs == {
        "who owns the rights to rocky and bullwinkle": (51.7, 5),
        "how many episodes are in chicago fire season 4": (41.8, 6),
        "how many episodes are in season 7 of pretty little liars": (36.7, 6),
        "when did the first movie of harry potter come out": (36.6, 3),
    }


def test_diversity_of_the_sharegpt_sample(tmp_path: Path) -> None:
    queries = []
    for row in lines("sharegpt-sample/sharegpt_sample.jsonl.gz"):
        asked = (Query(row["id"], n, t["value"]) for n, t in enumerate(row["conversations"]) if t["from"] == "human")
        queries += itertools.islice(asked, 1)
    (tmp_path / "queries").write_text("".join(map(write_query, queries)))
    found = list(nearest_queries(tmp_path / "queries", tmp_path / "out"))
    for k in (0, 100, 500):
        others = [q.text for n, q in enumerate(queries) if n != k]
        assert found[k].bleu == max(SACREBLEU.sentence_score(queries[k].text, [text]).score for text in others)
    assert sum(row.bleu for row in found) / len(found) == pytest.approx(11.50, abs=0.01)
