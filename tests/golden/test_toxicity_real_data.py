"""The toxicity scorers on real data read in place: what the README says of them, and HateCheck function by function.

`toxicity_hatecheck.yaml` and `toxicity_refusals.yaml` hold counts only. A scorer that changes changes them: look at
which functions moved, then write the new counts (and the README's table).
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, roc_auc_score

from components.benchmark.step import calibrate_toxicity
from components.benchmark.toxicity import calibrate, calibration, folder, hatecheck, ngram, profanity, scored_texts
from components.benchmark.toxicity.accuracy import Compared, measure
from components.benchmark.toxicity.refusals import declines
from components.benchmark.toxicity.scorer import Scorer, values, worst
from components.contracts import bind, environment
from components.contracts.ports import Input, ToxicityScorer
from components.contracts.yaml_documents import read_mapping

DATA = environment.data_folder(Path(__file__).parents[3] / "shared" / "data")
REALTOXICITY = DATA / "realtoxicity" / "rtp_val_5000.jsonl.gz"
HATECHECK = DATA / "hatecheck" / "test_suite_cases.csv.gz"
CHATGPT = DATA / "imitation-data-chatgpt" / "halueval_general.jsonl.gz"
ALPACA_EVAL = DATA / "alpaca-eval" / "outputs"
GOLDEN = Path(__file__).parent

pytestmark = pytest.mark.skipif(not REALTOXICITY.is_file(), reason=f"no real data at {DATA} (TOUCHSTONE_DATA)")


@cache
def real_texts() -> scored_texts.ScoredTexts:
    return scored_texts.read(REALTOXICITY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Input[ToxicityScorer]:
    out = tmp_path_factory.mktemp("toxicity") / "scorer"
    bind.call(calibrate_toxicity, params={"file": str(REALTOXICITY)}, scorer=out)
    return Input(out, ToxicityScorer)


def chatgpt() -> Iterator[str]:
    with gzip.open(CHATGPT, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)["chatgpt_response"]


def numbers(texts: list[str], scorer: Scorer) -> np.ndarray:
    return np.array([np.nan if one.value is None else one.value for one in values(texts, scorer)])


def test_texts_without_a_score_are_counted() -> None:
    found = real_texts()
    # 19 prompts and 32 continuations.
    assert (len(found.texts), found.left_out) == (9_949, {"no score": 51})
    assert (found.scores >= 0.5).mean() == pytest.approx(0.2975, abs=1e-4)


def test_the_shipped_calibration_is_the_one_measured_here() -> None:
    data, shipped, kept = real_texts(), profanity.load(), profanity.measured()
    assert data.digest == kept.measured_on.texts_digest
    again = calibration.fit(np.array(worst(data.texts, shipped.raw)), data.scores)
    assert again.raw == pytest.approx(kept.raw, abs=1e-3)
    assert again.score == pytest.approx(kept.score, abs=5e-3)
    held_out = calibrate.measure_shipped(shipped, data, scored_texts.folds(data.groups, 5, 0))
    found = calibrate.compare("profanity", data, held_out, shipped.min_known, 0)
    for name, value in kept.held_out.model_dump().items():
        observed = sum(found.unscored.values()) if name == "unscored" else getattr(found, name)
        assert observed == pytest.approx(value, abs=2e-3), name


def test_calibration_halves_the_distance_of_the_shipped_scorers_bins() -> None:
    data, shipped = real_texts(), profanity.load()
    raw = measure("raw", Compared(shipped.raw(data.texts), data.scores, data.groups), unscored={})
    assert raw.ece == pytest.approx(0.160, abs=0.005)
    assert profanity.measured().held_out.ece < 0.01
    assert raw.mae - profanity.measured().held_out.mae > 0.03


@pytest.mark.slow
def test_the_trained_scorer_is_as_good_as_its_readme_says(trained: Input[ToxicityScorer]) -> None:
    report = folder.read_report(trained)
    assert report.trained.auc == pytest.approx(0.930, abs=0.004)
    assert report.trained.mae == pytest.approx(0.121, abs=0.003)
    assert report.trained.ece < 0.01
    assert sum(report.trained.unscored.values()) < 0.01 * len(real_texts().texts)
    assert report.profanity is not None
    assert report.profanity.auc_ci[1] < report.trained.auc_ci[0]
    assert report.trained.mae_ci[1] < report.profanity.mae_ci[0]
    assert sum(path.stat().st_size for path in trained.folder.iterdir()) < 10_000_000


@pytest.mark.slow
def test_a_fifth_of_the_prompts_that_nothing_was_fitted_on_gives_the_same() -> None:
    # The report calibrates across folds; here neither weights nor calibration saw the texts in any way.
    data = real_texts()
    outer = scored_texts.folds(data.groups, 5, 11)
    inside, outside = np.flatnonzero(outer == 0), np.flatnonzero(outer != 0)
    _, groups = np.unique(data.groups[outside], return_inverse=True)
    texts = [data.texts[n] for n in outside]
    scorer, _ = ngram.train(texts, data.scores[outside], scored_texts.folds(groups, 5, 0))
    found = numbers([data.texts[n] for n in inside], scorer)
    kept = np.isfinite(found)
    scores = data.scores[inside][kept]
    assert roc_auc_score(scores >= 0.5, found[kept]) == pytest.approx(0.923, abs=0.01)
    assert mean_absolute_error(scores, found[kept]) == pytest.approx(0.122, abs=0.005)
    assert abs(np.mean(found[kept] - scores)) < 0.01


@pytest.mark.slow
def test_hatecheck_function_by_function(trained: Input[ToxicityScorer]) -> None:
    golden = read_mapping(GOLDEN / "toxicity_hatecheck.yaml")
    cases = hatecheck.read_cases(HATECHECK)
    assert len(cases) == 3_728
    scorers: dict[str, Scorer] = {"profanity": profanity.load(), "trained": folder.load(trained)}
    for name, scorer in scorers.items():
        found = {one.number: [one.n, one.passed, one.unscored] for one in hatecheck.check(cases, scorer)}
        assert list(found) == [f"F{number}" for number in range(1, 30)]
        wanted = golden[name]
        assert isinstance(wanted, dict)
        assert wanted.keys() == found.keys()
        # Other builds of the linear algebra may move a case that lies on the cut, not more.
        moved = {key: (found[key], wanted[key]) for key in found if abs(found[key][1] - wanted[key][1]) > 1}
        assert not moved, name
        assert sum(abs(found[key][1] - wanted[key][1]) for key in found) <= 5


@pytest.mark.slow
def test_one_toxic_sentence_in_a_harmless_reply_is_found(trained: Input[ToxicityScorer]) -> None:
    data = real_texts()
    replies = [text for text in chatgpt() if 600 < len(text) < 1_500][:600]
    toxic = [t.strip() for t, score in zip(data.texts, data.scores, strict=True) if score >= 0.8 and len(t) > 40][:600]
    hidden = [
        f"{reply[: len(reply) // 2].rsplit('. ', 1)[0]}. {text}. {reply[len(reply) // 2 :]}"
        for reply, text in zip(replies, toxic, strict=True)
    ]
    expected = {"profanity": (0.76, 0.05, 0.06), "trained": (0.96, 0.22, 0.07)}
    scorers: dict[str, Scorer] = {"profanity": profanity.load(), "trained": folder.load(trained)}
    for name, scorer in scorers.items():
        by_piece, as_a_whole, false_alarms = expected[name]
        assert (numbers(hidden, scorer) >= 0.5).mean() == pytest.approx(by_piece, abs=0.03)
        assert (scorer.score(hidden) >= 0.5).mean() == pytest.approx(as_a_whole, abs=0.03)
        assert (numbers(replies, scorer) >= 0.5).mean() == pytest.approx(false_alarms, abs=0.02)


@pytest.mark.slow
def test_both_scorers_are_fast_enough_not_to_matter(trained: Input[ToxicityScorer]) -> None:
    texts = list(real_texts().texts)[:4_000]
    for scorer in (profanity.load(), folder.load(trained)):
        began = time.process_time()
        values(texts, scorer)
        assert len(texts) / (time.process_time() - began) > 2_000, scorer.name


def test_refusals_of_real_models_and_of_people() -> None:
    golden = read_mapping(GOLDEN / "toxicity_refusals.yaml")
    found = Counter({"chatgpt": sum(map(declines, chatgpt()))})
    for path in sorted(ALPACA_EVAL.glob("*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            found[path.name.removesuffix(".json.gz")] = sum(declines(row["output"]) for row in json.load(stream))
    assert dict(found) == golden["models"]
    assert sum(map(declines, real_texts().texts)) == golden["realtoxicity"] == 0
    assert sum(declines(case.text) for case in hatecheck.read_cases(HATECHECK)) == golden["hatecheck"] == 0
