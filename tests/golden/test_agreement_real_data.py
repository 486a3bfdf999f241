"""Published agreement of people and judges, from the raw files of MT-bench and PandaLM."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.contracts.environment import data_folder
from components.contracts.evidence_rows import Judgment
from components.report.preferring.agreement import agreement, cohen_kappa, vote_counts
from components.report.preferring.preference import preferences
from components.report.preferring.rater_quality import rater_quality
from components.report.preferring.voices import majority

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
VOTES = DATA / "mtbench-human-votes"
PANDALM = DATA / "pandalm" / "testset-v1.json.gz"
PANDALM_JUDGE = DATA / "pandalm" / "gpt-3.5-turbo-testset-v1.json.gz"
no_votes = pytest.mark.skipif(not VOTES.is_dir(), reason=f"real data absent: {VOTES}")
no_pandalm = pytest.mark.skipif(not PANDALM.is_file(), reason=f"real data absent: {PANDALM}")


def _lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(VOTES / name, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def _by_pair(name: str) -> dict[str, dict[str, str]]:
    """Item -> voice -> outcome for the model first in the alphabet: votes name the same pair both ways round.

    A person who judged a pair both ways round counts twice, as in the published figures. Verdicts of GPT-4 that its two
    orders contradict are ties.
    """
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(_lines(name)):
        first, second = sorted((row["model_a"], row["model_b"]))
        said = found.setdefault(f"{row['question_id']}/{row['turn']}/{first}/{second}", {})
        voice = row["judge"] if row["judge"] not in said else f"{row['judge']}, again in row {number}"
        said[voice] = "tie" if row["winner"].startswith("tie") else "win" if row[row["winner"]] == first else "loss"
    return found


def _plurality(votes: list[str]) -> str:
    """What the published figures count: the most frequent vote, a tie where two are."""
    (one, most), *rest = Counter(votes).most_common()
    return "tie" if rest and rest[0][1] == most else one


@no_votes
def test_gpt4_and_people_agree_as_published_on_mt_bench() -> None:
    people, judge = _by_pair("human.jsonl.gz"), _by_pair("gpt4_pair.jsonl.gz")
    both = {
        item: {"gpt-4": next(iter(judge[item].values())), "people": _plurality(list(votes.values()))}
        for item, votes in people.items()
        if item in judge
    }
    result = agreement(both, alpha=0.05, resamples=200, seed=0)
    assert result.num_items == 1814
    assert result.raw == pytest.approx(0.6720, abs=5e-5)
    assert result.cohen == pytest.approx(0.5047, abs=5e-5)


@no_votes
def test_people_agree_among_themselves_as_published_on_mt_bench() -> None:
    result = agreement(_by_pair("human.jsonl.gz"), alpha=0.05, resamples=1000, seed=0)
    assert result.num_items == 961
    assert result.alpha == pytest.approx(0.4855, abs=5e-5)
    assert result.alpha_ci is not None
    assert result.alpha_ci[0] < 0.4855 < result.alpha_ci[1]
    assert result.alpha_ci[1] - result.alpha_ci[0] == pytest.approx(0.09, abs=0.02)
    assert result.fleiss is None


@no_votes
def test_every_person_of_mt_bench_has_a_record() -> None:
    outcome = {"model_a": "win", "model_b": "loss", "tie": "tie"}
    rows = {
        (row["judge"], row["question_id"], row["turn"], frozenset((row["model_a"], row["model_b"]))): Judgment(
            prompt_id=f"{row['question_id']}/{row['turn']}",
            source="people",
            rater=row["judge"],
            model=row["model_a"],
            opponent=row["model_b"],
            outcome=outcome[row["winner"]],  # type: ignore[arg-type]
            order="model_first",
        )
        for row in _lines("human.jsonl.gz")
    }
    records = rater_quality(rows.values(), alpha=0.05)
    assert len(records) == 65
    assert sum(record.n for record in records) == len(rows)
    shared = [record for record in records if record.agreement is not None and record.num_shared >= 20]
    assert len(shared) > 10
    assert all(0.3 < (record.agreement or 0) < 1 for record in shared)


def _pandalm() -> list[dict[str, Any]]:
    with gzip.open(PANDALM, "rt", encoding="utf-8") as stream:
        rows: list[dict[str, Any]] = json.load(stream)
    return rows


LABELS = {0: "tie", 1: "win", 2: "loss"}


@no_pandalm
def test_pandalms_annotators_agree_as_published() -> None:
    voices = {str(row["idx"]): {f"annotator{k}": LABELS[row[f"annotator{k}"]] for k in (1, 2, 3)} for row in _pandalm()}
    for pair, kappa in (((1, 2), 0.8520), ((1, 3), 0.8789), ((2, 3), 0.8617)):
        assert cohen_kappa(voices, *(f"annotator{k}" for k in pair)) == pytest.approx(kappa, abs=5e-5)
    result = agreement(voices, alpha=0.05, resamples=200, seed=0)
    assert result.fleiss == pytest.approx(0.8642, abs=5e-5)
    # Three voices on each of 999 items: alpha is Fleiss' kappa but for its small-sample term.
    assert result.alpha == pytest.approx(0.8642, abs=5e-4)
    assert vote_counts(voices).shape == (999, 3)
    labels = Counter(majority(list(said.values())) for said in voices.values())  # type: ignore[arg-type]
    assert (labels["tie"], labels["win"], labels["loss"]) == (105, 422, 472)


@no_pandalm
def test_the_same_labels_as_judgments_give_the_same_majority() -> None:
    rows = [
        Judgment(
            prompt_id=str(row["idx"]),
            source="people",
            rater=f"annotator{k}",
            model="response1",
            opponent="response2",
            outcome=LABELS[row[f"annotator{k}"]],  # type: ignore[arg-type]
            order="model_first",
        )
        for row in _pandalm()
        for k in (1, 2, 3)
    ]
    (result,) = preferences(rows, models={}, alpha=0.05, resamples=500, seed=0)
    assert (result.ties, result.wins, result.losses) == (105, 422, 472)
    assert result.agreement is not None
    assert result.agreement.fleiss == pytest.approx(0.8642, abs=5e-5)
    assert result.ci is not None
    assert result.ci_raters is not None
    assert result.ci_raters[0] < result.ci[0]
