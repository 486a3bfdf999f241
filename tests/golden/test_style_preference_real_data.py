"""GPT-4's preferences on AlpacaEval with style held equal, from the raw files."""

from __future__ import annotations

import csv
import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from components.contracts.environment import data_folder
from components.contracts.evidence_rows import Judgment
from components.contracts.preference_results import AdjustedPreference
from components.contracts.preference_rows import StyleFeatures
from components.contracts.rows import Completion
from components.report.preferring.style_preference import adjust
from components.style.features import features

DATA = data_folder(Path(__file__).parents[3] / "shared" / "data") / "alpaca-eval"
BASELINE = "text_davinci_003"
MODELS = ("vicuna-13b", "alpaca-7b", "text_davinci_001", "gpt-3.5-turbo-0301")
OUTCOMES = {0.0: "tie", 1.0: "loss", 1.5: "tie", 2.0: "win"}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data absent: {DATA}")


@cache
def _votes() -> tuple[Judgment, ...]:
    with gzip.open(DATA / "preferences" / "alpaca_eval_gpt4.csv.gz", "rt", encoding="utf-8") as stream:
        return tuple(
            Judgment(
                prompt_id=row["i"],
                source="alpaca_eval_gpt4",
                rater="gpt-4",
                model=row["model"],
                opponent=BASELINE,
                outcome=OUTCOMES[float(row["preference"])],  # type: ignore[arg-type]
                order="none",
            )
            for row in csv.DictReader(stream)
            if row["preference"] not in ("", "nan")
        )


@cache
def _surface() -> tuple[StyleFeatures, ...]:
    with gzip.open(DATA / "instructions.jsonl.gz", "rt", encoding="utf-8") as stream:
        numbers = {row["instruction"]: str(row["i"]) for row in map(json.loads, stream)}
    found = []
    for model in (*MODELS, BASELINE):
        with gzip.open(DATA / "outputs" / f"{model}.json.gz", "rt", encoding="utf-8") as stream:
            found += [
                features(Completion(prompt_id=numbers[row["instruction"]], model=model, text=row["output"]))
                for row in json.load(stream)
            ]
    return tuple(found)


@cache
def _adjusted(model: str) -> AdjustedPreference:
    return adjust(_votes(), _surface(), (model, BASELINE), alpha=0.05, resamples=400, seed=0)


@pytest.mark.parametrize("model", MODELS)
def test_raw_is_the_observed_share_of_each_model(model: str) -> None:
    shown = {row.prompt_id for row in _surface() if row.model == model}
    outcomes = [row.outcome for row in _votes() if row.model == model and row.prompt_id in shown]
    observed = (outcomes.count("win") + outcomes.count("tie") / 2) / len(outcomes)
    found = _adjusted(model)
    assert found.num_prompts == len(outcomes)
    assert found.raw == pytest.approx(observed - 0.5, abs=1e-6)


def test_most_of_gpt4s_liking_for_vicuna_is_style_and_little_of_its_liking_for_chatgpt() -> None:
    vicuna, chatgpt = _adjusted("vicuna-13b"), _adjusted("gpt-3.5-turbo-0301")
    assert vicuna.style_share_ci is not None
    assert chatgpt.style_share_ci is not None
    assert vicuna.style_share_ci[0] > 0.4
    assert chatgpt.style_share_ci[1] < 0.4
    pulls = {row.feature: row.ci for row in vicuna.coefficients}
    # GPT-4 as a judge likes long answers: the reason for the length-controlled board.
    assert (pulls["words"] or (0, 0))[0] > 0.2


def test_a_style_that_is_alike_explains_nothing() -> None:
    # Both are completions of the same family, short and plain.
    found = _adjusted("text_davinci_001")
    assert found.style_share == pytest.approx(0, abs=0.02)
    assert found.adjusted == pytest.approx(found.raw, abs=0.01)
