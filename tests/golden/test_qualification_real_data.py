"""Real judges before real placebos and people's labels: what qualification says of GPT-4's stored verdicts."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from components.contracts.environment import data_folder
from components.contracts.evidence_rows import Judgment
from components.contracts.judge_policy import JudgePolicy
from components.contracts.preference_results import JudgeQualification
from components.contracts.preference_rows import GoldLabel, placebo_model
from components.report.preferring.qualification import qualify

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
PREFERENCES = DATA / "alpaca-eval" / "preferences" / "weighted_alpaca_eval_gpt4_turbo.csv.gz"
VOTES = DATA / "mtbench-human-votes"
TARGET = "gpt4_1106_preview"


def _stored(model: str, name: str) -> list[Judgment]:
    """GPT-4 turbo's weighted verdicts on one model's 805 answers, under another name."""
    with gzip.open(PREFERENCES, "rt", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] == model]
    return [
        Judgment.model_validate(
            {
                "prompt_id": row["i"],
                "source": "weighted_alpaca_eval_gpt4_turbo",
                "rater": "gpt4",
                "model": name,
                "opponent": row["baseline"],
                "outcome": "win" if float(row["preference"]) > 1.5 else "loss",
                "order": "none",
            }
        )
        for row in rows
    ]


def _qualify(rows: list[Judgment], gold: list[GoldLabel], policy: JudgePolicy) -> JudgeQualification:
    (found,) = qualify(
        rows, gold, policy, max_unscored=0.02, models={"target": TARGET}, alpha=0.05, resamples=2000, seed=0
    )
    return found


@pytest.mark.skipif(not PREFERENCES.is_file(), reason=f"real data absent: {PREFERENCES}")
def test_the_judge_that_the_null_model_fooled_does_not_qualify() -> None:
    policy = JudgePolicy(placebos=("constant",), min_gold=0)
    rows = _stored("NullModel", placebo_model("constant")) + _stored("vicuna-13b", "vicuna-13b")
    found = _qualify(rows, [], policy)
    assert not found.qualified
    (constant,) = found.placebos
    assert (constant.n, constant.unscored, constant.opponent, constant.fooled) == (805, 0, TARGET, True)
    # The leaderboard counts 676 wins of NullModel.
    assert constant.opponent_preferred == pytest.approx(1 - 676 / 805, abs=1e-9)
    assert found.reasons[0].startswith(f"constant: {TARGET} is preferred in 16%")


@pytest.mark.skipif(not PREFERENCES.is_file(), reason=f"real data absent: {PREFERENCES}")
@pytest.mark.parametrize("weak", ["alpaca-7b", "oasst-sft-pythia-12b", "text_davinci_001", "text_davinci_003"])
def test_the_same_judge_sees_through_weak_answers_long_and_short(weak: str) -> None:
    # Answers of 296 to 726 characters on the mean, beside 2,049 of the target: were these its only placebos, it would
    # qualify. It takes the constant answer to show what it is.
    found = _qualify(_stored(weak, placebo_model("constant")), [], JudgePolicy(placebos=("constant",), min_gold=0))
    assert found.placebos[0].fooled is False
    assert found.qualified


def _votes(name: str) -> list[dict[str, str]]:
    with gzip.open(VOTES / name, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def _outcome(row: dict[str, str]) -> tuple[str, str, str, str]:
    """(prompt, first model in alphabetical order, second, outcome for the first): votes name pairs both ways round."""
    first, second = sorted((row["model_a"], row["model_b"]))
    winner = row["winner"].partition(" ")[0]
    outcome = "tie" if winner == "tie" else "win" if row[winner] == first else "loss"
    return f"{row['question_id']}/{row['turn']}", first, second, outcome


def _most_frequent(votes: list[str]) -> str:
    """The published figure takes the most frequent vote, equal counts = tie; ours needs more than half (.669)."""
    (best, count), *others = Counter(votes).most_common()
    return "tie" if any(other == count for _, other in others) else best


@pytest.mark.skipif(not VOTES.is_dir(), reason=f"real data absent: {VOTES}")
def test_gpt4_agrees_with_the_people_of_mt_bench_as_published() -> None:
    votes: dict[tuple[str, str, str], list[str]] = {}
    for row in _votes("human.jsonl.gz"):
        prompt, first, second, outcome = _outcome(row)
        votes.setdefault((prompt, first, second), []).append(outcome)
    gold = [
        GoldLabel.model_validate(
            {
                "prompt_id": prompt,
                "model": first,
                "opponent": second,
                "outcome": _most_frequent(found),
                "num_raters": len(found),
            }
        )
        for (prompt, first, second), found in votes.items()
    ]
    judged = [
        Judgment.model_validate(
            {
                "prompt_id": prompt,
                "source": "gpt4_pair",
                "rater": "gpt4_pair",
                "model": first,
                "opponent": second,
                "outcome": outcome,
                "order": "none",
            }
        )
        for prompt, first, second, outcome in map(_outcome, _votes("gpt4_pair.jsonl.gz"))
    ]
    found = _qualify(judged, gold, JudgePolicy(placebos=()))
    assert found.num_gold == 1814
    assert found.gold_agreement == pytest.approx(0.672, abs=0.0005)
    # 160 prompts, up to 15 pairs each: wider than 1,814 independent pairs would give (about +-.022).
    assert found.gold_ci is not None
    assert found.gold_ci[1] - found.gold_ci[0] > 0.044
    assert found.qualified
