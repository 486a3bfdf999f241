"""Closeness on AlpacaEval outputs and GPT-4's totals of the Vicuna blog post, from the raw files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from components.contracts.environment import data_folder
from components.contracts.evidence_rows import Judgment
from components.contracts.rows import Completion, Role
from components.report.closeness import measured_style
from components.report.preferring.preference import preferences
from components.style.step import profile_roles

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data")
OUTPUTS = DATA / "alpaca-eval" / "outputs"
REVIEWS = DATA / "vicuna-blog-eval" / "review" / "vicuna-13b_20230322-clean-lang"
TARGET, CEILING = "gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613"


def _outputs(model: str) -> list[Completion]:
    with gzip.open(OUTPUTS / f"{model}.json.gz", "rt", encoding="utf-8") as stream:
        texts = {row["instruction"]: row["output"] for row in json.load(stream)}
    return [Completion(prompt_id=prompt, model=model, text=text) for prompt, text in texts.items()]


@pytest.mark.skipif(not OUTPUTS.is_dir(), reason=f"real data absent: {OUTPUTS}")
@pytest.mark.parametrize(
    ("base", "base_figures", "n"),
    [("alpaca-7b", (0.23, 35.2, 0.60), 805), ("text_davinci_001", (0.34, 30.9, 0.58), 803)],
)
def test_vicuna_has_come_more_than_half_the_way(base: str, base_figures: tuple[float, float, float], n: int) -> None:
    roles: dict[Role, str] = {"base": base, "imitator": "vicuna-13b", "target": TARGET, "target_second": CEILING}
    rows = profile_roles({role: _outputs(model) for role, model in roles.items()})
    result = measured_style(rows, alpha=0.05, resamples=2000, seed=0)
    published = {"base": base_figures, "imitator": (0.86, 44.8, 0.72), "ceiling": (0.94, 49.7, 0.81)}
    units = {"list_agreement": 0.01, "unigram_f1": 1.0, "length_correlation": 0.01}
    for model, figures in published.items():
        for (metric, unit), wanted in zip(units.items(), figures, strict=True):
            assert abs(getattr(result.metrics[metric], model) - wanted) <= unit, (model, metric)
    assert result.n == n
    assert result.closeness is not None
    assert result.ci is not None
    assert 0.55 < result.closeness < 0.72
    assert result.ci[0] < result.closeness < result.ci[1]


@pytest.mark.skipif(not REVIEWS.is_dir(), reason=f"real data absent: {REVIEWS}")
@pytest.mark.parametrize(
    ("opponent", "totals"),
    [
        ("gpt35", (638.0, 693.0)),
        ("alpaca-13b", (704.0, 583.0)),
        ("llama-13b", (694.0, 513.0)),
        ("bard", (655.5, 664.0)),
    ],
)
def test_grades_add_up_to_the_published_totals(opponent: str, totals: tuple[float, float]) -> None:
    rows = []
    with gzip.open(REVIEWS / f"review_{opponent}_vicuna-13b.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            review = json.loads(line)
            theirs, ours = review["score"]
            rows.append(
                Judgment(
                    prompt_id=str(review["question_id"]),
                    source="gpt-4",
                    rater="gpt-4",
                    model="vicuna-13b",
                    opponent=opponent,
                    outcome="win" if ours > theirs else "loss" if ours < theirs else "tie",
                    order="opponent_first",
                    score=ours,
                    opponent_score=theirs,
                )
            )
    names: dict[Role, str] = {"imitator": "vicuna-13b", "target": "gpt35"}
    (result,) = preferences(rows, models=names, alpha=0.05, resamples=2000, seed=0)
    assert result.n == 80
    assert (result.score_total, result.opponent_score_total) == totals
    assert result.note is not None
    assert "one order only" in result.note
